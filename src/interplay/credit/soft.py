"""Soft values: what a state is worth to somebody who acts by chance, the better actions more often.

Known instances are soft Q learning, which learns them from rewards (`soft_bellman`), and inverse soft-Q learning, which
finds the rewards under which they would have been learned (`objectives.inverse`).
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from interplay.core.trajectory import Credit, Replayed


def soft_value(
    values: Float[Array, "*rows action"], legal: Bool[Array, "*rows action"], temperature: float
) -> Float[Array, "*rows"]:
    """V(s) = T log Σ_a exp(Q(s, a) / T) over the legal actions; where none is legal all count.

    >>> round(float(soft_value(jnp.zeros(4), jnp.ones(4, bool), 0.5)), 4)  # T log 4
    0.6931
    """
    allowed = legal | ~legal.any(-1, keepdims=True)
    return temperature * jax.nn.logsumexp(jnp.where(allowed, values / temperature, -1e9), -1)


def soft_bellman(discount: float, temperature: float) -> Callable[[Any, Any, Replayed], Credit]:
    """Credit of single transitions: target = r + γ T log Σ_a' exp(Q_target(s', a') / T), an agent that has left at 0.

    For T → 0 it is `returns.bellman` of one step with `returns.single`.

    Source: Haarnoja et al., "Reinforcement learning with deep energy-based policies" (2017), for choices.
    """

    def estimate(team: Any, target: Any, replayed: Replayed) -> Credit:
        play = replayed.transitions
        ahead = soft_value(target.values_ahead(play), play.arrived.legal, temperature)
        over = play.arrived.terminated[..., None] | ~play.arrived.active
        targets = play.arrived.reward + discount * jnp.where(over, 0.0, ahead)
        weight = replayed.weight[..., None] * play.time_step.active
        return Credit(targets - team.values_of(play), targets, jnp.broadcast_to(weight, targets.shape))

    return estimate
