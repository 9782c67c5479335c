"""Networks of agents that can see only finitely many things: run them, or look up what they say of everything.

On the lattice there are 32 things to see, whoever looks; hundreds of agents and of draws from a replay then need 32 rows of a
network. A `View` is what networks are told besides what the game shows; a `Reader` is a way to have values of (who, what,
when): `run` asks the networks row by row, `looked_up` asks about everything once and looks up, `looked_up_at` does so
for agents that act, all at one time. All give the same numbers; what differs is how long it takes.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, PyTree, UInt8

from interplay.core.game import TimeStep
from interplay.core.population import apply
from interplay.core.team import Decision, Evaluation, Memory, Team
from interplay.games.lattice import BITS, bits
from interplay.nets.recurrent import Network
from interplay.nets.valued import Valued

CODES = 2**BITS
Who = Int[Array, "*rows"]
When = Int[Array, "..."]  # one time for all rows, or one each
Values = Float[Array, "*rows action"]


Read = Callable[..., Any]
"""`read(who, code, when, of=themselves)`: values, or what `of` makes of them; arrays are "member draw", time may be scalar."""


def themselves(values: Values) -> Values:
    """Values as they are."""
    return values


@dataclasses.dataclass(frozen=True, eq=False)
class View:
    """`told(who, when)` are the features beside the bits, `width` of them; agents of one `kind` are told the same.

    `timed` says that what is told changes with time.
    """

    told: Callable[[Who, When], Float[Array, "*rows feature"]]
    width: int
    kind: Int[np.ndarray, "agent"]
    timed: bool = False

    @property
    def members(self) -> Int[np.ndarray, "kind"]:
        """One agent of every kind."""
        return np.unique(self.kind, return_index=True)[1]

    def features(self, who: Who, code: UInt8[Array, "*rows"], when: When) -> Float[Array, "*rows feature"]:
        """All that the networks see: the bits, then what they are told."""
        return jnp.concatenate([bits(code), self.told(who, when)], -1)


Reader = Callable[[View, PyTree], Read]


def nothing(agents: int) -> View:
    """Networks see the bits alone."""
    return View(lambda who, when: jnp.zeros((*who.shape, 0)), 0, np.zeros(agents, int))


def progress(agents: int, steps: int, annealed: int) -> View:
    """Networks are told the share of training that is over, and how much of its exploration is left to give up."""

    def told(who: Who, when: When) -> Float[Array, "*rows 2"]:
        both = jnp.stack([when / steps, 1 - jnp.minimum(when / max(1, annealed), 1.0)], -1)
        return jnp.broadcast_to(both, (*who.shape, 2))

    return View(told, 2, np.zeros(agents, int), timed=True)


def group(kind: Int[np.ndarray, "agent"]) -> View:
    """Networks are told, as a one-hot, which group the agent is of."""
    count, kinds = int(kind.max()) + 1, jnp.asarray(kind)
    return View(lambda who, when: jax.nn.one_hot(kinds[who], count), count, kind)


def name(agents: int) -> View:
    """Networks are told which agent it is, in binary digits."""
    width = max(1, math.ceil(math.log2(agents)))
    digits = lambda who, when: (who[..., None] >> jnp.arange(width) & 1).astype(jnp.float32)
    return View(digits, width, np.arange(agents))


def run(view: View, members: PyTree) -> Read:
    """Values by running the networks, member g on the rows [g, …]."""

    def read(who: Who, code: UInt8[Array, "*rows"], when: When, of: Callable[[Any], Any] = themselves) -> Any:
        alone = lambda member, rows: jax.vmap(lambda row: member((), row)[1])(rows)
        return of(eqx.filter_vmap(alone)(members, view.features(who, code, when)))

    return read


def looked_up(view: View, members: PyTree) -> Read:
    """The same values from a table of all that agents can be shown; for views that do not change with time."""
    return _found(view, _table(view, members, jnp.zeros((), jnp.int32)))


def looked_up_at(view: View, members: PyTree) -> Read:
    """The same values, from a table where all rows are of one time."""
    row_by_row = run(view, members)

    def read(who: Who, code: UInt8[Array, "*rows"], when: When, of: Callable[[Any], Any] = themselves) -> Any:
        if when.ndim:
            return row_by_row(who, code, when, of)
        return _found(view, _table(view, members, when))(who, code, when, of)

    return read


def _table(view: View, members: PyTree, when: When) -> Float[Array, "member code action"]:
    """What every member thinks of all that any kind of agent can see."""
    groups = jax.tree.leaves(eqx.filter(members, eqx.is_array))[0].shape[0]
    every = lambda values: jnp.broadcast_to(jnp.asarray(values), (groups, len(view.members) * CODES))
    codes = np.tile(np.arange(CODES, dtype=np.uint8), len(view.members))
    return run(view, members)(every(np.repeat(view.members, CODES)), every(codes), when)


def _found(view: View, table: Float[Array, "member code action"]) -> Read:
    kind = jnp.asarray(view.kind, jnp.int32)
    one = len(view.members) == 1

    def read(who: Who, code: UInt8[Array, "*rows"], when: When, of: Callable[[Any], Any] = themselves) -> Any:
        place = code.astype(jnp.int32) if one else kind[who] * CODES + code
        found = lambda rows, place: rows.at[place].get(mode="promise_in_bounds")
        return jax.vmap(found)(of(table), place)

    return read


class Table(eqx.Module):
    """A network's stand-in with a number for everything that can be seen and done: nothing is generalized."""

    values: Float[Array, "code action"]

    def begin(self) -> Memory:
        return ()

    def __call__(self, memory: Memory, x: Float[Array, "feature"]) -> tuple[Memory, Float[Array, "action"]]:
        code = jnp.round(x[:BITS] @ (2.0 ** jnp.arange(BITS))).astype(jnp.int32)
        return memory, self.values[code]


