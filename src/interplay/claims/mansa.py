"""MANSA's claim: a switch that pays for calls finds the states where agents need a center, and leaves them alone elsewhere.

The control has the same two sides, the same flow of data and as many calls at every stage of learning, but calls at random. In
tables scores are exact; in foraging where all food needs both agents 1, summed over agents, is the most there is, in SMAX 2.
Arms that begin with "calls" tell the share of steps at which the greedy team calls the center.
"""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import jax
import numpy as np

from interplay.bench.claim import Claim, Computed, Control, Measured, Outcome, Scale, Trained
from interplay.bench.verdict import at_least, better, near
from interplay.methods import mansa_tables
from interplay.methods.mansa_tables import POINTS, Learning, Study

TABLES, NEURAL = ("contextual",), ("foraging", "smax 3m")
MOST = {"foraging": 0.5, "jaxmarl": 2.0}  # the best mean return over agents, by the first word of a game's name
EPISODES = 256
SHARED: dict[str, Any] = {
    "batch": 8, "length": 8, "updates": 4, "sampled": 64, "discount": 0.95, "epsilon_steps": 30_000, "rate": 1e-3,
}  # fmt: skip


@functools.cache
def tables(game: str, seeds: int, steps: int, switch: str, overheard: bool) -> Study:
    """What became of the tables under one switch; the random one calls as often as the learned one, at every stage."""
    tasks = [getattr(mansa_tables, game)(seed) for seed in range(seeds)]
    learning = Learning(steps=steps, overheard=overheard)
    if switch == "learned":
        return mansa_tables.study(tasks, learning)
    if switch == "random":
        like = tables(game, seeds, steps, "learned", overheard)
        chance: Any = np.concatenate([like.curve[:, :-1], like.calls[:, None]], 1)
    else:
        chance = {"never": 0.0, "always": 1.0}[switch]
    return mansa_tables.study(tasks, learning, mansa_tables.at_random, chance)


