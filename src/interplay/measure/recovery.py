"""How much of the true reward was recovered: rewards learned from demonstrations beside those of the game, state by state.

A reward is known only up to what changes no choice: adding a number per state to all actions, and shaping. So rewards are
compared with the mean of every state taken out, weighted by how often experts are there, and advantages Q − V, which
shaping leaves alone, are compared as well.

Source: Ng, Harada, Russell (1999) for shaping; Haynam et al. (2025) compare rewards of each agent.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from interplay.credit.soft import soft_value
from interplay.games.enumerated import Enumerated
from interplay.measure import boltzmann
from interplay.measure.boltzmann import Policies


class Recovery(NamedTuple):
    """Correlations per agent, 1 at best: of rewards r_i(s, a_i) and of advantages, every state's mean taken out."""

    reward: Float[Array, "agent"]
    advantage: Float[Array, "agent"]


def true_marginal(game: Enumerated, policy: Policies) -> Policies:
    """r_i(s, a_i) = E_{a_−i ∼ π_−i}[r_i(s, a)]."""
    return boltzmann.marginals(game, policy, game.reward)


def implied(game: Enumerated, policy: Policies, values: Policies, discount: float, temperature: float) -> Policies:
    """r̂_i(s, a_i) = Q̄_i(s, a_i) − γ E_{a_−i ∼ π_−i}[V̄_i(s')]: the reward that values stand for.

    Law: values of an exact equilibrium give `true_marginal` back.
    """
    soft = soft_value(values, jnp.swapaxes(game.seen.legal, 0, 1), temperature)
    ahead = jnp.where(game.ended, 0.0, jax.vmap(lambda row: row[game.following])(soft))
    return values - discount * boltzmann.marginals(game, policy, ahead)


def recovery(
    game: Enumerated, expert: boltzmann.Equilibrium, reward: Policies, values: Policies, weight: Float[Array, "state"]
) -> Recovery:
    """Learned `reward` and `values` beside those of `expert`, states counted by `weight` (`boltzmann.occupancy`)."""
    legal = jnp.swapaxes(game.seen.legal & game.seen.active[..., None], 0, 1)
    match = lambda mine, true: jax.vmap(lambda a, b, legal: correlation(a, b, legal, weight))(mine, true, legal)
    return Recovery(match(reward, true_marginal(game, expert.policy)), match(values, expert.values))


def correlation(
    mine: Float[Array, "state action"], true: Float[Array, "state action"], legal: Bool[Array, "state action"],
    weight: Float[Array, "state"],
) -> Float[Array, ""]:  # fmt: skip
    """Pearson's correlation over legal actions of states counted by `weight`, after every state's mean was taken out.

    >>> rows, all_legal = jnp.array([[0.0, 1.0], [5.0, 6.0]]), jnp.ones((2, 2), bool)
    >>> round(float(correlation(2 * rows + 3, rows, all_legal, jnp.ones(2))), 4)
    1.0
    """
    mass = weight[:, None] * legal
    a, b = centered(mine, legal), centered(true, legal)
    spread = jnp.sqrt((mass * a * a).sum() * (mass * b * b).sum())
    return (mass * a * b).sum() / jnp.maximum(spread, 1e-12)


def centered(table: Float[Array, "state action"], legal: Bool[Array, "state action"]) -> Float[Array, "state action"]:
    """r(s, a) − mean_b r(s, b) over legal actions, 0 for others: a reward without what changes no choice.

    >>> centered(jnp.array([[1.0, 3.0]]), jnp.ones((1, 2), bool)).tolist()
    [[-1.0, 1.0]]
    """
    mean = (table * legal).sum(1, keepdims=True) / jnp.maximum(legal.sum(1, keepdims=True), 1)
    return (table - mean) * legal