def uniform(inputs: int, outputs: int, width: int, depth: int, key: PRNGKeyArray) -> Network:
    """A rectified network whose weights and biases are uniform in ±1/√inputs of their layer, PyTorch's default.

    Source: LeCun et al., "Efficient backprop" (1998), section 4.6, up to a factor √3.
    """
    network = Network(inputs, outputs, key, width=width, depth=depth, activation=jax.nn.relu)
    layers = (*network.tower.layers, network.head)

    def drawn(layer, key: PRNGKeyArray):
        first, second = jax.random.split(key)
        bound = layer.weight.shape[0] ** -0.5
        weight = jax.random.uniform(first, layer.weight.shape, minval=-bound, maxval=bound)
        bias = jax.random.uniform(second, layer.bias.shape, minval=-bound, maxval=bound)
        return eqx.tree_at(lambda layer: (layer.weight, layer.bias), layer, (weight, bias))

    new = tuple(drawn(layer, key) for layer, key in zip(layers, jax.random.split(key, len(layers)), strict=True))
    return eqx.tree_at(lambda network: (*network.tower.layers, network.head), network, new)


def silenced(network: Network) -> Network:
    """The network with a head of zeros: nothing is worth more than anything else before it is learned."""
    return eqx.tree_at(
        lambda network: network.head, network, replace_fn=lambda head: jax.tree.map(jnp.zeros_like, head)
    )


def features(network: Network, x: Float[Array, "feature"]) -> Float[Array, "unit"]:
    """What the head of a network sees."""
    return network.tower(x)


class Watching(Valued):
    """A `Valued` team on the lattice whose networks see what `watch` shows them, which may change with `steps`."""

    watch: Any = eqx.field(static=True, default=None)

    def values(self, memory: Memory, time_step: TimeStep) -> tuple[Memory, Float[Array, "agent action"]]:
        told = self.watch.told(jnp.arange(self.spec.agents), self.steps)
        value = lambda network, memory, x: network(memory, x)
        return apply(value, self.networks, self.seats, memory, jnp.concatenate([time_step.observation, told], -1))

    def evaluate_sequence(
        self, memory: Memory, time_step: TimeStep, decision: Decision, started: Bool[Array, "time"]
    ) -> tuple[Memory, Evaluation]:
        return Team.evaluate_sequence(self, memory, time_step, decision, started)
