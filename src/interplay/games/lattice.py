"""Lattice: a prisoner's dilemma that everybody on a torus plays with the four neighbors at once, again and again.

Every step each agent cooperates (0) or defects (1) against all its neighbors, and sees what they and itself did last: no
name, no position, no time. So there are only 32 things to see, numbered by the five bits. Mutual cooperation is no
equilibrium of one round; it can last because neighbors answer. Known instances are the 30 × 30 torus (`lattice()`) and a
random graph in which everybody has four neighbors too (`lattice(graph="random")`).

Source: Weng and Lee, "How exploration breaks cooperation in shared-policy multi-agent reinforcement learning" (2026); the
lattice is that of Nowak and May, "Evolutionary games and spatial chaos" (1992).
"""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray, UInt8

from interplay.core.errors import InputError
from interplay.core.game import Discrete, Game, Spec, TimeStep, opening, outcome
from interplay.core.names import chosen
from interplay.games import svg

DEGREE = 4
BITS = DEGREE + 1  # neighbors' last actions, then one's own
COOPERATE, DEFECT = 0, 1
SWAPS = 10  # tries an edge to exchange its ends, enough to forget the torus

Neighbors = Int[np.ndarray, "agent neighbor"]


class State(eqx.Module):
    """What everybody did last."""

    action: UInt8[Array, "agent"]
    step: Int[Array, ""]


