"""What a trained team can be asked besides its return, kept in the run folder as numbers that the report draws.

A figure is small JSON: "points" (returns of a team that is told preferences, and which of them no other dominates) or "map"
and "line" (where and when a switched team calls its center). Others are added as a function to `FIGURES`.
"""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
from jaxtyping import PRNGKeyArray

from interplay.core.game import AnyGame, Game
from interplay.core.preferences import simplex
from interplay.core.team import Team
from interplay.games.foraging import Foraging
from interplay.measure import calls, pareto
from interplay.nets.preferred import Preferring
from interplay.nets.switched import Switched
from interplay.run import devices, folder
from interplay.run.folder import Run

KEY = 0xF16  # figures never show the episodes of training
SEEDS, PARTS, EPISODES = (
    5,
    50,
    128,
)  # at most so many seeds; preferences in steps of 1 / PARTS; episodes watched for calls

Figure = dict[str, Any]


def keep(run: Run, layout: devices.Layout, states: Any) -> None:
    """Write down what the teams of the first seeds show, where they show anything."""
    found = [
        {"seed": seed, **figure}
        for place, seed in enumerate(layout.seeds[:SEEDS])
        for figure in of(layout.team(states, place), layout.method.game, jax.random.key(KEY))
    ]
    if found:
        folder.write_json_atomic(run.figures_file, {"figures": found})


def of(team: Team, game: AnyGame, key: PRNGKeyArray) -> Iterator[Figure]:
    """All figures of a team in its game."""
    for make in FIGURES:
        yield from make(team, game, key)


def compromises(team: Team, game: AnyGame, key: PRNGKeyArray) -> Iterator[Figure]:
    """Greedy returns under preferences in even steps, of teams that are told one, in games of two objectives."""
    if not isinstance(team, Preferring) or not isinstance(game, Game) or game.spec.objectives != 2:
        return
    weights = simplex(2, PARTS)
    points = pareto.swept(team.greedy(), game, weights, key)
    kept = pareto.nondominated(points)
    yield {
        "kind": "points",
        "title": "Compromises",
        "words": f"Mean greedy returns under {len(weights)} preferences; filled where no other is as good in both objectives.",
        "x": "return in objective 0",
        "y": "return in objective 1",
        "points": points.tolist(),
        "kept": np.asarray(kept).tolist(),
    }


def called(team: Team, game: AnyGame, key: PRNGKeyArray) -> Iterator[Figure]:
    """How often a switched team calls its center: step by step, and in foraging cell by cell."""
    if not isinstance(team, Switched) or not isinstance(game, Game):
        return
    grid = isinstance(game, Foraging)
    watched = calls.watched(team.greedy(), game, key, EPISODES, calls.cells if grid else lambda state: ())
    yield {
        "kind": "line",
        "title": "Calls over an episode",
        "words": f"The share of greedy episodes that call the center at each step; {watched.rate:.1%} of all steps.",
        "x": "step of the episode",
        "y": "share of episodes that call",
        "values": _known(watched.by_step()),
    }
    if isinstance(game, Foraging):
        yield {
            "kind": "map",
            "title": "Where the center is called",
            "words": "The share of greedy steps with a call while somebody stands on the cell; white where nobody ever does.",
            "x": "column",
            "y": "row",
            "values": [_known(row) for row in calls.on_map(watched, game.size)],
        }


FIGURES: tuple[Callable[[Team, AnyGame, PRNGKeyArray], Iterator[Figure]], ...] = (compromises, called)


def _known(values: np.ndarray) -> list[float | None]:
    return [float(value) if np.isfinite(value) else None for value in values]
