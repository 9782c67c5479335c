"""Replay: the last steps of many games side by side, kept on the device and drawn from again and again.

Every game is a lane that is written in a circle, all lanes at once; what is drawn is a run of rows along one lane, cut
where its episode ends. `uniform` draws windows of n rows (transitions of DQN where n = 1, n-step returns otherwise),
`prioritized` the same by their errors, `episodes` whole episodes (what recurrent QMIX learns from). All are pure
functions over a frozen `Ring`, which is part of a method's state and so of its checkpoint.

Rows are packed into one array per dtype, so that a draw is one gather and an insertion one write in place. How many bytes
that takes is known, and refused where the machine does not have them, before anything is allocated.
"""

import math
import os
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, PyTree

from interplay.core import shards
from interplay.core.errors import InputError
from interplay.core.trajectory import Replayed, Transitions
from interplay.play import sums

FRESH = 1.0  # the priority of rows that were never drawn, until a larger one is seen
Index = Int[Array, "draw"]


class Packing(NamedTuple):
    """How a row of many small arrays lies in one long array per dtype."""

    tree: Any
    shapes: tuple[tuple[int, ...], ...]
    dtypes: tuple[str, ...]

    @classmethod
    def of(cls, like: Any) -> "Packing":
        """The packing of rows like `like`, "time batch …" of arrays or shapes."""
        leaves, tree = jax.tree.flatten(like)
        return cls(tree, tuple(tuple(leaf.shape[2:]) for leaf in leaves), tuple(str(leaf.dtype) for leaf in leaves))

    @property
    def widths(self) -> dict[str, int]:
        """Numbers of each dtype in a row."""
        sized = list(zip(self.dtypes, map(math.prod, self.shapes), strict=True))
        return {name: sum(size for of, size in sized if of == name) for name in sorted(set(self.dtypes))}

    @property
    def row_bytes(self) -> int:
        """Bytes that one row takes."""
        return sum(np.dtype(name).itemsize * width for name, width in self.widths.items())

    def packed(self, rows: PyTree[Array]) -> dict[str, Array]:
        """Leaves "time batch …" as "batch time feature" by dtype."""
        flat = [leaf.reshape(*leaf.shape[:2], -1) for leaf in jax.tree.leaves(rows)]
        together = lambda name: [leaf for leaf, of in zip(flat, self.dtypes, strict=True) if of == name]
        return {name: jnp.concatenate(together(name), -1).swapaxes(0, 1) for name in self.widths}

    def unpacked(self, rows: dict[str, Array]) -> Any:
        """The inverse of `packed` for arrays by dtype, the feature last; leading axes stay as they are."""
        taken, leaves = dict.fromkeys(rows, 0), []
        for shape, name in zip(self.shapes, self.dtypes, strict=True):
            start, stop = taken[name], taken[name] + math.prod(shape)
            leaves.append(rows[name][..., start:stop].reshape(*rows[name].shape[:-1], *shape))
            taken[name] = stop
        return jax.tree.unflatten(self.tree, leaves)


class Ring(eqx.Module):
    """Rows as they lie in memory, and what there is to know about them; `written` counts the rows of a lane since the start.

    `rows[dtype]` is "lane time feature"; row t of a lane is at t modulo the time axis. `masses` are the sum trees of
    `sums`, empty for uniform draws; `since` is the row at which a lane's present episode began.
    """

    rows: dict[str, Array]
    masses: Float[Array, "lane node"]
    largest: Float[Array, "lane"]
    since: Int[Array, "lane"]
    written: Int[Array, ""]
    packing: Packing = eqx.field(static=True)

    @property
    def time(self) -> int:
        """Rows that a lane holds."""
        return next(iter(self.rows.values())).shape[1]

    @property
    def lanes(self) -> int:
        return self.largest.shape[0]


class Drawn(NamedTuple):
    """Where draws begin, and the weight each gets for having been likelier than others."""

    lane: Index
    start: Index
    importance: Float[Array, "draw"]


