"""Grid worlds for programs and for people: plain read-only arrays of everything there is, ways to go, pictures.

A policy program gets a `View`: numpy arrays backed by bytes, which nothing can make writable, so that looking is all it
can do; `first_step` and `action` answer what programs ask most (which way to the nearest apple, and which action is
that?) from a table of distances computed once per map. Two users: policies written as programs, and the pictures of
gathering, cleanup and harvest.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import jax
import numpy as np
from jaxtyping import Bool, Int, Shaped

from interplay.core.errors import InputError
from interplay.games import svg
from interplay.games.grid import BACKWARD, CLEAN, FACES, FIRE, FORWARD, LEFT, RIGHT, STAND, Bodies, Chart, Rules, chart

STEPS = (
    (-1, 0),
    (1, 0),
    (0, -1),
    (0, 1),
)  # north, south, west, east: the order in which ways of equal length are tried


@dataclass(frozen=True, eq=False)
class View:
    """All that is to see at one moment, for agent `agent`. Arrays are read-only copies; maps have a row per map row.

    `ripe` apples are there to be taken, `orchard` marks where they may grow. `facing` counts from north clockwise.
    Agents with `timeout` > 1 have no move now.
    """

    agent: int
    step: int
    horizon: int
    reach: int  # of beams: cells ahead
    breadth: int  # of beams: cells to each side
    hits_needed: int
    position: Int[np.ndarray, "agent 2"]
    facing: Int[np.ndarray, "agent"]
    timeout: Int[np.ndarray, "agent"]
    hits: Int[np.ndarray, "agent"]
    ripe: Bool[np.ndarray, "row column"]
    orchard: Bool[np.ndarray, "row column"]
    walls: Bool[np.ndarray, "row column"]
    river: Bool[np.ndarray, "row column"]
    waste: Bool[np.ndarray, "row column"]
    beams: Bool[np.ndarray, "row column"]
    cleaning: Bool[np.ndarray, "row column"]
    distance: Int[np.ndarray, "place place"]  # steps between open cells past walls, −1 where there is no way
    place: Int[np.ndarray, "row column"]  # of each cell, its row in `distance`; −1 on walls

    @property
    def here(self) -> tuple[int, int]:
        """Where the agent stands."""
        row, column = self.position[self.agent]
        return int(row), int(column)

    @property
    def others(self) -> tuple[int, ...]:
        """The other agents that are in the game."""
        return tuple(index for index in range(len(self.facing)) if index != self.agent and self.timeout[index] <= 0)


def sealed(array: Shaped[np.ndarray, "..."]) -> Shaped[np.ndarray, "..."]:
    """A copy that cannot be written to, nor made writable again.

    >>> sealed(np.arange(3)).flags.writeable
    False
    """
    return np.frombuffer(array.tobytes(), array.dtype).reshape(array.shape)


@dataclass(frozen=True, eq=False)
class Ground:
    """What every view of one map shares."""

    walls: Bool[np.ndarray, "row column"]
    orchard: Bool[np.ndarray, "row column"]
    river: Bool[np.ndarray, "row column"]
    distance: Int[np.ndarray, "place place"]
    place: Int[np.ndarray, "row column"]


@functools.lru_cache(maxsize=64)
def ground(rows: tuple[str, ...]) -> Ground:
    """The sealed arrays of a map, computed once."""
    here: Chart = chart(rows)
    slots = here.slots(".APHR").reshape(here.shape)
    return Ground(
        walls=sealed(here.walls),
        orchard=sealed(here.marks == "A"),
        river=sealed(np.isin(here.marks, ["H", "R"])),
        distance=sealed(here.distance),
        place=sealed(np.where(here.walls, -1, slots)),
    )


def view(
    rules: Rules,
    bodies: Bodies,
    agent: int,
    *,
    step: Int[object, ""] | int,
    horizon: int,
    ripe: Shaped[object, "apple"],
    waste: Shaped[object, "river"] | None = None,
) -> View:
    """The `View` of `agent`; `ripe` and `waste` are values of the map's places `A` and `HR`, in reading order."""
    bodies = _plain(bodies)
    if not 0 <= agent < len(bodies.facing):
        raise InputError(f"there is no agent {agent}: give one of 0 to {len(bodies.facing) - 1}")
    known = ground(rules.rows)
    laid = lambda marks, values: sealed(_laid(rules.chart, marks, np.asarray(values, bool)))
    return View(
        agent=int(agent),
        step=int(np.asarray(step)),
        horizon=horizon,
        reach=rules.length,
        breadth=rules.width // 2,
        hits_needed=rules.hits,
        position=sealed(np.asarray(bodies.position)),
        facing=sealed(np.asarray(bodies.facing)),
        timeout=sealed(np.asarray(bodies.timeout)),
        hits=sealed(np.asarray(bodies.hits)),
        ripe=laid("A", ripe),
        waste=laid("HR", waste) if waste is not None else sealed(np.zeros_like(known.walls)),
        beams=sealed(swept_cells(rules, bodies, FIRE)),
        cleaning=sealed(swept_cells(rules, bodies, CLEAN)),
        **vars(known),
    )