class Lattice(Game[State]):
    """See the file's first paragraph; made by `lattice`. `payoff[code]` is the reward of having come to see `code`."""

    spec: Spec
    neighbors: Int[Array, "agent neighbor"]
    payoff: Float[Array, "code"]
    columns: int = eqx.field(static=True)

    def reset(self, key: PRNGKeyArray) -> tuple[State, TimeStep]:
        action = jax.random.bernoulli(key, 0.5, (self.spec.agents,)).astype(jnp.uint8)
        state = State(action, jnp.zeros((), jnp.int32))
        return state, TimeStep(**self._view(action, self.codes(action)), **opening(self.spec))

    def step(self, state: State, action: Int[Array, "agent"], key: PRNGKeyArray) -> tuple[State, TimeStep]:
        state = State(action.astype(jnp.uint8), state.step + 1)
        code, late = self.codes(state.action), state.step >= self.spec.horizon
        return state, TimeStep(**self._view(state.action, code), **outcome(self.payoff[code], False, late))

    def codes(self, action: UInt8[Array, "agent"]) -> UInt8[Array, "agent"]:
        """What everybody sees after these actions, as a number: bit k is what neighbor k did, bit 4 what the agent did."""
        around = [action[self.neighbors[:, place]] << place for place in range(DEGREE)]
        return sum(around, action << DEGREE)

    def draw(self, state: State) -> str:
        action = np.asarray(state.action)
        rows, size = -(-len(action) // self.columns), self.columns / 20
        shapes = [svg.rect(0, 0, self.columns, rows, svg.color(4))]
        for row in range(rows):
            line = action[row * self.columns : (row + 1) * self.columns] == COOPERATE
            ends = np.flatnonzero(np.diff(line, prepend=False, append=False)).reshape(-1, 2)  # of runs of cooperators
            shapes += [svg.rect(start, row, stop - start, 1, svg.color(0)) for start, stop in ends]
        words = f"step {int(state.step)} · {np.mean(action == COOPERATE):.0%} cooperate (blue)"
        shapes.append(svg.text(self.columns / 2, rows + size, words, size))
        return svg.document(self.columns, rows + 2 * size, *shapes, title="lattice")

    def _view(self, action: UInt8[Array, "agent"], code: UInt8[Array, "agent"]):
        agents = self.spec.agents
        return {
            "observation": bits(code),
            "legal": jnp.ones((agents, 2), bool),
            "active": jnp.ones(agents, bool),
            "shared": jnp.mean(action == COOPERATE, dtype=jnp.float32, keepdims=True),
        }


def bits(code: UInt8[Array, "*rows"]) -> Float[Array, "*rows 5"]:
    """What an agent sees, from its number.

    >>> bits(jnp.uint8(0b10010)).tolist()
    [0.0, 1.0, 0.0, 0.0, 1.0]
    """
    return (code[..., None] >> jnp.arange(BITS, dtype=jnp.uint8) & 1).astype(jnp.float32)


def payoffs(dilemma: float) -> Float[np.ndarray, "code"]:
    """The mean over four neighbors of R = 1, S = −D_r, T = 1 + D_r, P = 0, for every `code`.

    >>> [round(float(reward), 3) for reward in payoffs(0.2)[[0b00000, 0b01111, 0b10000, 0b11111]]]
    [1.0, -0.2, 1.2, 0.0]
    """
    table = np.array([[1.0, -dilemma], [1.0 + dilemma, 0.0]])
    code = np.arange(2**BITS)
    others = code[:, None] >> np.arange(DEGREE) & 1
    return table[code[:, None] >> DEGREE, others].mean(1).astype(np.float32)


def torus(rows: int, columns: int, seed: int) -> Neighbors:
    """Up, right, down and left, the edges joined."""
    grid = np.arange(rows * columns).reshape(rows, columns)
    turns = ((1, 0), (-1, 1), (-1, 0), (1, 1))
    return np.stack([np.roll(grid, shift, axis).ravel() for shift, axis in turns], axis=1)


def regular(rows: int, columns: int, seed: int) -> Neighbors:
    """A random graph in which everybody has four neighbors, in no order: the torus after very many exchanges of ends.

    Edges (a, b), (c, d) become (a, d), (c, b) wherever no loop and no double edge comes of it: the chain that forgets all
    of the torus but its degrees.

    Source: Maslov and Sneppen, "Specificity and stability in topology of protein networks" (2002).
    """
    around, luck = torus(rows, columns, seed), np.random.default_rng(seed)
    edges = [
        (int(one), int(other)) for one, row in enumerate(around) for other in row[1:3]
    ]  # right and down: each once
    linked = {frozenset(edge) for edge in edges}
    for first, second in luck.integers(len(edges), size=(SWAPS * len(edges), 2)):
        (a, b), (c, d) = edges[first], edges[second]
        swapped = {frozenset((a, d)), frozenset((c, b))}
        if len({a, b, c, d}) == 4 and not swapped & linked:
            linked -= {frozenset((a, b)), frozenset((c, d))}
            linked |= swapped
            edges[first], edges[second] = (a, d), (c, b)
    found: list[list[int]] = [[] for _ in around]
    for one, other in luck.permutation(edges):
        found[one].append(int(other))
        found[other].append(int(one))
    return np.array(found)


GRAPHS: dict[str, Callable[[int, int, int], Neighbors]] = {"torus": torus, "random": regular}


def lattice(
    rows: int = 30, columns: int = 30, *, dilemma: float = 0.25, graph: str = "torus", horizon: int = 100, seed: int = 0
) -> Lattice:
    """A prisoner's dilemma of `rows` by `columns` agents; action 0 cooperates, 1 defects.

    The reward of a step is the mean over the four neighbors of 1 (both cooperate), −`dilemma` (only oneself does),
    1 + `dilemma` (only the neighbor does) or 0. Observation: the last actions of the neighbors up, right, down and left,
    and one's own. `shared`: the share of cooperators. Games begin after a round of random actions and are cut at
    `horizon`. `graph` is `torus` or `random`, drawn from `seed`. Raises `InputError` for fewer than 3 × 3 agents.

        >>> lattice().spec.agents
        900
    """
    if min(rows, columns) < 3 or horizon < 1:
        raise InputError(f"lattice got {rows} × {columns} agents and horizon={horizon}: give 3 × 3 and 1, or more")
    around = chosen(GRAPHS, "graph", graph)(rows, columns, seed)
    spec = Spec(agents=rows * columns, observation=BITS, action=Discrete(2), horizon=horizon, shared=1)
    return Lattice(spec, jnp.asarray(around, jnp.int32), jnp.asarray(payoffs(dilemma)), columns)
