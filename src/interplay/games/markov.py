"""Markov games small enough to write down: every state, every joint action, every chance, as arrays.

What others estimate from play is worked out exactly here and in `measure.markov`: values, occupancies, best responses. Two
known instances are the coordination game (`games.coordination`) and matrix games, which have one state.
"""

import itertools
import math
from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from interplay.core.errors import InputError
from interplay.games import coordination


class MarkovGame(eqx.Module):
    """P(s' | s, a), r_i(s, a), start weights μ and discount γ; a joint action is a row of `joint`, agent 0 leading.

    `start` need not sum to one: values are Σ_s μ(s) V(s), as some sources weigh states.
    """

    transition: Float[Array, "state joint next"]
    reward: Float[Array, "agent state joint"]
    start: Float[Array, "state"]
    discount: float = eqx.field(static=True)
    actions: tuple[int, ...] = eqx.field(static=True)

    @property
    def agents(self) -> int:
        return len(self.actions)

    @property
    def states(self) -> int:
        return self.transition.shape[0]

    @property
    def joint(self) -> Int[np.ndarray, "joint agent"]:
        """What every agent does in each joint action."""
        return np.array(list(itertools.product(*map(range, self.actions))))


def markov_game(
    transition: ArrayLike,
    reward: ArrayLike,
    discount: float,
    actions: Sequence[int],
    start: ArrayLike | None = None,
) -> MarkovGame:
    """A Markov game, checked: rows of `transition` sum to one, sizes agree, 0 ≤ γ < 1. Raises `InputError` otherwise.

    >>> stay = np.ones((1, 4, 1))
    >>> markov_game(stay, np.zeros((2, 1, 4)), 0.9, (2, 2)).agents
    2
    """
    transition, reward = jnp.asarray(transition), jnp.asarray(reward)
    states, joint = transition.shape[:2]
    start = jnp.full(states, 1.0 / states) if start is None else jnp.asarray(start)
    if joint != math.prod(actions):
        raise InputError(
            f"{joint} joint actions are not those of agents with {tuple(actions)}: give {math.prod(actions)}"
        )
    if reward.shape != (len(actions), states, joint) or start.shape != (states,):
        raise InputError(f"reward has shape {reward.shape}: give one of ({len(actions)}, {states}, {joint})")
    if not 0 <= discount < 1:
        raise InputError(f"discount is {discount}: give a number from 0 up to, not including, 1")
    if float(jnp.abs(transition.sum(-1) - 1).max()) > 1e-6:
        raise InputError("transition has rows that do not sum to one: give P(s' | s, a) with s' on the last axis")
    return MarkovGame(transition, reward, start, float(discount), tuple(actions))


def of_coordination(game: coordination.Coordination, discount: float = 0.95) -> MarkovGame:
    """The coordination game as arrays; r(s) counts from the first state on, as `coordination.optimum` does."""
    agents = game.spec.agents
    chance, paid = coordination.transition(game), coordination.reward(game)
    reward = np.broadcast_to(paid[None, :, None], (agents, len(paid), chance.shape[1]))
    return markov_game(jnp.asarray(chance), jnp.asarray(reward), discount, (2,) * agents)