def first_step(seen: View, targets: Bool[np.ndarray, "row column"]) -> tuple[int, int] | None:
    """The first (row, column) step of a shortest way to the nearest of `targets`; (0, 0) on one, None without a way.

    >>> from interplay import games
    >>> game = games.make("gathering(map='garden', agents=2)")
    >>> seen = game.view(game.reset(jax.random.key(0))[0], 0)
    >>> first_step(seen, seen.ripe) in STEPS
    True
    """
    goals = seen.place[targets & ~seen.walls]
    row, column = seen.here
    if targets[row, column]:
        return 0, 0
    if not goals.size:
        return None
    best = None
    for down, right in STEPS:
        place = seen.place[row + down, column + right]
        ways = seen.distance[place, goals] if place >= 0 else goals[:0]
        ways = ways[ways >= 0]
        if ways.size and (best is None or ways.min() < best[0]):
            best = ways.min(), (down, right)
    return best and best[1]


def action(seen: View, step: tuple[int, int] | None) -> int:
    """The action that takes the agent one (row, column) step, whichever way it faces; STAND for (0, 0) and None."""
    if step is None or tuple(step) == (0, 0):
        return STAND
    ahead, right = _along(int(seen.facing[seen.agent]), *step)
    choices = {(1, 0): FORWARD, (-1, 0): BACKWARD, (0, -1): LEFT, (0, 1): RIGHT}
    if (ahead, right) not in choices:
        raise InputError(f"{tuple(step)} is no single step: give one of {', '.join(map(str, STEPS))}")
    return choices[ahead, right]


def beam_area(seen: View, facing: int | None = None, origin: tuple[int, int] | None = None) -> Bool[np.ndarray, "r c"]:
    """The cells that a beam of this agent would sweep, as it stands or as it would from elsewhere."""
    facing = int(seen.facing[seen.agent]) if facing is None else facing
    return _area(seen.walls, origin or seen.here, facing, seen.reach, seen.breadth)


