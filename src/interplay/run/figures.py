"""What a trained team can be asked besides its return, kept in the run folder as numbers that the report draws.

A figure is small JSON: "points" (returns of a team that is told preferences, and which of them no other dominates) or "map"
and "line" (where and when a switched team calls its center), or "maps" (true rewards beside those that a team's values stand
for). Others are added as a function to `FIGURES`.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import PRNGKeyArray

from interplay.core.game import AnyGame, Game
from interplay.core.preferences import simplex
from interplay.core.team import Team
from interplay.games.foraging import Foraging
from interplay.measure import calls, pareto, reward_map
from interplay.measure.reward_map import Compared, Places
from interplay.nets.preferred import Preferring
from interplay.nets.rewarding import Rewarding
from interplay.nets.switched import Switched
from interplay.run import devices, folder
from interplay.run.folder import Run

KEY = 0xF16  # figures never show the episodes of training
SEEDS = 5  # at most so many
PARTS = 50  # preferences in steps of 1 / PARTS
TRIED = 32  # the same episodes for each preference: of fewer, luck would pass for a compromise where starts are random
EPISODES, FEW = 128, 32  # watched for calls; watched for rewards, where every step looks at all choices

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
    points = pareto.swept(team.greedy(), game, weights, key, TRIED)
    kept = pareto.nondominated(points)
    yield {
        "kind": "points",
        "title": "Compromises",
        "words": f"Greedy returns under {len(weights)} preferences, means over the same {TRIED} episodes; filled where no "
        "other is as good in both objectives.",
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


def wanted(team: Team, game: AnyGame, key: PRNGKeyArray) -> Iterator[Figure]:
    """Where every agent finds reward in its own play, and where its values say it does, in games that have a map."""
    on = reward_map.places(game)
    if not isinstance(team, Rewarding) or not isinstance(game, Game) or on is None:
        return
    played = reward_map.witnessed(team, game, key, FEW)
    pairs = reward_map.compared(played.true, played.found, played.seen, played.weight, on)
    yield from beside(pairs, on, f"in {int(played.weight.sum()):,} steps of its own play")


def beside(pairs: Sequence[Compared], on: Places, where: str) -> Iterator[Figure]:
    """True and recovered rewards of every agent as two maps beside each other; `where` tells which states count."""
    for agent, pair in enumerate(pairs):
        yield {
            "kind": "maps",
            "title": f"What agent {agent} wants",
            "words": f"Reward of a choice over the mean of all choices there, {where}. {on.words} Each map has its own "
            f"scale. Choice by choice the two correlate by {pair.correlation:.2f}.",
            "x": on.names[1],
            "y": on.names[0],
            "names": ["as the game pays", "as recovered"],
            "values": [[_known(row) for row in table] for table in (pair.true, pair.found)],
        }


FIGURES: tuple[Callable[[Team, AnyGame, PRNGKeyArray], Iterator[Figure]], ...] = (compromises, called, wanted)


def _known(values: np.ndarray) -> list[float | None]:
    return [float(value) if np.isfinite(value) else None for value in values]
