"""Policy-gradient terms: plain, clipped, and the entropy bonus. PPO, MAPPO and CMAT differ in `ratio` alone.

A ratio turns per-agent log-probabilities into the probability ratios that multiply the advantages, agents last:
`per_agent` (IPPO, MAPPO, MAT), `joint` (the whole team as one actor) or `sequential` (each agent corrected by those
before it, HAPPO and A2PO).
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from interplay.objectives.term import Objective, average, objective

LogRatio = Float[Array, "*rows agent"]
Ratio = Callable[[LogRatio, Float[Array, "*rows agent"]], Float[Array, "*rows agent"]]


def per_agent(log_ratio: LogRatio, weight: Float[Array, "*rows agent"]) -> Float[Array, "*rows agent"]:
    """ratio_i = π_i(a_i) / π_i,old(a_i)."""
    return jnp.exp(log_ratio)


def joint(log_ratio: LogRatio, weight: Float[Array, "*rows agent"]) -> Float[Array, "*rows agent"]:
    """ratio = Π_i π_i(a_i) / π_i,old(a_i) over the agents that acted, the same for every agent."""
    team = jnp.where(weight > 0, log_ratio, 0.0).sum(-1, keepdims=True)
    return jnp.exp(jnp.broadcast_to(team, log_ratio.shape))


def sequential(log_ratio: LogRatio, weight: Float[Array, "*rows agent"]) -> Float[Array, "*rows agent"]:
    """ratio_i times the ratios of the agents before it, through which no gradient flows."""
    acted = jnp.where(weight > 0, log_ratio, 0.0)
    before = jax.lax.stop_gradient(jnp.cumsum(acted, axis=-1) - acted)
    return jnp.exp(before + log_ratio)


def plain() -> Objective:
    """−E[A · log π(a)]: the likelihood-ratio gradient.

    Source: Williams, "Simple statistical gradient-following algorithms" (1992).
    """

    def term(team, seen, batch):
        credit = batch.credit
        loss = -average(credit.advantage * seen.log_prob, credit.weight)
        return loss, {"policy_loss": loss}

    return objective(term)


def clipped(clip: float, ratio: Ratio = per_agent) -> Objective:
    """−E[min(ratio · A, clip(ratio, 1 − ε, 1 + ε) · A)] with ε = `clip`.

    Logs the surrogate, an estimate of KL(old ‖ new) = E[ratio − 1 − log ratio] and the share of clipped rows.

    Source: Schulman et al., "Proximal policy optimization algorithms" (2017), eq. 7.
    """

    def term(team, seen, batch):
        credit, old = batch.credit, batch.trajectory.decision.log_prob
        log_ratio = seen.log_prob - old
        ratios = ratio(log_ratio, credit.weight)
        limited = jnp.clip(ratios, 1 - clip, 1 + clip)
        loss = -average(jnp.minimum(ratios * credit.advantage, limited * credit.advantage), credit.weight)
        return loss, {
            "policy_loss": loss,
            "approx_kl": average(jnp.exp(log_ratio) - 1 - log_ratio, credit.weight),
            "clip_fraction": average((jnp.abs(ratios - 1) > clip).astype(jnp.float32), credit.weight),
        }

    return objective(term)


def entropy() -> Objective:
    """E[H(π)]: subtract it from a loss to keep the policy from collapsing."""

    def term(team, seen, batch):
        spread = average(seen.entropy, batch.credit.weight)
        return spread, {"entropy": spread}

    return objective(term)
