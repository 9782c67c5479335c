"""Distributions over one agent's actions, built from a network's output and what is legal.

`Categorical` gives illegal actions probability exactly zero; `Gaussian` leaves dimensions that an agent does not have out of
every sum. Noise is drawn apart from sampling, one call for all agents: it is the cheapest form and, since JAX's bits depend
only on a number's position, an added agent does not change what the others draw.
"""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from interplay.core.game import Box, Discrete

ILLEGAL = -1e9  # far below any logit, finite so that no gradient turns into NaN


class Categorical(eqx.Module):
    """A choice among actions: p(a) = exp(logits[a]) over the legal ones. A row with no legal action counts all as legal."""

    log_probs: Float[Array, "action"]

    def __init__(self, logits: Float[Array, "action"], legal: Bool[Array, "action"]):
        allowed = legal | ~legal.any(-1, keepdims=True)
        self.log_probs = jax.nn.log_softmax(jnp.where(allowed, logits, ILLEGAL))

    def sample(self, noise: Float[Array, ""]) -> Int[Array, ""]:
        """Inverse transform: the first action whose cumulative probability exceeds `noise`, uniform in [0, 1)."""
        probability = jnp.exp(self.log_probs)
        below = jnp.cumsum(probability) <= noise * probability.sum()
        last = self.log_probs.shape[-1] - 1 - jnp.argmax((probability > 0)[..., ::-1])  # rounding never ends on p = 0
        return jnp.minimum(below.sum(), last).astype(jnp.int32)

    def mode(self) -> Int[Array, ""]:
        return jnp.argmax(self.log_probs).astype(jnp.int32)

    def log_prob(self, action: Int[Array, ""]) -> Float[Array, ""]:
        chosen = jnp.arange(self.log_probs.shape[-1]) == action
        return jnp.where(chosen, self.log_probs, 0.0).sum()  # a masked sum: its gradient needs no scatter

    def entropy(self) -> Float[Array, ""]:
        return -(jnp.exp(self.log_probs) * self.log_probs).sum()

    def divergence(self, other: "Categorical") -> Float[Array, ""]:
        """KL(self ‖ other) = Σ p (log p − log q)."""
        return (jnp.exp(self.log_probs) * (self.log_probs - other.log_probs)).sum()


class Gaussian(eqx.Module):
    """Independent normals per dimension with a free log standard deviation; dimensions that are not `exists` are 0."""

    mean: Float[Array, "dimension"]
    log_std: Float[Array, "dimension"]
    exists: Bool[Array, "dimension"]

    def sample(self, noise: Float[Array, "dimension"]) -> Float[Array, "dimension"]:
        return jnp.where(self.exists, self.mean + jnp.exp(self.log_std) * noise, 0.0)

    def mode(self) -> Float[Array, "dimension"]:
        return jnp.where(self.exists, self.mean, 0.0)

    def log_prob(self, action: Float[Array, "dimension"]) -> Float[Array, ""]:
        standard = (action - self.mean) * jnp.exp(-self.log_std)
        each = -0.5 * jnp.square(standard) - self.log_std - 0.5 * math.log(2 * math.pi)
        return jnp.where(self.exists, each, 0.0).sum()

    def entropy(self) -> Float[Array, ""]:
        return jnp.where(self.exists, self.log_std + 0.5 * math.log(2 * math.pi * math.e), 0.0).sum()

    def divergence(self, other: "Gaussian") -> Float[Array, ""]:
        """KL(self ‖ other), summed over dimensions."""
        spread = jnp.square(jnp.exp(self.log_std - other.log_std))
        shift = jnp.square((self.mean - other.mean) * jnp.exp(-other.log_std))
        each = other.log_std - self.log_std + 0.5 * (spread + shift - 1)
        return jnp.where(self.exists, each, 0.0).sum()


def noise(action: Discrete | Box, key: PRNGKeyArray, agents: int) -> Float[Array, "agent ..."]:
    """What `sample` needs for every agent: uniform numbers for choices, standard normals for boxes."""
    if isinstance(action, Discrete):
        return jax.random.uniform(key, (agents,))
    return jax.random.normal(key, (agents, action.size))


def middle_and_reach(action: Box) -> tuple[float, float]:
    """The middle of a box and the distance to its ends; (0, 1) where it has none.

    >>> middle_and_reach(Box(1, -50.0, 50.0))
    (0.0, 50.0)
    """
    middle, reach = (action.low + action.high) / 2, (action.high - action.low) / 2
    return (middle, reach) if math.isfinite(reach) and reach > 0 else (0.0, 1.0)


def sample(distribution: Categorical | Gaussian, noise: Array) -> Array:
    return distribution.sample(noise)


def mode(distribution: Categorical | Gaussian, noise: Array) -> Array:
    return distribution.mode()