def swept_cells(rules: Rules, bodies: Bodies, kind: int) -> Bool[np.ndarray, "row column"]:
    """`grid.swept` in numpy: the cells that beams of `kind` swept in the last step."""
    walls, total = rules.chart.walls, np.zeros(rules.chart.shape, bool)
    for index in np.flatnonzero(np.asarray(bodies.beam) == kind):
        row, column = np.asarray(bodies.position[index])
        total |= _area(walls, (int(row), int(column)), int(bodies.facing[index]), rules.length, rules.width // 2)
    return total


def draw(
    rules: Rules,
    bodies: Bodies,
    words: str,
    *,
    title: str,
    ripe: Shaped[object, "apple"],
    waste: Shaped[object, "river"] | None = None,
) -> str:
    """The world as SVG: walls, river and waste, apples, beams and agents with their numbers; `words` below."""
    bodies = _plain(bodies)
    here = rules.chart
    height, width = here.shape
    shapes = [_tiles(here.walls, "#78909C")]
    if waste is not None:
        foul = _laid(here, "HR", np.asarray(waste, bool))
        shapes += [_tiles(np.isin(here.marks, ["H", "R"]) & ~foul, "#B3E5FC"), _tiles(foul, "#A1887F")]
    for row, column in np.argwhere(_laid(here, "A", np.asarray(ripe, bool))):
        shapes.append(svg.circle(column + 0.5, row + 0.5, 0.26, "#C62828"))
    shapes.append(_tiles(swept_cells(rules, bodies, FIRE), "#FBC02D", fill_opacity=0.45))
    shapes.append(_tiles(swept_cells(rules, bodies, CLEAN), "#26C6DA", fill_opacity=0.45))
    shapes += [_body(index, bodies) for index in range(len(bodies.facing))]
    size = max(0.6, width / 40)
    shapes.append(svg.text(0, height + 0.8 * size, words, size, text_anchor="start"))
    return svg.document(width, height + 1.6 * size, *shapes, title=title)


def _plain(bodies: Bodies) -> Bodies:
    """Bodies as numpy arrays."""
    return jax.tree.map(np.asarray, bodies)


def _laid(here: Chart, marks: str, values: Bool[np.ndarray, "place"]) -> Bool[np.ndarray, "row column"]:
    return np.append(values, False)[here.slots(marks)].reshape(here.shape)


def _along(facing: int, down: int, right: int) -> tuple[int, int]:
    """(ahead, to the right) of a (row, column) offset, for who faces `facing`."""
    face = FACES[facing]
    return int(down * face[0] + right * face[1]), int(down * face[1] - right * face[0])


def _area(walls, origin: tuple[int, int], facing: int, reach: int, breadth: int) -> Bool[np.ndarray, "row column"]:
    """The cells that a beam sweeps: lane by lane, up to the first wall."""
    area, face = np.zeros(walls.shape, bool), FACES[facing]
    right = np.array([face[1], -face[0]])
    for lane in range(-breadth, breadth + 1):
        for ahead in range(1, reach + 1):
            row, column = origin + ahead * face + lane * right
            if not (0 <= row < walls.shape[0] and 0 <= column < walls.shape[1]) or walls[row, column]:
                break
            area[row, column] = True
    return area


def _tiles(mask: Bool[np.ndarray, "row column"], fill: str, **attributes: object) -> str:
    """Marked cells as boxes, one for each run along a row."""
    shapes: list[str] = []
    for row, line in enumerate(mask):
        edges: Sequence[int] = np.flatnonzero(np.diff(np.concatenate([[0], line.astype(int), [0]]))).tolist()
        for left, right in zip(edges[::2], edges[1::2], strict=True):
            shapes.append(svg.rect(left, row, right - left, 1, fill, **attributes))
    return "".join(shapes)


def _body(index: int, bodies: Bodies) -> str:
    """One agent: a disc with its number and a wedge where it faces; gray while it is out."""
    center = np.asarray(bodies.position)[index][::-1] + 0.5
    face = FACES[int(bodies.facing[index])][::-1]
    side = np.array([-face[1], face[0]])
    fill = svg.MUTED if bodies.timeout[index] else svg.color(index)
    points = [center + 0.62 * face, center + 0.3 * side, center - 0.3 * side]
    wedge = svg.polygon([(float(x), float(y)) for x, y in points], fill)
    number = svg.text(center[0], center[1], index, 0.42, svg.contrast(fill), font_weight="bold")
    return wedge + svg.circle(center[0], center[1], 0.36, fill) + number
