"""M-GRPO's claim: planner and sub-agent, trained together from the same attempts, beat a planner with a frozen sub-agent.

Teams answer questions of one to four facts, a seeker fetching one at a time. All arms start from the same imitation of a
script that errs, so the seeker bounds what a planner alone can learn. Two more arms freeze one agent each; two are a single
agent with as many parameters, and as many attempts or as many tokens said. Controls leave out what is said to matter:
alignment, groups by task, the seeker's share in the planner's success and its own service. Teams are sampled as they are in
training: the imitation alone answers nine in ten questions where every word is the likeliest one, and four in ten sampled.
"""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from interplay.bench.claim import Claim, Control, Measured, Scale, Trained
from interplay.bench.verdict import better, near, paired_difference

EPISODES = 512
ALONE = {"two-hop": "two-hop-alone"}
GREEDY = ("m-grpo", "seeker frozen", "planner frozen", "single agent")
TOKENS = 2.1  # of an episode of the team to one of the single agent, both by their scripts (24.6 and 11.6)


def solved(run: Path, temperature: float = 1.0) -> Sequence[float]:
    """The share of held-out questions that teams answer rightly, seed by seed."""
    from interplay.run import saved

    loaded = saved.load(run)
    game: Any = loaded.game
    shares = []
    for seed in loaded.seeds:
        team: Any = loaded.team(seed)
        game.load(team.members)
        words = (saved.EVALUATION_KEY, seed)
        tasks = game.tasks(np.random.default_rng([*words, 0]), EPISODES)
        played = game.talk(tasks, (*words, 1), temperature=temperature)
        shares.append(float(np.mean([one.events.get("right", 0) for one in played])))
    return shares


greedy = functools.partial(solved, temperature=0.0)


def trained(about: str = "", game: str = "", **settings: Any) -> Trained:
    return Trained("m-grpo", settings, solved, about, games={"two-hop": game} if game else {})


WARM = {"demonstrations": 768, "imitation": 20, "imitation_rate": 3e-3, "rate": 1e-3}
CLAIM = Claim(
    slug="m-grpo",
    method="m-grpo",
    sentence="A planner and a sub-agent that learn together from aligned attempts beat a planner alone, and a single agent.",
    source="Multi-Agent Deep Research: Training Multi-Agent Systems with M-GRPO (2025), abstract",
    paper="M-GRPO above single-agent GRPO and above frozen sub-agents on three benchmarks; no numbers were found",
    unit="share of held-out questions that sampled teams answer",
    games={"two-hop": "two-hop"},
    arms={
        "m-grpo": trained(),
        "duplicated": trained("slots filled at random", alignment="duplicate"),
        "seeker frozen": trained("main agent only", learning="planner"),
        "planner frozen": trained("sub-agent only", learning="seeker"),
        "single agent": Trained("grpo", {"width": 92}, solved, "one agent for all of it", games=ALONE),
        "single agent, equal tokens": Trained(
            "grpo", {"width": 92}, solved, "one agent, as many tokens as the team", games=ALONE, longer=TOKENS
        ),
        **{f"{arm}, greedy": Measured(arm, greedy, "the likeliest word each time") for arm in GREEDY},
    },
    controls={
        "not aligned": Control(trained("every call counts once", alignment="none"), against="m-grpo"),
        "by arrival": Control(trained("calls compared across tasks", peers="arrival"), against="m-grpo"),
        "no share in success": Control(trained(game="two-hop(main=0.0)"), against="m-grpo"),
        "no share in service": Control(trained(game="two-hop(expert=0.0)"), against="m-grpo"),
    },
    scales={
        "smoke": Scale(
            2, 64, settings={"tasks": 4, "group": 4, "width": 16, "depth": 1, "demonstrations": 32, "imitation": 1}
        ),
        "small": Scale(3, 6_400, settings=WARM),
        "paper": Scale(8, 51_200, settings=WARM),
    },
    expect=(
        better("m-grpo", "seeker frozen"),
        better("m-grpo", "single agent"),
        near("m-grpo", "duplicated", 0.1, relative=False, apart=paired_difference),  # seeds share a warm start
    ),
)
