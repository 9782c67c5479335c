"""Social metrics of an episode: how much there is, who gets it, when, and whether anybody is put out of the game.

Two known uses are the study of sequential social dilemmas and the dense feedback of policy synthesis. All take rewards
`[time, agent]` of one episode; `jax.vmap` over episodes.

Source: Perolat et al., "A multi-agent reinforcement learning model of common-pool resource appropriation" (2017), section 3.2.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

Rewards = Float[Array, "time agent"]


class Social(NamedTuple):
    """The four metrics, and equality where totals may be negative."""

    efficiency: Float[Array, ""]
    equality: Float[Array, ""]
    shifted_equality: Float[Array, ""]
    sustainability: Float[Array, ""]
    peace: Float[Array, ""]


def metrics(reward: Rewards, active: Bool[Array, "time agent"]) -> Social:
    """All metrics of an episode; `active` says who had a move in each step."""
    returns = reward.sum(0)
    return Social(
        efficiency(reward), equality(returns), shifted_equality(returns), sustainability(reward), peace(active)
    )


def efficiency(reward: Rewards) -> Float[Array, ""]:
    """U = Σ_i R_i / T: what all agents together earn in a step.

    >>> float(efficiency(jnp.array([[1.0, 0.0], [1.0, 2.0]])))
    2.0
    """
    return reward.sum() / reward.shape[0]


def equality(returns: Float[Array, "agent"]) -> Float[Array, ""]:
    """E = 1 − Σ_ij |R_i − R_j| / (2 N Σ R): 1 − the Gini coefficient; 1 where Σ R ≤ 0, as published.

    Not bounded below where some return is negative: see `shifted_equality`.

        >>> round(float(equality(jnp.array([1.0, 3.0]))), 3)
        0.75
    """
    apart, total = jnp.abs(returns[:, None] - returns).sum(), returns.sum()
    return jnp.where(total > 0, 1 - apart / (2 * len(returns) * jnp.where(total > 0, total, 1.0)), 1.0)


def shifted_equality(returns: Float[Array, "agent"]) -> Float[Array, ""]:
    """`equality` of returns of which the lowest, where negative, is moved to 0: from 0 to 1 whatever the signs.

    >>> round(float(shifted_equality(jnp.array([-3.0, 1.0]))), 3)
    0.5
    """
    return equality(returns - jnp.minimum(returns.min(), 0.0))


def sustainability(reward: Rewards) -> Float[Array, ""]:
    """S = mean over agents that ever earn of the mean step at which they do, counted from 0; 0 where nobody does.

    >>> float(sustainability(jnp.array([[0.0, 1.0], [0.0, 0.0], [0.0, 1.0]])))
    1.0
    """
    earned = reward > 0
    count = earned.sum(0)
    when = (earned * jnp.arange(reward.shape[0])[:, None]).sum(0) / jnp.maximum(count, 1)
    agents = (count > 0).sum()
    return jnp.where(agents > 0, jnp.where(count > 0, when, 0.0).sum() / jnp.maximum(agents, 1), 0.0)


def peace(active: Bool[Array, "time agent"]) -> Float[Array, ""]:
    """P = N − (steps that agents were out) / T: the mean number of agents in the game.

    >>> float(peace(jnp.array([[True, True], [True, False]])))
    1.5
    """
    return active.sum() / active.shape[0]
