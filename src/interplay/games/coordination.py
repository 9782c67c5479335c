"""The coordination game: n agents set n bits, and agreeing on ones pays well, on zeros better.

Every agent chooses a bit; noise flips some; the new bits are the state and the reward. States in which neither bit has
a clear majority pay little, on the ones' side (1) more than on the zeros' (0), so that independent learners that start
anywhere are led to all ones (2) rather than to all zeros (3). Known instances have 2, 3, 5 and 10 agents. Small enough
to be solved exactly: `transition` and `reward` are the arrays of the same game.

Source: Chen and Zhang, "Context-Aware Bayesian Network Actor-Critic Methods for Cooperative Multi-Agent Reinforcement
Learning" (2023), coordination game.
"""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from interplay.core.errors import InputError
from interplay.core.game import Discrete, Game, Spec, TimeStep, opening, outcome
from interplay.games import svg

LARGEST = 12  # agents up to which the exact arrays (4ⁿ numbers) are built


class State(eqx.Module):
    """The bits, what the agents chose last (before the first step: the bits themselves), and the time."""

    bits: Int[Array, "agent"]
    action: Int[Array, "agent"]
    step: Int[Array, ""]


class Coordination(Game[State]):
    """See the file's first paragraph; made by `coordination`."""

    spec: Spec
    noise: float = eqx.field(static=True)

    def reset(self, key: PRNGKeyArray) -> tuple[State, TimeStep]:
        bits = jax.random.bernoulli(key, 0.5, (self.spec.agents,)).astype(jnp.int32)
        state = State(bits=bits, action=bits, step=jnp.zeros((), jnp.int32))
        return state, TimeStep(**self._view(state), **opening(self.spec))

    def step(self, state: State, action: Int[Array, "agent"], key: PRNGKeyArray) -> tuple[State, TimeStep]:
        agents = self.spec.agents
        flip = jax.random.bernoulli(key, self.noise, (agents,))
        action = action.astype(jnp.int32)
        state = State(bits=jnp.where(flip, 1 - action, action), action=action, step=state.step + 1)
        paid = jnp.asarray(_pay(agents), jnp.float32)[jnp.sum(state.bits)]
        late = state.step >= self.spec.horizon
        return state, TimeStep(**self._view(state), **outcome(jnp.full(agents, paid), False, late))

    def draw(self, state: State) -> str:
        bits, action = np.asarray(state.bits), np.asarray(state.action)
        shapes = []
        for index, (bit, choice) in enumerate(zip(bits.tolist(), action.tolist(), strict=True)):
            fill = svg.color(4 if bit else 0)
            shapes.append(svg.rect(index + 0.08, 0.3, 0.84, 0.84, fill, rx=0.12))
            shapes.append(svg.text(index + 0.5, 0.72, bit, 0.5, svg.contrast(fill), font_weight="bold"))
            if bit != choice:  # the noise did it
                shapes.append(svg.text(index + 0.5, 1.38, f"chose {choice}", 0.2, svg.MUTED))
        paid = _pay(self.spec.agents)[int(bits.sum())]
        words = f"step {int(state.step)} · worth {paid:g}"
        shapes.append(svg.text(self.spec.agents / 2, 0.1, words, 0.22))
        return svg.document(self.spec.agents, 1.7, *shapes, top=-0.1, title="coordination")

    def _view(self, state):
        agents = self.spec.agents
        seen = state.bits.astype(jnp.float32)
        return {
            "observation": jnp.tile(seen, (agents, 1)),
            "legal": jnp.ones((agents, 2), bool),
            "active": jnp.ones(agents, bool),
            "shared": seen,
        }


def coordination(agents: int = 3, noise: float = 0.1, horizon: int = 25) -> Coordination:
    """The coordination game: P(s'_i = a_i) = 1 − noise for each bit by itself, whatever s was; reward r(s') to all.

    r(s), with z zeros and o ones: where |z − o| ≤ ⌊√n⌋ it is 1 if z < o and 0 otherwise; beyond that 3 if z > o and 2
    if not. (⌊√n⌋ is 1, 1, 2, 3 for the 2, 3, 5 and 10 agents of the source.) All agents see all bits. An episode starts
    in a uniformly random state and is cut at `horizon`; the game itself has no end. Raises `InputError` for fewer than
    two agents or a noise outside [0, 0.5].

        >>> coordination(agents=5).spec.shared
        5
    """
    if agents < 2 or horizon < 1:
        raise InputError(f"coordination got agents={agents}, horizon={horizon}: give at least 2 and 1")
    if not 0 <= noise <= 0.5:
        raise InputError(f"coordination got noise={noise}: give a probability from 0 to 0.5")
    spec = Spec(agents=agents, observation=agents, action=Discrete(2), horizon=horizon, shared=agents)
    return Coordination(spec=spec, noise=float(noise))


def bits(agents: int) -> Int[np.ndarray, "state agent"]:
    """The bits of every state or joint action, by its index; agent 0 has the highest bit.

    >>> bits(2).tolist()
    [[0, 0], [0, 1], [1, 0], [1, 1]]
    """
    if agents > LARGEST:
        raise InputError(f"{agents} agents have too many joint actions for exact arrays: give at most {LARGEST}")
    return np.arange(2**agents)[:, None] >> np.arange(agents)[::-1] & 1


def transition(game: Coordination) -> Float[np.ndarray, "state joint next"]:
    """P(s' | s, a) = Π_i (1 − ε if s'_i = a_i else ε); a read-only view, since it does not depend on s."""
    table = bits(game.spec.agents)
    wrong = np.sum(table[:, None] != table, axis=-1)
    chance = game.noise**wrong * (1 - game.noise) ** (game.spec.agents - wrong)
    return np.broadcast_to(chance, (len(table), *chance.shape))


def reward(game: Coordination) -> Float[np.ndarray, "state"]:
    """r(s) of every state."""
    return _pay(game.spec.agents)[bits(game.spec.agents).sum(axis=1)]


def optimum(game: Coordination, discount: float, tolerance: float = 1e-10) -> float:
    """The best value J* = E_s V(s) over all joint policies, s uniform, by value iteration.

    V(s) = r(s) + γ max_a Σ_s' P(s' | s, a) V(s'): the reward counts from the first state on, as in the source. Playing
    samples r(s') instead, so its discounted return from a start s is (V(s) − r(s)) / γ. Raises `InputError` unless
    0 ≤ discount < 1.

        >>> round(optimum(coordination(agents=2, noise=0.0), 0.5), 6)  # (0 + 0 + 2 + 3) / 4 + 0.5 · 3 / (1 − 0.5)
        4.25
    """
    if not 0 <= discount < 1:
        raise InputError(f"value iteration got discount={discount}: give a number from 0 up to, not including, 1")
    chance, paid = transition(game)[0], reward(game)
    value, change = paid, math.inf
    while change > tolerance:
        new = paid + discount * np.max(chance @ value)
        value, change = new, float(np.max(np.abs(new - value)))
    return float(np.mean(value))


def best_return(game: Coordination) -> float:
    """The best expected undiscounted return of an episode that is played: horizon · max_a E[r(s') | a]."""
    return float(game.spec.horizon * np.max(transition(game)[0] @ reward(game)))


def _pay(agents):
    """The reward by the number of ones, 0 … n."""
    ones = np.arange(agents + 1)
    zeros = agents - ones
    close = np.abs(zeros - ones) <= math.isqrt(agents)
    return np.where(close, zeros < ones, np.where(zeros > ones, 3, 2)).astype(float)
