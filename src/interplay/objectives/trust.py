"""Trust regions: steps measured by how far the policy moves, not by how far its numbers do.

The natural gradient solves F x = g, with F the Fisher information: the curvature of the mean KL divergence from the
policy that played. F is never built; conjugate gradients need only its products with vectors. A line search then keeps
the largest step that improves the surrogate without leaving the region. TRPO and HATRPO are instances; with one step of
conjugate gradients and no line search this is a policy gradient of limited length.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, cast

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.scipy.sparse.linalg import cg
from jaxtyping import Array, Bool, Float, PyTree

from interplay.core import shards
from interplay.core.errors import InputError
from interplay.core.team import Team, has_memory
from interplay.core.trajectory import Batch
from interplay.objectives.gradient import Ratio, per_agent
from interplay.objectives.term import Metrics, Objective, average, objective

Parameters = PyTree[Array]
Scalar = Float[Array, ""]


class Region(NamedTuple):
    """How far a step may go and how it is searched for."""

    limit: float = 0.01
    """largest mean KL divergence from the old policy to the new, in nats"""
    damping: float = 0.1
    """added to the diagonal of the Fisher information"""
    iterations: int = 10
    """steps of conjugate gradients"""
    tries: int = 10
    """step lengths that the line search looks at"""
    shrink: float = 0.8
    """each of them is this share of the one before"""
    accept: float = 0.5
    """share of the improvement expected to first order that has to come true"""


def surrogate(ratio: Ratio = per_agent) -> Objective:
    """−E[ratio · A]: the policy-gradient loss whose slope at ratio = 1 is that of the return.

    Source: Schulman et al., "Trust region policy optimization" (2015), eq. 14.
    """

    def term(team, seen, batch):
        credit = batch.credit
        ratios = ratio(seen.log_prob - batch.trajectory.decision.log_prob, credit.weight)
        loss = -average(ratios * credit.advantage, credit.weight)
        return loss, {"policy_loss": loss}

    return objective(term)


def policies(team: Team, batch: Batch):
    """The distributions of the agents' actions at every row of `batch`, leading axes "time batch agent".

    The team offers `policy(memory, time_step, context)`, as `Seated` does. Raises `InputError` for teams with memory.
    """
    if has_memory(team):
        raise InputError("trust regions compare policies row by row: set memory to 0")
    policy = cast(Any, team).policy
    context = batch.trajectory.decision.extra.get("context")
    one = lambda seen, filled: policy(team.begin(), seen, filled)
    return jax.vmap(jax.vmap(one))(batch.trajectory.time_step, context)


def divergence(before, team: Team, batch: Batch) -> Scalar:
    """E[KL(old ‖ new)] in nats over the rows of `batch`, from the `policies` of before to those of `team`."""
    apart = lambda old, new: old.divergence(new)
    each = jax.vmap(jax.vmap(jax.vmap(apart)))(before, policies(team, batch))
    return average(each, batch.credit.weight)


def conjugate_gradient(product: Callable[[Parameters], Parameters], b: Parameters, iterations: int) -> Parameters:
    """x with A x ≈ b for a symmetric positive definite A given as `product(v)` = A v, after at most `iterations` steps.

        >>> conjugate_gradient(lambda v: 4.0 * v, jnp.array([8.0, 2.0]), 5).tolist()
        [2.0, 0.5]

    Source: Hestenes and Stiefel, "Methods of conjugate gradients for solving linear systems" (1952).
    """
    return cg(product, b, tol=1e-6, maxiter=iterations)[0]


def line_search(good: Callable[[Scalar], Bool[Array, ""]], tries: int, shrink: float) -> Scalar:
    """The first of 1, s, s², … (`tries` of them, s = `shrink`) for which `good(fraction)` holds; 0 if there is none.

    >>> float(line_search(lambda fraction: fraction < 0.3, 10, 0.5))
    0.25
    """

    def look(search):
        count, fraction, _ = search
        fraction = jnp.where(count == 0, 1.0, fraction * shrink)
        return count + 1, fraction, good(fraction)

    start = (jnp.zeros((), jnp.int32), jnp.ones(()), jnp.zeros((), bool))
    going = lambda search: (search[0] < tries) & ~search[2]
    _, fraction, found = jax.lax.while_loop(going, look, start)
    return jnp.where(found, fraction, 0.0)


def fisher_product(
    distance: Callable[[Parameters], Scalar], parameters: Parameters, damping: float
) -> Callable[[Parameters], Parameters]:
    """v ↦ (F + λ I) v, F being the Hessian at `parameters` of `distance`, their mean KL divergence from the old policy.

    Forward over reverse: the derivative along v of the gradient, at the cost of about two gradients.

    Source: Pearlmutter, "Fast exact multiplication by the Hessian" (1994).
    """

    def product(vector):
        along = shards.mean(jax.jvp(jax.grad(distance), (parameters,), (vector,))[1])
        return jax.tree.map(lambda curved, flat: curved + damping * flat, along, vector)

    return product


def natural_step(
    loss: Callable[[Parameters], Scalar],
    distance: Callable[[Parameters], Scalar],
    parameters: Parameters,
    region: Region,
) -> tuple[Parameters, Metrics]:
    """`parameters` after one step down `loss` inside the trust region `distance` ≤ δ, and how the step went.

    x = (F + λ I)⁻¹ g, step = −√(2 δ / xᵀ(F + λ I) x) · x · fraction, with the largest fraction that keeps the KL
    divergence within δ = `region.limit` and lowers the loss by `region.accept` of what the slope promises. Where none
    does, the parameters stay as they are.

    Source: Schulman et al. (2015), appendix C.
    """
    before, slope = shards.mean(jax.value_and_grad(loss)(parameters))
    product = fisher_product(distance, parameters, region.damping)
    direction = conjugate_gradient(product, slope, region.iterations)
    length = jnp.sqrt(2 * region.limit / jnp.maximum(_dot(direction, product(direction)), 1e-12))
    promised = length * _dot(slope, direction)
    moved = lambda fraction: jax.tree.map(lambda old, x: old - fraction * length * x, parameters, direction)

    def measured(fraction):
        there = moved(fraction)
        return before - shards.mean(loss(there)), shards.mean(distance(there))

    def good(fraction):
        gain, apart = measured(fraction)
        return (gain > 0) & (gain >= region.accept * fraction * promised) & (apart <= region.limit)

    fraction = line_search(good, region.tries, region.shrink)
    gain, apart = measured(fraction)
    metrics = {"policy_loss": before - gain, "improvement": gain, "approx_kl": apart, "step_fraction": fraction}
    size = jnp.sqrt(_dot(slope, slope))
    return moved(fraction), {**metrics, "gradient_norm": size}


def team_step(loss: Objective, team: Team, batch: Batch, region: Region) -> tuple[Team, Metrics]:
    """`team` after one `natural_step` down `loss` on the whole of `batch`."""
    parameters, rest = eqx.partition(team, eqx.is_inexact_array)
    at = lambda parameters: eqx.combine(parameters, rest)
    value = lambda parameters: loss(at(parameters), batch)[0]
    before = policies(team, batch)
    distance = lambda parameters: divergence(before, at(parameters), batch)
    parameters, metrics = natural_step(value, distance, parameters, region)
    return at(parameters), metrics


def _dot(a: Parameters, b: Parameters) -> Scalar:
    return sum(jax.tree.leaves(jax.tree.map(jnp.vdot, a, b)), jnp.zeros(()))
