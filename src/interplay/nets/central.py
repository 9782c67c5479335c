"""What teams that read all observations with one network have in common: how their output becomes actions and values.

The multi-agent transformer and CMAT are instances; each says how it judges and in what order it acts.
"""

import dataclasses
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from interplay.core.game import Discrete, Spec
from interplay.core.team import Evaluation, Memory, Team
from interplay.nets import distributions
from interplay.nets.distributions import Categorical, Gaussian
from interplay.nets.scale import ValueScale


class Meaning(eqx.Module):
    """What a head's numbers mean: logits, or the means of normals whose deviation is ½ σ(free number), on the game's scale."""

    spread: Float[Array, "dimension"] | None
    spec: Spec

    def __init__(self, spec: Spec):
        self.spread = None if isinstance(spec.action, Discrete) else jnp.ones(spec.action.width)
        self.spec = spec

    def __call__(self, output: Float[Array, "action"], legal) -> Categorical | Gaussian:
        if self.spread is None:
            return Categorical(output, legal)
        middle, reach = distributions.middle_and_reach(self.spec.action)  # type: ignore[arg-type]
        return Gaussian(middle + reach * output, jnp.log(0.5 * reach * jax.nn.sigmoid(self.spread)), legal)

    def shown(self, action: Array) -> Float[Array, "agent width"]:
        """An action as the features of a token: one-hot, or on a scale of one."""
        if self.spread is None:
            return jax.nn.one_hot(action, self.spec.action.width)
        middle, reach = distributions.middle_and_reach(self.spec.action)  # type: ignore[arg-type]
        return (action - middle) / reach


class Central(Team):
    """A team with one network, a scale of values and a way to choose; it remembers nothing."""

    spec: eqx.AbstractVar[Spec]
    scale: eqx.AbstractVar[ValueScale]
    choose: eqx.AbstractVar[Callable]

    def begin(self) -> Memory:
        return ()

    def greedy(self) -> "Central":
        return dataclasses.replace(self, choose=distributions.mode)

    def normalize(self, value: Float[Array, "*rows agent"]) -> Float[Array, "*rows agent"]:
        return self.scale.normalize(value)

    def rescaled(self, target: Float[Array, "*rows agent"], weight: Float[Array, "*rows agent"]) -> "Central":
        return dataclasses.replace(self, scale=self.scale.update(target, weight))

    def judged(self, policy, action, value, extra: dict | None = None) -> Evaluation:
        """How likely `action` is under everybody's `policy`, how spread that is, and the critic's value."""
        log_prob = jax.vmap(lambda policy, action: policy.log_prob(action))(policy, action)
        entropy = jax.vmap(lambda policy: policy.entropy())(policy)
        return Evaluation(log_prob, entropy, self.scale.denormalize(value), extra or {})