class Room(NamedTuple):
    """How much is kept and drawn: every field in steps of a single game, but `drawn`, which counts draws."""

    capacity: int
    """steps kept, over all lanes; rounded down to whole insertions"""
    lanes: int
    """games side by side"""
    length: int
    """steps of each that one insertion adds"""
    drawn: int
    """draws for one gradient step, over all devices"""
    warmup: int = 0
    """steps that have to be there before anything is drawn"""


class Replay(NamedTuple):
    """What a method does with a replay; `learned` is how many rows of each draw, from its start, are learned from.

    `init(like)` makes an empty ring for transitions like these, "time batch …" of which the shapes suffice;
    `add(ring, transitions)` writes one insertion; `ready(ring)` says whether there is enough to draw; `draw(ring, key)` →
    (drawn, replayed); `rate(ring, drawn, error)` hears how wrong each draw was, `[draw]`.
    """

    init: Callable[[Any], Ring]
    add: Callable[[Ring, Transitions], Ring]
    ready: Callable[[Ring], Array]
    draw: Callable[[Ring, PRNGKeyArray], tuple[Drawn, Replayed]]
    rate: Callable[[Ring, Drawn, Array], Ring]
    learned: int


def uniform(room: Room, window: int = 1) -> Replay:
    """Every window of `window` rows that is still there is drawn equally often."""

    def draw(ring: Ring, key: PRNGKeyArray):
        count = jnp.minimum(ring.written, ring.time) - window + 1
        number = jnp.floor(_random(ring, room, key) * (ring.lanes * count)).astype(jnp.int32)
        lane, place = jnp.minimum(number, ring.lanes * count - 1) // count, number % count
        drawn = Drawn(lane, _whole(ring, place, window), jnp.ones(len(lane)))
        return drawn, _replayed(ring, drawn, window)

    def init(like: Any) -> Ring:
        return _empty(room, Packing.of(like), window, trees=False)

    def add(ring: Ring, transitions: Transitions) -> Ring:
        return _written(ring, transitions)

    return Replay(init, add, _enough(room, window), draw, lambda ring, drawn, error: ring, 1)


def prioritized(room: Room, window: int = 1, *, alpha: float = 0.6, beta: float = 0.4, least: float = 1e-3) -> Replay:
    """Windows are drawn in proportion to p = (|δ| + `least`)^α, and weighted by (P / min P)^−β to make up for it.

    New windows get the largest priority there is. α = 0 is `uniform`, draw for draw.

    Source: Schaul et al., "Prioritized experience replay" (2016), section 3.
    """

    def init(like: Any) -> Ring:
        return _empty(room, Packing.of(like), window, trees=True)

    def add(ring: Ring, transitions: Transitions) -> Ring:
        length = len(transitions.started)
        rows = ring.written + jnp.arange(length)
        starts = rows - window + 1  # these windows are whole only now
        masses = sums.filled(ring.masses, rows % ring.time, 0.0, jnp.ones(length, bool))
        masses = sums.filled(masses, starts % ring.time, ring.largest.max(), starts >= 0)
        ring = eqx.tree_at(lambda ring: ring.masses, ring, masses)
        return _written(ring, transitions)

    def draw(ring: Ring, key: PRNGKeyArray):
        drawn = _by_mass(ring, _random(ring, room, key), beta)
        return drawn, _replayed(ring, drawn, window)

    return Replay(init, add, _enough(room, window), draw, _rated(alpha, least), 1)


