"""The claim of N-PG-IGT and N-HARPG: their directions are nearer to the true gradient than momentum's, at equal episodes.

True gradients are worked out exactly, so that the error of a direction itself is measured and not what it leads to. Three
random tables and a regulator set how much of the error is noise and how much is lag: one episode a query and short steps, one
episode and long steps, 32 episodes at once. Slopes of log error on log iterations against theory's −1/3, −2/5 and −1/2.
Controls take out the extrapolation, the Hessian-vector product, and the score term of that product.
"""

import functools
from typing import NamedTuple

import numpy as np

from interplay import games
from interplay.bench.claim import Claim, Computed, Control, Outcome, Scale
from interplay.bench.verdict import at_least, better
from interplay.measure import direction
from interplay.measure.direction import COMPARED, Problem, Study


class Setting(NamedTuple):
    """One problem: episodes a query, the length of the first step, how long it runs next to `Scale.steps` episodes."""

    batch: int
    rate: float
    longer: int


TABLE = "interplay.games.random_mdp:random_mdp"
GAMES = {
    "table": f"{TABLE}(seed=0)",
    "table, long steps": f"{TABLE}(seed=1)",
    "table, batches": f"{TABLE}(seed=2)",
    "regulator": "interplay.games.lqr:lqr",
}
SETTINGS = {
    GAMES["table"]: Setting(1, 0.3, 1),
    GAMES["table, long steps"]: Setting(1, 1.0, 2),
    GAMES["table, batches"]: Setting(32, 0.3, 160),
    GAMES["regulator"]: Setting(32, 0.03, 64),
}
SLOPE = "slope"  # heading of β in error ~ iterations^β
TABLES = ("table", "table, long steps", "table, batches")


def study(name: str, game: str, scale: Scale) -> Outcome:
    """The error of one optimizer's directions on one problem, all optimizers with as many episodes."""
    setting = SETTINGS[game]
    problem = problem_of(game)
    queries = len(COMPARED[name](problem.estimator, setting.rate).roles)
    iterations = max(20, scale.steps * setting.longer // (setting.batch * queries))
    every = max(1, iterations // 1000)
    run = functools.partial(direction.study, iterations=iterations - iterations % every, every=every)
    found = run(problem, COMPARED[name], scale.seeds, rate=setting.rate, batch=setting.batch)
    points = np.unique(np.linspace(0, len(found.iterations) - 1, 60).astype(int))
    curve = {"steps": found.episodes[points].tolist(), "curves": np.log10(_smooth(found)[:, points]).round(3).tolist()}
    also = {
        SLOPE: [direction.slope(_one(found, seed), max(2, iterations // 20)) for seed in range(scale.seeds)],
        "cosine": direction.summary(found)["cosine"].tolist(),
        "J at the end": found.value[:, -1].tolist(),
    }
    spent = {"steps": int(found.episodes[-1]), "updates": iterations}
    return Outcome(direction.summary(found)["error"].tolist(), curve, spent, also)


def problem_of(game: str) -> Problem:
    """The table or the regulator called `game`."""
    made = games.make(game)
    return direction.table(made.markov, made.spec.horizon) if game.startswith(TABLE) else direction.regulator(made)


def _one(found: Study, seed: int) -> Study:
    """One seed of a study."""
    return found._replace(distance=found.distance[seed : seed + 1])


def _smooth(found: Study, over: int = 25):
    """Running means of the error over the points before, for the eye."""
    sums = np.cumsum(np.pad(found.error, ((0, 0), (1, 0))), axis=1)
    last = np.arange(1, sums.shape[1])
    first = np.maximum(0, last - over)
    return (sums[:, last] - sums[:, first]) / (last - first)


def arm(name: str, about: str = "", on: tuple[str, ...] = ()) -> Computed:
    return Computed(functools.partial(study, name), about, on)


def slope(name: str, theory: float, within: float = 0.08):
    """The slope of arm `name` with batches is theory's, give or take `within`."""
    on = (f"table, batches @ {SLOPE}",)
    return at_least(name, theory - within, on=on), at_least(name, theory + within, on=on, most=True)


CLAIM = Claim(
    slug="igt-gradient",
    method="igt-gradient",
    sentence="Extrapolation and curvature bring momentum's direction nearer to the true gradient, at equal episodes.",
    source="Fatkhullin et al. (2023), algorithms 1 and 2 and the rates of section 4",
    paper="rates: ε^−2.5 episodes for N-PG-IGT, ε^−2 for HARPG, before ε^−3; learning curves, no table",
    unit="relative error of the direction, last half of all episodes",
    games=GAMES,
    arms={
        "none": arm("none", "normalized gradients of single queries"),
        "momentum": arm("momentum", "normalized momentum"),
        "igt": arm("igt", "N-PG-IGT: gradients taken ahead"),
        "storm": arm("storm", "the old direction reweighted by importance", TABLES),
        "n-harpg": arm("n-harpg", "N-HARPG: the old direction moved along the curvature; two queries an iteration"),
    },
    controls={
        "igt, no extrapolation": Control(
            arm("igt, no extrapolation", "momentum with N-PG-IGT's schedule"), against="igt"
        ),
        "n-harpg, v = 0": Control(
            arm("n-harpg, v = 0", "momentum with N-HARPG's schedule, one query"), against="n-harpg"
        ),
        "n-harpg, no score": Control(arm("n-harpg, no score", "a biased product"), against="n-harpg"),
    },
    scales={"smoke": Scale(2, 200), "small": Scale(8, 2000), "paper": Scale(16, 10_000)},
    expect=(
        better("momentum", "none", higher=False, on=tuple(GAMES)),
        better("igt", "momentum", higher=False, on=tuple(GAMES)),
        better("n-harpg", "igt", higher=False, on=tuple(GAMES)),
        *slope("momentum", -1 / 3),
        *slope("igt", -2 / 5),
        *slope("n-harpg", -1 / 2),
    ),
    higher=False,
)
