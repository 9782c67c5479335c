"""CMAT's claim: a latent consensus does as well as MAT's imposed order and better than independent actors, and needs no order.

All scores are fresh greedy episodes. The order test lists the agents in another order than they were trained in. Controls: the
same network without a plan, with a plan of one step, and with every agent's own probability ratio in place of the joint one.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import jax

from interplay.bench.claim import Claim, Control, Measured, Scale, Trained
from interplay.bench.verdict import better, near, paired_difference
from interplay.core.team import Team
from interplay.measure import returns
from interplay.measure.permuted import permuted
from interplay.run import saved

EPISODES = 512
SPREAD = ("3 agents", "5 agents")
SHARED = {"batch": 16, "length": 25, "passes": 5, "minibatches": 1, "clip": 0.1, "rate": 1e-3}


def greedy(run: Path, change: Callable[[Team, int], Team] = lambda team, agents: team) -> Sequence[float]:
    """The mean return of fresh greedy episodes, the same for every arm."""
    loaded, key = saved.load(run), jax.random.key(saved.EVALUATION_KEY)
    agents = loaded.game.spec.agents
    teams = [change(loaded.team(seed), agents).greedy() for seed in loaded.seeds]
    return [returns.play(team, loaded.game, key, EPISODES).mean for team in teams]


def turned(run: Path) -> Sequence[float]:
    """The same with the agents listed the other way round."""
    return greedy(run, lambda team, agents: permuted(team, tuple(reversed(range(agents)))))


def trained(method: str, about: str = "", on: tuple[str, ...] = (), **settings) -> Trained:
    return Trained(method, {**SHARED, **settings}, greedy, about, on=on)


CLAIM = Claim(
    slug="cmat",
    method="cmat",
    sentence="A latent consensus does as well as an imposed order, better than independent actors, and needs no order.",
    source="Zhao, Gao and Li (2026), abstract and experiments (SMAC, MA-MuJoCo, football there; particle spread here)",
    paper="better than or equal to MAT, sequential and decentralized baselines on all three suites; no table could be read",
    unit="return of fresh greedy episodes",
    games={"3 agents": "spread", "5 agents": "spread(agents=5)", "smax 3m": "jaxmarl:smax/3m"},
    arms={
        "cmat": trained("cmat", "consensus, joint ratio"),
        "mat": trained("mat", "agents in an order"),
        "mappo": trained("mappo", "independent actors, central critic"),
        "cmat, turned": Measured("cmat", turned, "the same team, its agents listed the other way round"),
        "mat, turned": Measured("mat", turned, "the same team, its agents listed the other way round"),
    },
    controls={
        "no plan": Control(trained("cmat", "the same network without a consensus", rounds=0.0), against="cmat"),
        "one step": Control(trained("cmat", "a plan of one step", ("3 agents",), rounds=1 / 3), against="cmat"),
        "own ratio": Control(
            trained(
                "cmat", "every agent's own ratio is clipped, as in the published code", ("3 agents",), ratio="per-agent"
            ),
            against="cmat",
        ),
    },
    scales={
        "smoke": Scale(2, 800, settings={"batch": 4}),
        "small": Scale(5, 100_000, steps_on={"5 agents": 50_000}),
        "paper": Scale(5, 20_000_000, settings={"batch": 128, "passes": 10, "clip": 0.05, "rate": 7e-4}),
    },
    expect=(
        better("cmat", "mat", by=-1.0, on=SPREAD),  # as good: not worse by more than 1 of about 20
        better("cmat", "mat", by=-0.1, on=("smax 3m",)),  # of 2
        better("cmat", "mappo"),
        near("cmat", "cmat, turned", within=0.001, apart=paired_difference),
        better("mat", "mat, turned", apart=paired_difference),
    ),
)