def episodes(room: Room, horizon: int, *, alpha: float = 0.0, beta: float = 0.0, least: float = 1e-3) -> Replay:
    """Whole episodes of up to `horizon` rows, each equally often (or by priority, as in `prioritized`).

    An episode can be drawn from when it ends until its first row is written over.
    """

    def init(like: Any) -> Ring:
        return _empty(room, Packing.of(like), horizon + room.length, trees=True)

    def add(ring: Ring, transitions: Transitions) -> Ring:
        length = len(transitions.started)
        rows = ring.written + jnp.arange(length)
        begun = jnp.where(transitions.started, rows[:, None], -1)
        begun = jnp.maximum(jax.lax.cummax(begun, axis=0), ring.since)  # the start of every row's episode
        done = transitions.arrived.terminated | transitions.arrived.truncated
        lane = jnp.broadcast_to(jnp.arange(ring.lanes), done.shape)
        masses = sums.filled(ring.masses, rows % ring.time, 0.0, jnp.ones(length, bool))
        mass = jnp.broadcast_to(ring.largest.max(), done.size)
        masses = sums.put(masses, lane.ravel(), (begun % ring.time).ravel(), mass, done.ravel())
        ring = eqx.tree_at(lambda ring: (ring.masses, ring.since), ring, (masses, begun[-1]))
        return _written(ring, transitions)

    def ready(ring: Ring) -> Array:
        empty = (ring.masses[:, 1].sum() == 0).astype(jnp.int32)
        return _warm(ring, room) & (shards.total(empty) == 0)  # all devices learn, or none

    def draw(ring: Ring, key: PRNGKeyArray):
        drawn = _by_mass(ring, _random(ring, room, key), beta)
        return drawn, _replayed(ring, drawn, horizon)

    return Replay(init, add, ready, draw, _rated(alpha, least), horizon)


class Marks(NamedTuple):
    """Draws of some rows of a ring that another replay writes, for learners that share what is kept but not what they learn.

    `init(ring)` → marks on none; `add(marks, ring, transitions)` marks what is about to be written to `ring`;
    `draw(ring, marks, key)` → (drawn, replayed), of which nothing counts while no row bears the mark.
    """

    init: Callable[[Ring], Float[Array, "lane node"]]
    add: Callable[[Float[Array, "lane node"], Ring, Transitions], Float[Array, "lane node"]]
    draw: Callable[[Ring, Float[Array, "lane node"], PRNGKeyArray], tuple[Drawn, Replayed]]


def marked(room: Room, mark: Callable[[Transitions], Bool[Array, "time batch"]]) -> Marks:
    """Every row that bears the mark is drawn equally often; where all do, draws are those of `uniform`, one by one."""

    def add(marks: Float[Array, "lane node"], ring: Ring, transitions: Transitions):
        bears = mark(transitions).astype(jnp.float32)
        place, lane = jnp.indices(bears.shape)
        place = (ring.written + place) % ring.time
        return sums.put(marks, lane.ravel(), place.ravel(), bears.ravel(), jnp.ones(bears.size, bool))

    def draw(ring: Ring, marks: Float[Array, "lane node"], key: PRNGKeyArray):
        lane, start = sums.find(marks, _random(ring, room, key))
        drawn = Drawn(lane, start, sums.leaf(marks, lane, start))
        return drawn, _replayed(ring, drawn, 1)

    return Marks(lambda ring: jnp.zeros((ring.lanes, sums.nodes(ring.time))), add, draw)


