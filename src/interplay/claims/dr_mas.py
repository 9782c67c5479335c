"""Dr. MAS's claim: an agent's own statistics keep gradients of agents that are called seldom from being inflated.

Two kinds of game. In three the team is frozen and chance in the router's place searches with probability 0.1, 0.3 and 0.7;
what is measured is the squared gradient of the searcher over batches of 16 tasks with 8 attempts, the same episodes for all
arms. In the ledger teams are trained and evaluated on held-out tasks. Controls count turns instead of comparing agents, and
clip GRPO's gradient; a single agent does the same task with as many parameters and as many tokens said.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from interplay.bench.claim import Claim, Control, Joint, Outcome, Scale, Trained
from interplay.bench.verdict import better

SHARES = {f"searches {share}0%": f"ledger-routed(share=0.{share})" for share in (1, 3, 7)}
TASKS, ATTEMPTS, EPISODES = 16, 8, 512
TOKENS = 1.09  # of an episode of the team to one of the single agent, both without mistakes (6.02 and 5.51)
RATIO, PREDICTED, PARALLEL = "E‖g‖² over Dr. MAS's", "lemma 4.2", "‖E g‖² / tr Var g"
CREDITS: dict[str, dict[str, Any]] = {
    "dr-mas": {},
    "grpo": {"mean_of": "task", "deviation_of": "task", "count": "episode"},
    "per turn": {"mean_of": "task", "deviation_of": "task"},
    "own mean": {"deviation_of": "task"},
}


def frozen(game: str, scale: Scale) -> Mapping[str, Outcome]:
    """log₁₀ E‖g‖² of the searcher for every way of giving credit, frozen, in one game."""
    found = [_one(game, seed, max(2, scale.steps // (TASKS * ATTEMPTS)), scale.settings) for seed in range(scale.seeds)]
    outcomes = {}
    for name in CREDITS:
        size = np.array([one[name][0] for one in found])
        base = np.array([one["dr-mas"][0] for one in found])
        also = {
            RATIO: (size / base).tolist(),
            PARALLEL: [one[name][1] for one in found],
        } | ({PREDICTED: [one["lemma"] for one in found]} if name == "grpo" else {})
        outcomes[name] = Outcome(np.log10(size).tolist(), None, {"episodes": scale.steps}, also)
    return outcomes


def _one(game: str, seed: int, batches: int, settings: Mapping[str, Any]) -> dict[str, Any]:
    """E‖g‖², its signal-to-noise ratio by credit, and the factor that the lemma predicts, for one seed's warm start."""
    from interplay.lm.update import gradient
    from interplay.methods import dr_mas
    from interplay.methods.dialogue import said_by

    methods = {
        name: dr_mas.build(dr_mas.Settings(**settings, **changes, game=game)) for name, changes in CREDITS.items()
    }
    spoken: Any = methods["dr-mas"].game
    rows_of, learner, model = _stage(spoken, methods["dr-mas"], seed, settings), _learner(), spoken.model
    seat = spoken.seats["searcher"].member
    gradients: dict[str, list[np.ndarray]] = {name: [] for name in methods}
    factors = []
    for batch in range(batches):
        played, rows = rows_of((seed, batch + 1))
        factors += _predicted(rows, spoken.scene.agents.index("searcher"))
        for name, method in methods.items():
            mine = said_by(played, rows, method.game.credit(rows), seat)  # type: ignore[attr-defined]
            model.slope(seat).zero_()
            if mine:
                gradient(model, seat, mine, learner)
            gradients[name].append(model.slope(seat).numpy().copy())
    told: dict[str, Any] = {name: _moments(np.stack(rows)) for name, rows in gradients.items()}
    return told | {"lemma": float(np.mean(factors)) if factors else float("nan")}


