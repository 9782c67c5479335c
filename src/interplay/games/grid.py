"""Grid worlds seen from within: bodies with a heading that walk, turn and fire beams, one after the other in a step.

The ground of two known families: gathering and cleanup of the sequential social dilemmas, and harvest. An agent acts
relative to where it faces; whoever is tagged by beams is out for a while. In one step agents act *in turn*: a move
or a beam of one is felt by all that come after. All turns are worked out at once, from a table of who comes before
whom: what happens at a turn depends on earlier turns only, so repeating "given what everybody does, what does everybody
do?" settles in at most as many rounds as there are agents, mostly in two.

Source: Leibo et al., "Multi-agent Reinforcement Learning in Sequential Social Dilemmas" (2017); Hughes et al.,
"Inequity aversion improves cooperation in intertemporal social dilemmas" (2018).
"""

import functools
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, Shaped

from interplay.core import keys
from interplay.core.errors import InputError

FORWARD, BACKWARD, LEFT, RIGHT, TURN_LEFT, TURN_RIGHT, FIRE, STAND, CLEAN = range(9)
NORTH, EAST, SOUTH, WEST = range(4)
FACES = np.array([[-1, 0], [0, 1], [1, 0], [0, -1]])  # one step ahead, (row, column), by facing


class Bodies(eqx.Module):
    """Where agents stand and face, (row, column) from the upper left, and how far they are from being out or back."""

    position: Int[Array, "agent 2"]
    facing: Int[Array, "agent"]
    timeout: Int[Array, "agent"]  # steps until back in the game
    hits: Int[Array, "agent"]  # beams received since last tagged
    beam: Int[Array, "agent"]  # the beam that was fired in the last step, FIRE or CLEAN; 0 for none


class Rules(eqx.Module):
    """What bodies can do on a map."""

    rows: tuple[str, ...] = eqx.field(static=True)
    length: int = eqx.field(static=True)  # how far beams reach, in cells
    width: int = eqx.field(static=True)  # how broad they are, odd
    hits: int = eqx.field(static=True)  # beams that tag
    timeout: int = eqx.field(static=True)  # steps out of the game once tagged; 0: beams only cost
    blocking: bool = eqx.field(static=True)  # whether bodies stand in one another's way

    @property
    def chart(self) -> "Chart":
        return chart(self.rows)


class Turns(eqx.Module):
    """What came of one round of turns, apart from the new bodies."""

    up: Bool[Array, "agent"]  # who is in the game when all have acted
    acted: Bool[Array, "agent"]  # who was in the game at his turn
    beam: Int[Array, "agent"]  # FIRE or CLEAN where one was fired, else 0
    struck: Int[Array, "agent"]  # beams that hit each


class Window(eqx.Module):
    """How many cells agents see ahead, behind and to each side."""

    ahead: int = eqx.field(static=True)
    behind: int = eqx.field(static=True)
    side: int = eqx.field(static=True)

    @property
    def shape(self) -> tuple[int, int]:
        return self.ahead + self.behind + 1, 2 * self.side + 1


@dataclass(frozen=True, eq=False)
class Chart:
    """A map as arrays that never change; made by `chart`, once per map."""

    rows: tuple[str, ...]

    @functools.cached_property
    def marks(self) -> Shaped[np.ndarray, "row column"]:
        return np.array([list(line) for line in self.rows])

    @functools.cached_property
    def walls(self) -> Bool[np.ndarray, "row column"]:
        return self.marks == "@"

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.rows), len(self.rows[0])

    @functools.cached_property
    def plain(self) -> bool:
        """Whether the only walls are those around the map: then no beam is stopped half-way."""
        return not self.walls[1:-1, 1:-1].any()

    def places(self, marks: str) -> Int[np.ndarray, "place 2"]:
        """(row, column) of every cell that bears one of `marks`, in reading order."""
        return np.argwhere(np.isin(self.marks, list(marks)))

    def slots(self, marks: str) -> Int[np.ndarray, "cell"]:
        """Of every cell, row by row, its number among `places(marks)`; as many as there are places where it is none."""
        found = np.isin(self.marks, list(marks)).reshape(-1)
        return np.where(found, np.cumsum(found) - 1, found.sum())

    @functools.cached_property
    def open_run(self) -> Int[np.ndarray, "4 row column"]:
        """By facing: how many cells in a row are open, counted from each cell backward and with it."""
        run = np.zeros((4, *self.shape), np.int32)
        for facing in range(4):
            turned = np.rot90(~self.walls, facing)  # what is `facing` looks north
            count = np.zeros(turned.shape, np.int32)
            for row in range(turned.shape[0] - 2, -1, -1):
                count[row] = np.where(turned[row], count[row + 1] + 1, 0)
            run[facing] = np.rot90(count, -facing)
        return run

    @functools.cached_property
    def distance(self) -> Int[np.ndarray, "place place"]:
        """Steps between the open cells `places(".APHR")` past all walls; −1 where there is no way."""
        height, width = self.shape
        places, index = self.places(".APHR"), self.slots(".APHR")
        count = len(places)
        ahead = ((places[:, None] + FACES) * np.array([width, 1])).sum(-1)
        linked = np.append(np.zeros((count, count), bool), np.zeros((count, 1), bool), axis=1)
        np.put_along_axis(linked, index[ahead], True, axis=1)
        linked = linked[:, :count].astype(np.float32)
        steps, reached = np.full((count, count), -1, np.int16), np.eye(count, dtype=bool)
        for length in range(height * width):
            fresh = reached & (steps < 0)
            if not fresh.any():
                break
            steps[fresh] = length
            reached = fresh.astype(np.float32) @ linked > 0
        return steps