def memory() -> int:
    """Bytes of main memory of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def bytes_of(room: Room, like: Any) -> int:
    """Bytes that the rows of a replay take."""
    return room.capacity * Packing.of(like).row_bytes


def _empty(room: Room, packing: Packing, least: int, trees: bool) -> Ring:
    """A ring without rows. Raises `InputError` where it is too small for its draws or too large for the machine."""
    if room.drawn < 1 or least < 1:
        raise InputError(f"{room.drawn} draws of {least} rows are nothing to learn from: give 1 or more of each")
    time = room.capacity // room.lanes // room.length * room.length
    if time < least:
        wanted = room.lanes * (-(-least // room.length) * room.length)
        raise InputError(f"capacity is {room.capacity} steps, too few for one draw: give {wanted} or more")
    size, there = room.lanes * time * packing.row_bytes, memory()
    if size > there:
        most = there // 2 // packing.row_bytes
        raise InputError(
            f"a replay of {room.capacity} steps of {packing.row_bytes} bytes takes {size / 2**30:.1f} GiB and this machine "
            f"has {there / 2**30:.1f} GiB: give a capacity of at most {most}"
        )
    rows = {name: jnp.zeros((room.lanes, time, width), name) for name, width in packing.widths.items()}
    nodes = sums.nodes(time) if trees else 0
    largest, since = jnp.full(room.lanes, FRESH), jnp.zeros(room.lanes, jnp.int32)
    return Ring(rows, jnp.zeros((room.lanes, nodes)), largest, since, jnp.zeros((), jnp.int32), packing)


def _written(ring: Ring, transitions: Transitions) -> Ring:
    """New rows of every lane at the circle's present place: one block, as whole insertions fill the circle exactly."""
    rows, length = ring.packing.packed(transitions), len(transitions.started)
    if ring.time % length:
        raise InputError(f"{length} rows were added to a replay of {ring.time} a lane: add what divides it")
    place = ring.written % ring.time
    put = lambda old, new: jax.lax.dynamic_update_slice_in_dim(old, new, place, axis=1)
    fields = (jax.tree.map(put, ring.rows, rows), ring.written + length)
    return eqx.tree_at(lambda ring: (ring.rows, ring.written), ring, fields)


def _random(ring: Ring, room: Room, key: PRNGKeyArray) -> Float[Array, "draw"]:
    """A number in [0, 1) for every draw of this device."""
    if room.drawn * ring.lanes % room.lanes:
        raise InputError(f"{room.drawn} draws cannot be shared by {room.lanes // ring.lanes} devices: change sampled")
    return jax.random.uniform(shards.own(key), (room.drawn * ring.lanes // room.lanes,))


def _whole(ring: Ring, place: Index, window: int) -> Index:
    """The `place`-th row, in the order in which they lie, whose window is not cut by the place that is written next."""
    following = ring.written % ring.time
    hole = following - window + 1  # the first of the `window` − 1 rows whose windows are not whole
    beyond = jnp.where(place >= hole, window - 1, 0)
    return place + jnp.where(hole >= 0, beyond, following)


def _by_mass(ring: Ring, chance: Float[Array, "draw"], beta: float) -> Drawn:
    lane, start = sums.find(ring.masses, chance)
    mass = sums.leaf(ring.masses, lane, start)
    return Drawn(lane, start, (mass / mass.min()) ** -beta)


def _rated(alpha: float, least: float):
    def rate(ring: Ring, drawn: Drawn, error: Float[Array, "draw"]) -> Ring:
        mass = (jnp.abs(error) + least) ** alpha
        masses = sums.put(ring.masses, drawn.lane, drawn.start, mass, jnp.ones(len(mass), bool))
        largest = jnp.maximum(ring.largest, mass.max())
        return eqx.tree_at(lambda ring: (ring.masses, ring.largest), ring, (masses, largest))

    return rate if alpha else lambda ring, drawn, error: ring


def _enough(room: Room, window: int):
    return lambda ring: (ring.written >= window) & _warm(ring, room)


def _warm(ring: Ring, room: Room) -> Array:
    return ring.written >= -(-room.warmup // room.lanes)


def _replayed(ring: Ring, drawn: Drawn, window: int) -> Replayed:
    """The windows that begin where `drawn` says, "time draw …"."""
    places = (drawn.start + jnp.arange(window)[:, None]) % ring.time
    transitions: Transitions = ring.packing.unpacked(
        {name: rows[drawn.lane, places] for name, rows in ring.rows.items()}
    )
    done = transitions.arrived.terminated | transitions.arrived.truncated
    over = jnp.cumsum(done, 0) - done > 0
    return Replayed(transitions, jnp.where(over, 0.0, drawn.importance))