def _stage(game: Any, method: Any, seed: int, settings: Mapping[str, Any]) -> Callable:
    """A warm-started team that is frozen; the function plays a batch."""
    from interplay.lm.transcript import turns
    from interplay.methods import dr_mas
    from interplay.methods.dialogue import warmed
    from interplay.run import devices

    state = warmed(game, method.init(devices.starting_key(seed)), dr_mas.Settings(**settings), (seed, 0))
    game.load([member.weights for member in state.members])
    task = np.repeat(np.arange(TASKS), ATTEMPTS)

    def batch(words: Sequence[int]):
        drawn = game.tasks(np.random.default_rng([*words, 0]), TASKS)
        played = game.talk([drawn[index] for index in task], (*words, 1))
        return played, turns(played, task, game.scene.agents)

    return batch


def _learner():
    from interplay.lm.learner import Learner
    from interplay.objectives.tokens import PolicyLoss, no_ratio, token_total, unclipped

    return Learner(PolicyLoss(ratio=no_ratio, clip=unclipped, average=token_total), lambda count: 0.0)


def _predicted(rows: Any, agent: int) -> list[float]:
    """Lemma 4.2's factor of every turn of the agent whose two groups both vary."""
    from interplay.credit import groups

    whole = groups.statistics(rows.reward, (rows.task,), groups.by_episode(rows.episode))
    own = groups.statistics(rows.reward, (rows.task, rows.agent))
    mine = (rows.agent == agent) & (own.units > 1) & (own.variance > 0) & (whole.variance > 0)
    return groups.inflation(own, whole)[mine].tolist()


def _moments(rows: np.ndarray) -> tuple[float, float]:
    """E‖g‖² and ‖E g‖² / tr Var g over batches."""
    noise = rows.var(0, ddof=1).sum()
    signal = (rows.mean(0) ** 2).sum() - noise / len(rows)
    return float((rows**2).sum(1).mean()), float(signal / max(noise, 1e-30))


def held_out(run: Path) -> Sequence[float]:
    """Greedy episodes on held-out tasks."""
    from interplay.run import saved

    return saved.load(run).evaluate(EPISODES)["per_seed"]


def trained(**settings) -> Trained:
    return Trained("dr-mas", settings, held_out, on=("ledger",))


def both(name: str) -> Joint:
    return Joint(frozen, name, f"credit of {name}, frozen teams", on=tuple(SHARES))


CLAIM = Claim(
    slug="dr-mas",
    method="dr-mas",
    sentence="Each agent's own statistics keep the gradients of seldom called agents from being inflated.",
    source="Feng et al., Dr. MAS (2026), lemma 4.2, proposition 4.3, tables 1 to 3",
    paper="search, 7B, own weights: 28.0 to 43.8 avg@16; GRPO's gradient norm passed 80 and became NaN",
    unit="log₁₀ of the searcher's E‖g‖² (frozen); return of greedy episodes on held-out tasks (ledger)",
    games={**SHARES, "ledger": "ledger"},
    arms={
        **{f"{name}, frozen": both(name) for name in CREDITS},
        "dr-mas": trained(),
        "grpo": Trained("grpo", {}, held_out, on=("ledger",)),
        "single agent": Trained(
            "grpo",
            {"width": 112},
            held_out,
            "one agent for all of it, as many tokens",
            games={"ledger": "ledger-alone"},
            on=("ledger",),
            longer=TOKENS,
        ),
    },
    controls={
        "per turn": Control(trained(**CREDITS["per turn"]), against="dr-mas"),
        "own mean": Control(trained(**CREDITS["own mean"]), against="dr-mas"),
        "grpo, clipped to 0.3": Control(Trained("grpo", {"max_norm": 0.3}, held_out, on=("ledger",)), against="dr-mas"),
    },
    scales={
        "smoke": Scale(2, 128, settings={"tasks": 4, "group": 4, "width": 16, "demonstrations": 32, "imitation": 1}),
        "small": Scale(4, 12_800),
        "paper": Scale(10, 51_200),
    },
    expect=(
        better("dr-mas, frozen", "grpo, frozen", on=("searches 10%",), higher=False),
        better("dr-mas, frozen", "grpo, frozen", on=("searches 30%",), higher=False),
        better("dr-mas", "grpo", on=("ledger",)),
    ),
)