@functools.lru_cache(maxsize=64)
def chart(rows: tuple[str, ...]) -> Chart:
    """The arrays of a map, computed once."""
    return Chart(rows)


def begin(rules: Rules, agents: int, key: PRNGKeyArray) -> Bodies:
    """Agents on cells of their own among the marked ones (`P`; all plain floor where those are too few), facing anywhere.

    Raises `InputError` where the map has not room for all.
    """
    spots = rules.chart.places("P")
    spots = spots if len(spots) >= agents else rules.chart.places("P.")
    if len(spots) < agents:
        raise InputError(f"the map has room for {len(spots)} agents, not for {agents}: give fewer, or a larger map")
    place_key, face_key = jax.random.split(key)
    chosen = keys.permutation(place_key, len(spots))[:agents]
    none = jnp.zeros(agents, jnp.int32)
    return Bodies(
        position=jnp.asarray(spots, jnp.int32)[chosen],
        facing=jax.random.randint(face_key, (agents,), 0, 4, jnp.int32),
        timeout=none,
        hits=none,
        beam=none,
    )


def by_index(agents: int) -> Bool[np.ndarray, "agent agent"]:
    """Who comes before whom [i, j] where agents act in the order of their numbers."""
    return np.arange(agents)[:, None] < np.arange(agents)


def drawn(agents: int, key: PRNGKeyArray) -> Bool[Array, "agent agent"]:
    """Who comes before whom [i, j] in an order drawn at random."""
    rank = keys.permutation(key, agents)
    return rank[:, None] < rank


def able(bodies: Bodies) -> Bool[Array, "agent"]:
    """Who will be in the game at the start of the next step, and so has a move."""
    return bodies.timeout <= 1


def act(
    rules: Rules, bodies: Bodies, action: Int[Array, "agent"], before: Bool[Any, "agent agent"]
) -> tuple[Bodies, Turns]:
    """One step of all agents in turn; `before[i, j]` says that i acts before j.

    First every timeout falls by one, and who is out stays where it is. At its turn an agent steps to the open cell it
    wants (with `blocking` only if nobody stands there then), turns, or fires: a beam hits everybody in the game who
    stands then on the `length` cells ahead and up to ⌊width / 2⌋ to the side, past other agents but not past walls.
    Who has been hit `hits` times is out for `timeout` steps, beginning at once. Does not look at rewards.
    """
    timeout = jnp.maximum(bodies.timeout - 1, 0)
    up, fires = timeout == 0, (action == FIRE)[:, None]
    soon = before.T  # [i, j]: j acts before i
    early = fires & _reached(rules, bodies, bodies.position) & before  # would strike j before its turn
    left = rules.hits - bodies.hits
    acted = up
    if rules.timeout:
        acted = _settled(lambda acts: up & (jnp.sum(early & acts[:, None], axis=0) < left), up)
    wanted = _wanted(rules, bodies, jnp.where(acted, action, STAND))
    position = wanted
    if rules.blocking:
        others = ~np.eye(len(up), dtype=bool)

        def step(position):
            there = jnp.where(soon[..., None], position, bodies.position)  # where j stands at the turn of i
            taken = jnp.any(jnp.all(wanted[:, None] == there, axis=-1) & others, axis=1)
            return jnp.where(taken[:, None], bodies.position, wanted)

        position = _settled(step, wanted)
    late = fires & _reached(rules, bodies, position) & soon  # strikes j where its turn has taken it
    struck = jnp.sum((early | late) & acted[:, None], axis=0) * up
    hits, tagged = bodies.hits, jnp.zeros_like(up)
    if rules.timeout:
        struck = jnp.minimum(struck, left)  # beams pass over those who are out
        tagged = struck == left
        hits = jnp.where(tagged, 0, hits + struck)
    turned = (action == TURN_RIGHT).astype(jnp.int32) - (action == TURN_LEFT)
    beam = jnp.where(acted & ((action == FIRE) | (action == CLEAN)), action, 0).astype(jnp.int32)
    after = Bodies(
        position=position,
        facing=(bodies.facing + turned * acted) % 4,
        timeout=jnp.where(tagged, rules.timeout, timeout),
        hits=hits,
        beam=beam,
    )
    return after, Turns(up=up & ~tagged, acted=acted, beam=beam, struck=struck)