def tabular(switch: str, about: str, what: str = "share", overheard: bool = False) -> Computed:
    """One number of a study, of twice as many seeds as elsewhere: they cost little."""

    def work(game: str, scale: Scale) -> Outcome:
        steps = _steps(scale)
        found = tables(game.split(":")[1], 2 * scale.seeds, steps, switch, overheard)
        points = np.arange(1, POINTS + 1) * (steps // POINTS)
        curve = {"steps": points.tolist(), "curves": found.curve.tolist()} if what == "calls" else None
        return Outcome(getattr(found, what).tolist(), curve, {"steps": steps})

    return Computed(work, about, on=TABLES)


def budget(calls: int) -> Computed:
    """The corridor with so many calls an episode; agents are not curious at last, as one that strays may end everything."""

    def work(game: str, scale: Scale) -> Outcome:
        learning = Learning(steps=_steps(scale), budget=calls, epsilon=0.0)
        tasks = [mansa_tables.corridor(seed) for seed in range(2 * scale.seeds)]
        return Outcome(mansa_tables.study(tasks, learning).share.tolist(), None, {"steps": learning.steps})

    return Computed(work, f"at most {calls} calls an episode", on=("corridor",))


def _steps(scale: Scale) -> int:
    return 40_000 if scale.steps >= 40_000 else 2_000


def share(run: Path, change=lambda team: team) -> Sequence[float]:
    """Fresh greedy episodes of every seed's team as a share of the most that can be earned, the same for every arm."""
    from interplay.measure import returns
    from interplay.run import saved

    loaded, key = saved.load(run), jax.random.key(saved.EVALUATION_KEY)
    most = MOST[loaded.run.settings["game"].replace("(", ":").split(":")[0]]
    teams = [change(loaded.team(seed)).greedy() for seed in loaded.seeds]
    return [returns.play(team, loaded.game, key, EPISODES).mean / most for team in teams]


def alone(run: Path) -> Sequence[float]:
    """The same where the center is never called when running: the switch as an aid to learning only."""
    import dataclasses

    from interplay.nets import switched

    return share(run, lambda team: dataclasses.replace(team, decide=switched.never))


def calls(run: Path) -> Sequence[float]:
    """The share of steps with a call, greedy; of foraging the first seed's map goes to the run's page."""
    from interplay.core.game import Game
    from interplay.games.foraging import Foraging
    from interplay.measure.calls import page, watched
    from interplay.run import saved

    loaded, key = saved.load(run), jax.random.key(saved.EVALUATION_KEY)
    game, first = cast(Game, loaded.game), loaded.seeds[0]
    if isinstance(game, Foraging):
        saved.write_replay(loaded, page(cast(Any, loaded.team(first)), game, key, first))
    return [watched(loaded.team(seed).greedy(), game, key, EPISODES).rate for seed in loaded.seeds]


def learning_calls(run: Path) -> Sequence[float]:
    """The share of steps with a call over the whole of training, curiosity included."""
    return [float(row.mean()) for row in _rates(run)]


def yoked(run: Path) -> Sequence[float]:
    """Train again like `run`, with a switch that calls at random as often as that run did, at every stage; its `share`."""
    from interplay.run import folder, training

    found, path = folder.open_run(run), run.parent / "at-random"
    if not (path / "settings.json").exists() or folder.open_run(path).status()["state"] != "done":
        rates = np.append(_rates(run).mean(0)[:-1], np.mean(calls(run)))
        settings = {
            **found.settings["settings"],
            "switch": "random",
            "calls": " ".join(f"{rate:.4f}" for rate in rates),
        }
        game, seeds = settings.pop("game"), found.settings["seeds"]
        training.train(found.settings["method"], game, seeds=seeds, out=path, **settings)
    return share(path)


def _rates(run: Path) -> np.ndarray:
    """[seed, part]: how often the center was called in each of `POINTS` equal parts of training."""
    from interplay.report.record import read

    rows = read(run).rows
    last = max(row["step"] for row in rows) + 1
    of = lambda seed, part: [
        row["calls"] for row in rows if row["seed"] == seed and row["step"] * POINTS // last == part
    ]
    seeds = sorted({row["seed"] for row in rows})
    return np.array([[np.mean(of(seed, part) or [np.nan]) for part in range(POINTS)] for seed in seeds])


def trained(method: str, about: str, **settings: Any) -> Trained:
    return Trained(method, {**SHARED, **settings}, share, about, on=NEURAL)


CLAIM = Claim(
    slug="mansa",
    method="mansa",
    sentence="A switch that pays for calls finds where agents need a center: most of its return for few of its calls.",
    source="Mguni et al. (2023), abstract and experiments (foraging and SMAC there)",
    paper="40% fewer central calls in SMAC, calls at 1% of states in foraging, better and more reliable than either base",
    unit="return as a share of the most there is (arms that begin with calls: share of steps with a call)",
    games={
        "contextual": "interplay.methods.mansa_tables:contextual",
        "corridor": "interplay.methods.mansa_tables:corridor",
        "foraging": "foraging(size=5,food=1,cooperative=True,horizon=30,penalty=0.1)",
        "smax 3m": "jaxmarl:smax/3m",
    },
    arms={
        "tables apart": tabular("never", "independent tables"),
        "tables center": tabular("always", "one joint table"),
        "tables mansa": tabular("learned", "each side learns from its own steps"),
        "tables overheard": tabular("learned", "independent tables learn from the center's steps too", overheard=True),
        "calls, tables": tabular("learned", "greedy, exact; curve: while learning", "calls"),
        "calls, hard": tabular("learned", "share of climbing states that call", "hard"),
        "calls, easy": tabular("learned", "share of easy states that call", "easy"),
        "calls, as they should be": tabular("learned", "share of states with the exact best choice", "agreement"),
        **{f"budget {calls}": budget(calls) for calls in (0, 1, 2, 4, 8)},
        "iql": trained("iql", "every agent for itself"),
        "qmix": trained("qmix", "the center alone", rate=5e-4),
        "mansa": trained("mansa", "IQL and QMIX under a switch"),
        "mansa, never called": Measured("mansa", alone, "the same team without its center when running", NEURAL),
        "calls": Measured("mansa", calls, "greedy", NEURAL),
        "calls while learning": Measured("mansa", learning_calls, "mean over training, curiosity included", NEURAL),
    },
    controls={
        "tables at random": Control(
            tabular("random", "as many calls at every stage, anywhere"), against="tables mansa"
        ),
        "tables overheard, at random": Control(
            tabular("random", "the same where independent tables overhear", overheard=True), against="tables overheard"
        ),
        "at random": Control(
            Measured("mansa", yoked, "trained anew with as many calls at every stage, anywhere", NEURAL),
            against="mansa",
        ),
    },
    scales={
        "smoke": Scale(2, 4096, settings={"warmup": 256}),
        "small": Scale(5, 60_000),
        "paper": Scale(10, 2_000_000),
    },
    expect=(
        better("tables mansa", "tables apart", by=0.05, on=TABLES),
        better("tables mansa", "tables at random", on=TABLES),
        at_least("calls, tables", 0.3, on=TABLES, most=True),
        better("budget 4", "budget 0", by=0.05, on=("corridor",)),
        near("budget 8", "budget 4", within=0.05, on=("corridor",)),  # four states need a call
        better("mansa", "iql", by=-0.05, on=NEURAL),
        better("mansa", "qmix", by=-0.05, on=NEURAL),
        better("mansa", "at random", on=NEURAL),
        at_least("calls", 0.6, on=NEURAL, most=True),
    ),
)
