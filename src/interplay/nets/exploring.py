"""Exploration of agents that know values: how the values of legal actions become chances.

An `Explore` is a function (values, legal, steps) → distribution that changes with the environment steps taken.
Known instances: `epsilon_greedy` (DQN) and `boltzmann` (soft Q learning). Schedules are those of Optax, functions of a count.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int

from interplay.core.choosing import best
from interplay.nets.distributions import ILLEGAL, Categorical

Values = Float[Array, "action"]
Legal = Bool[Array, "action"]
Schedule = Callable[[Int[Array, ""]], Any]


@dataclasses.dataclass(frozen=True)
class Explore:
    """`chances(values, legal, level)`, with the level that `schedule` gives at a number of environment steps."""

    chances: Callable[[Values, Legal, Any], Categorical]
    schedule: Schedule

    def __call__(self, values: Values, legal: Legal, steps: Int[Array, ""]) -> Categorical:
        return self.chances(values, legal, self.schedule(steps))


def linear(start: float, end: float, steps: int) -> Schedule:
    """`start` at step 0, `end` from `steps` on, a straight line between; `steps` = 0 is `end` throughout.

    >>> [round(float(linear(1.0, 0.0, 10)(step)), 2) for step in (0, 5, 20)]
    [1.0, 0.5, 0.0]
    """
    return optax.linear_schedule(start, end, steps) if steps else optax.constant_schedule(end)


def epsilon_greedy(schedule: Schedule) -> Explore:
    """p(a) = (1 − ε) · [a is best] + ε / (how many are legal), for legal a.

    >>> chances = epsilon_greedy(linear(0.5, 0.5, 0))(jnp.array([1.0, 3.0]), jnp.ones(2, bool), jnp.zeros((), int))
    >>> jnp.exp(chances.log_probs).round(2).tolist()
    [0.25, 0.75]
    """

    def chances(values: Values, legal: Legal, epsilon: Any) -> Categorical:
        allowed = legal | ~legal.any()
        first = jnp.arange(len(values)) == best(values, legal)
        chance = (1 - epsilon) * first + epsilon / allowed.sum()
        return Categorical(jnp.where(chance > 0, jnp.log(jnp.maximum(chance, 1e-30)), ILLEGAL), legal)

    return Explore(chances, schedule)


def boltzmann(schedule: Schedule) -> Explore:
    """p(a) ∝ exp(Q(a) / T) over the legal actions, with T the temperature that `schedule` gives.

    >>> jnp.exp(boltzmann(linear(1.0, 1.0, 0))(jnp.zeros(4), jnp.ones(4, bool), jnp.zeros((), int)).log_probs).tolist()
    [0.25, 0.25, 0.25, 0.25]
    """

    return Explore(lambda values, legal, t: Categorical(values / jnp.maximum(t, 1e-6), legal), schedule)


NEVER = Explore(lambda values, legal, level: Categorical(values, legal), optax.constant_schedule(0.0))
"""Chances that rise with the values, for teams that take the most likely action."""
