"""Critic terms. Errors are measured on the critic's own scale (`nets.scale`), so weights mean the same in every game."""

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Float

from interplay.objectives.term import Objective, average, objective


def half_square(error: Float[Array, "*rows"]) -> Float[Array, "*rows"]:
    """½ error²."""
    return 0.5 * jnp.square(error)


def huber(threshold: float) -> Callable[[Array], Array]:
    """½ error² near zero, threshold · (|error| − ½ threshold) beyond (Huber 1964)."""

    def penalty(error):
        size = jnp.abs(error)
        return jnp.where(size <= threshold, 0.5 * jnp.square(error), threshold * (size - 0.5 * threshold))

    return penalty


def squared(penalty: Callable[[Array], Array] = half_square) -> Objective:
    """E[penalty(V − target)], both on the critic's scale."""

    def term(team, seen, batch):
        normalize, credit = team.normalize, batch.credit
        error = normalize(seen.value) - normalize(credit.target)
        loss = average(penalty(error), credit.weight)
        return loss, {"value_loss": loss, "explained_variance": _explained(seen.value, credit)}

    return objective(term)


def temporal_difference(penalty: Callable[[Array], Array] = half_square) -> Objective:
    """E[penalty(Q(s, a) − target)], for teams that learn what their actions are worth: `squared` under its usual name.

    Source: Mnih et al., "Human-level control through deep reinforcement learning" (2015), with `huber(1)`.
    """
    ((_, critic),) = squared(penalty).terms

    def term(team, seen, batch):
        loss, told = critic(team, seen, batch)
        mean = average(seen.value, batch.credit.weight)
        return loss, {"td_loss": loss, "value": mean, "explained_variance": told["explained_variance"]}

    return objective(term)


def clipped(clip: float, penalty: Callable[[Array], Array] = half_square) -> Objective:
    """E[max(penalty(V − target), penalty(V_old + clip(V − V_old, ±ε) − target))]: the critic moves at most ε a batch.

    Source: PPO's reference implementation; MAPPO uses it with `huber(10)`.
    """

    def term(team, seen, batch):
        normalize, credit = team.normalize, batch.credit
        value, old = normalize(seen.value), normalize(batch.trajectory.decision.value)
        target = normalize(credit.target)
        near = old + jnp.clip(value - old, -clip, clip)
        loss = average(jnp.maximum(penalty(value - target), penalty(near - target)), credit.weight)
        return loss, {"value_loss": loss, "explained_variance": _explained(seen.value, credit)}

    return objective(term)


def _explained(value, credit):
    """1 − Var[target − V] / Var[target]: 1 is a perfect critic, 0 no better than a constant."""
    mean = average(credit.target, credit.weight)
    error = credit.target - value
    bias = average(error, credit.weight)
    spread = average(jnp.square(credit.target - mean), credit.weight)
    return 1 - average(jnp.square(error - bias), credit.weight) / jnp.maximum(spread, 1e-8)