def takers(
    rules: Rules, bodies: Bodies, up: Bool[Array, "agent"], before: Bool[Any, "agent agent"], marks: str
) -> Int[Array, "agent"]:
    """Which place of `places(marks)` each agent may take from: the first in turn of those who stand there in the game.

    As many as there are places for agents who stand on none, come too late or are out.
    """
    slots = rules.chart.slots(marks)
    cell = _cells(rules.chart, bodies.position)
    late = jnp.any(before & up[:, None] & (cell[:, None] == cell), axis=0)
    return jnp.where(up & ~late, jnp.asarray(slots, jnp.int32)[cell], slots.max())


def swept(rules: Rules, bodies: Bodies, kind: int) -> Bool[Array, "row column"]:
    """The cells that beams of `kind` (FIRE or CLEAN) swept in the last step."""
    height, width = rules.chart.shape
    face = _facing(bodies.facing)
    ahead = lambda axis, size: np.arange(size) - bodies.position[:, axis : axis + 1]
    down, across = ahead(0, height), ahead(1, width)
    along = [offset * face[:, axis : axis + 1] for axis, offset in enumerate((down, across))]
    within = lambda axis, offset: jnp.where(
        face[:, axis : axis + 1] != 0,
        (along[axis] >= 1) & (along[axis] <= rules.length),
        jnp.abs(offset) <= rules.width // 2,
    )
    on = (bodies.beam == kind)[:, None]
    area = (within(0, down) & on)[:, :, None] & within(1, across)[:, None]
    if not rules.chart.plain:
        reach = along[0][:, :, None] + along[1][:, None]
        area &= jnp.asarray(rules.chart.open_run)[bodies.facing] >= reach
    return jnp.any(area, axis=0) & ~rules.chart.walls


def occupied(rules: Rules, bodies: Bodies, who: Bool[Array, "agent"]) -> Bool[Array, "row column"]:
    """The cells on which anybody of `who` stands."""
    height, width = rules.chart.shape
    row = (bodies.position[:, :1] == np.arange(height)) & who[:, None]
    return jnp.any(row[:, :, None] & (bodies.position[:, 1:] == np.arange(width))[:, None], axis=0)


def spread(rules: Rules, marks: str, values: Bool[Array, "place"]) -> Bool[Array, "row column"]:
    """Values of `places(marks)` laid out on the map, False elsewhere."""
    return jnp.append(values, False)[rules.chart.slots(marks)].reshape(rules.chart.shape)


def windows(
    rules: Rules, bodies: Bodies, window: Window, layers: Sequence[Bool[Any, "row column"]]
) -> Float[Array, "agent feature"]:
    """What each agent sees of `layers`, turned so that it looks up: [layer, row, column], flat, 0 or 1.

    At most eight layers: they are packed into one byte per cell, looked up once. Beyond the map all is as on its edge.
    """
    packed = functools.reduce(operator.or_, (jnp.asarray(layer, jnp.uint8) << bit for bit, layer in enumerate(layers)))
    code = packed.reshape(-1)[_outlook(rules.chart, bodies, window)]
    bits = (code[:, None] >> np.arange(len(layers), dtype=np.uint8)[:, None]) & jnp.uint8(1)
    return bits.reshape(len(code), -1).astype(jnp.float32)


