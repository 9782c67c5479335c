"""The running scale of returns, so that critics learn numbers of size one whatever a game pays.

Known instances: MAPPO's value normalization (this one) and PopArt, which also rescales the critic's last layer.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from interplay.core import shards


class ValueScale(eqx.Module):
    """Debiased running mean and second moment of value targets; no gradient passes through them.

    m ← d·m + (1 − d)·E[target], s ← d·s + (1 − d)·E[target²], n ← d·n + (1 − d); mean = m/n, variance = s/n − mean².
    With `decay` = 1 nothing is ever accumulated and the scale is the identity.

    Source: Yu et al. 2022, appendix D (value normalization).
    """

    first: Float[Array, ""]
    second: Float[Array, ""]
    count: Float[Array, ""]
    decay: float = eqx.field(static=True)

    def __init__(self, decay: float = 0.99):
        self.first, self.second, self.count = jnp.zeros(()), jnp.zeros(()), jnp.zeros(())
        self.decay = decay

    def _moments(self):
        count = jnp.maximum(jax.lax.stop_gradient(self.count), 1e-8)
        mean = jax.lax.stop_gradient(self.first) / count
        variance = jnp.maximum(jax.lax.stop_gradient(self.second) / count - jnp.square(mean), 1e-4)
        seen = jax.lax.stop_gradient(self.count) > 0
        return jnp.where(seen, mean, 0.0), jnp.where(seen, jnp.sqrt(variance), 1.0)

    def denormalize(self, value: Array) -> Array:
        """From the critic's numbers to units of return."""
        mean, deviation = self._moments()
        return value * deviation + mean

    def normalize(self, value: Array) -> Array:
        """From units of return to the critic's numbers."""
        mean, deviation = self._moments()
        return (value - mean) / deviation

    def update(self, target: Array, weight: Array) -> "ValueScale":
        """The scale after seeing `target`, rows counted by `weight`."""
        if self.decay == 1.0:
            return self
        mass = jnp.maximum(shards.mean(weight.sum()), 1e-8)
        first = shards.mean((weight * target).sum()) / mass
        second = shards.mean((weight * jnp.square(target)).sum()) / mass
        blend = lambda old, new: self.decay * old + (1 - self.decay) * new
        fields = (blend(self.first, first), blend(self.second, second), blend(self.count, 1.0))
        return eqx.tree_at(lambda scale: (scale.first, scale.second, scale.count), self, fields)