def observed(
    rules: Rules, bodies: Bodies, window: Window, layers: Sequence[Bool[Any, "row column"]]
) -> Float[Array, "agent feature"]:
    """`windows` of walls, beams and *other* agents, those in the game and those out, and of `layers`; then own state.

    The own state is (timeout / longest, hits / needed), left out where nobody is ever out. Zero for agents without a
    move.
    """
    up = bodies.timeout == 0
    crowds = [occupied(rules, bodies, up)] + ([occupied(rules, bodies, ~up)] if rules.timeout else [])
    seen = windows(rules, bodies, window, [rules.chart.walls, swept(rules, bodies, FIRE), *crowds, *layers])
    cells = _cells(rules.chart, bodies.position)
    company = (cells[:, None] == cells) & ~np.eye(len(cells), dtype=bool)
    here = window.ahead * window.shape[1] + window.side + 2 * window.shape[0] * window.shape[1]
    size = window.shape[0] * window.shape[1]
    for index, who in enumerate((up, ~up)[: len(crowds)]):
        seen = seen.at[:, here + index * size].set(jnp.any(company & who, axis=1).astype(jnp.float32))
    own = jnp.stack([bodies.timeout / max(rules.timeout, 1), bodies.hits / rules.hits], axis=1)
    return jnp.where(able(bodies)[:, None], jnp.concatenate([seen, own] if rules.timeout else [seen], axis=1), 0.0)


def observed_size(rules: Rules, window: Window, layers: int) -> int:
    """How many numbers `observed` gives each agent."""
    return (3 + bool(rules.timeout) + layers) * window.shape[0] * window.shape[1] + 2 * bool(rules.timeout)


def summary(rules: Rules, bodies: Bodies) -> Float[Array, "feature"]:
    """Bodies for centralized training, eight numbers each: place, facing (one-hot), timeout and hits."""
    place = (bodies.position + 0.5) / np.array(rules.chart.shape)
    rest = [bodies.timeout[:, None] / max(rules.timeout, 1), bodies.hits[:, None] / rules.hits]
    return jnp.concatenate([place, bodies.facing[:, None] == np.arange(4), *rest], axis=1).reshape(-1)


def moves_open(bodies: Bodies, actions: int) -> Bool[Array, "agent action"]:
    """What agents may choose: anything; those without a move only STAND."""
    return able(bodies)[:, None] | (np.arange(actions) == STAND)


def pick(candidates: Bool[Array, "place"], chance: Float[Array, ""]) -> Bool[Array, "place"]:
    """One of the candidates, uniform for uniform `chance` in [0, 1), as a mask; none where there is none."""
    below = np.tri(candidates.shape[0], dtype=np.float32)  # a running sum as a product: quick in batches
    rank = below @ candidates.astype(jnp.float32)
    return candidates & (rank == jnp.minimum(jnp.floor(chance * rank[-1]) + 1, rank[-1]))


def _settled(step: Callable[[Array], Array], start: Array) -> Array:
    """Repeat `step` until nothing changes."""
    again = lambda pair: jnp.any(pair[0] != pair[1])
    return jax.lax.while_loop(again, lambda pair: (pair[1], step(pair[1])), (start, step(start)))[1]


def _facing(facing):
    return jnp.asarray(FACES, jnp.int32)[facing]


def _cells(chart, position):
    return position[..., 0] * chart.shape[1] + position[..., 1]


def _wanted(rules, bodies, action):
    """Where everybody would stand if nobody were in the way."""
    face = _facing(bodies.facing)
    right = jnp.stack([face[:, 1], -face[:, 0]], axis=1)
    count = lambda plus, minus: ((action == plus).astype(jnp.int32) - (action == minus))[:, None]
    goal = bodies.position + count(FORWARD, BACKWARD) * face + count(RIGHT, LEFT) * right
    shut = jnp.asarray(rules.chart.walls.reshape(-1))[_cells(rules.chart, goal)]
    return jnp.where(shut[:, None], bodies.position, goal)


def _reached(rules, bodies, target):
    """Whether a beam of i would sweep the place of another, j: [i, j]."""
    face = _facing(bodies.facing)[:, None]
    away = target - bodies.position[:, None]
    ahead = jnp.sum(away * face, axis=-1)
    aside = away[..., 0] * face[..., 1] - away[..., 1] * face[..., 0]
    inside = (ahead >= 1) & (ahead <= rules.length) & (jnp.abs(aside) <= rules.width // 2)
    inside &= ~np.eye(len(target), dtype=bool)
    if rules.chart.plain:
        return inside
    run = jnp.asarray(rules.chart.open_run.reshape(4, -1))
    return inside & (run[bodies.facing[:, None], _cells(rules.chart, target)] >= ahead)


def _outlook(chart, bodies, window) -> Int[Array, "agent place"]:
    """The cell, row by row, that each agent sees at every place of its window."""
    height, width = chart.shape
    down, across = np.indices(window.shape).reshape(2, -1)
    ahead, aside = window.ahead - down, across - window.side
    face = _facing(bodies.facing)
    row = bodies.position[:, :1] + face[:, :1] * ahead + face[:, 1:] * aside
    column = bodies.position[:, 1:] + face[:, 1:] * ahead - face[:, :1] * aside
    return jnp.clip(row, 0, height - 1) * width + jnp.clip(column, 0, width - 1)
