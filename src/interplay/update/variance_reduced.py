"""Optimizers that average noise out of policy gradients, as state machines that say where to play next.

All of them are one recursion,

    d_t = (1 − η_t) (d_{t−1} + drift) + η_t g(τ, point)        θ_{t+1} = θ_t + γ_t move(d_t)

with three choices: the *point* that plays (θ_t, or extrapolated ahead of it), the *drift* by which the old direction is
brought up to date (nothing, a Hessian-vector product, a reweighted gradient), and the *move* (of length one, as long as d,
or natural). Known instances are N-PG-IGT and HARPG; with neither point nor drift it is momentum, with η = 1 a plain policy
gradient. The points to play at differ from θ_t, so whoever plays asks `query_points` first.

Source: Fatkhullin et al., "Stochastic policy gradient methods: improved sample complexity for Fisher-non-degenerate
policies" (2023), algorithms 1 and 2.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray

from interplay.objectives import policy_gradient, trust
from interplay.objectives.policy_gradient import Estimator, Parameters

GRADIENT = "grad"  # what a played record is for: a gradient, or
PRODUCT = "hvp"  # a Hessian-vector product

Scalar = Float[Array, ""]
Schedule = Callable[[Int[Array, ""]], Scalar]


class Progress(eqx.Module):
    """θ_t, θ_{t−1}, d_{t−1} and t: all there is to remember."""

    parameters: Parameters
    before: Parameters
    direction: Parameters
    step: Int[Array, ""]


class Sample(NamedTuple):
    """A record of episodes, and the parameters that played it."""

    parameters: Parameters
    record: Any


class Optimizer(NamedTuple):
    """`init(θ)` → state; `query_points(state, key)` → [(θ to play with, role)]; `update(state, samples, key)` → (θ, state).

    `update` wants one `Sample` per query point, in the same order. `roles` are the roles of one iteration's queries.
    """

    init: Callable[[Parameters], Progress]
    query_points: Callable[[Progress, PRNGKeyArray], list[tuple[Parameters, str]]]
    update: Callable[[Progress, Sequence[Sample], PRNGKeyArray], tuple[Parameters, Progress]]
    roles: tuple[str, ...]


class Drift(NamedTuple):
    """How the direction of before is brought to where the parameters are now, and what has to be played for that."""

    roles: tuple[str, ...]
    points: Callable[[Progress, PRNGKeyArray], list[Parameters]]
    estimate: Callable[[Estimator, Progress, Parameters, Sequence[Sample]], Parameters]


Point = Callable[[Progress, Scalar], Parameters]
Move = Callable[[Estimator, Parameters, Sample], Parameters]


def power(exponent: float, first: float = 1.0) -> Schedule:
    """first · (2 / (t + 2))^exponent: `first` at t = 0, constant where the exponent is 0.

    >>> round(float(power(0.5)(jnp.asarray(6))), 6)
    0.5
    """
    return lambda step: first * (2.0 / (step + 2.0)) ** exponent


def here(state: Progress, share: Scalar) -> Parameters:
    """Play with θ_t."""
    return state.parameters


def extrapolated(strength: float = 1.0) -> Point:
    """Play with θ_t + strength · (1 − η)/η · (θ_t − θ_{t−1}): ahead of θ_t, so that old gradients count as if taken at it.

    With strength 1 the weighted mean of all points played at is θ_t, which cancels the bias of momentum to first order.

    Source: Fatkhullin et al. (2023), algorithm 1; Arnold et al., "Reducing the variance in online optimization by
    transporting past gradients" (2019).
    """

    def ahead(state: Progress, share: Scalar) -> Parameters:
        reach = strength * (1 - share) / share
        return jax.tree.map(lambda now, old: now + reach * (now - old), state.parameters, state.before)

    return ahead


NOTHING = Drift(
    (), lambda state, key: [], lambda estimator, state, fresh, samples: jax.tree.map(jnp.zeros_like, state.direction)
)


def curvature(score: float = 1.0) -> Drift:
    """B(τ̂, θ̂) (θ_t − θ_{t−1}), θ̂ uniform between the two: unbiased for ∇J(θ_t) − ∇J(θ_{t−1}) by the mean-value integral.

    `score` is passed to `policy_gradient.hessian_product`.

    Source: Fatkhullin et al. (2023), algorithm 2.
    """

    def points(state: Progress, key: PRNGKeyArray) -> list[Parameters]:
        part = jax.random.uniform(key)
        return [jax.tree.map(lambda now, old: part * now + (1 - part) * old, state.parameters, state.before)]

    def estimate(estimator, state: Progress, fresh, samples):
        between = samples[1]
        step = jax.tree.map(jnp.subtract, state.parameters, state.before)
        return policy_gradient.hessian_product(estimator, between.parameters, between.record, step, score=score)

    return Drift((PRODUCT,), points, estimate)


def reweighted(clip: float = 10.0) -> Drift:
    """g(τ, θ_t) − w g(τ, θ_{t−1}) on the episodes just played, w = p(τ | θ_{t−1}) / p(τ | θ_t), |log w| ≤ `clip`.

    The variance of w grows exponentially with the length of episodes: for short ones only.

    Source: Yuan et al., "Stochastic recursive momentum for policy gradient methods" (2020).
    """

    def estimate(estimator, state: Progress, fresh, samples):
        now, record = samples[0]
        weight = policy_gradient.likelihood_ratio(estimator, state.before, now, record, clip)
        old = policy_gradient.gradient(estimator, state.before, record, weight)
        return jax.tree.map(jnp.subtract, fresh, old)

    return Drift((), lambda state, key: [], estimate)


def unit(estimator: Estimator, direction: Parameters, sample: Sample) -> Parameters:
    """d / ‖d‖, the norm being that of all parameters together; zero where d is."""
    norm = optax.tree.norm(direction)
    return jax.tree.map(lambda part: part / jnp.where(norm > 0, norm, 1.0), direction)


def whole(estimator: Estimator, direction: Parameters, sample: Sample) -> Parameters:
    """d itself."""
    return direction


def natural(damping: float = 1e-3, iterations: int = 10) -> Move:
    """(F + λ I)⁻¹ d by conjugate gradients, F the Fisher information of the decisions just played.

    Source: Kakade, "A natural policy gradient" (2001).
    """

    def solve(estimator: Estimator, direction: Parameters, sample: Sample) -> Parameters:
        product = policy_gradient.fisher_product(estimator, sample.parameters, sample.record, damping)
        return trust.conjugate_gradient(product, direction, iterations)

    return solve


def averaging(
    estimator: Estimator, share: Schedule, rate: Schedule, *, point: Point = here, drift: Drift = NOTHING, move=unit
) -> Optimizer:
    """The recursion of the file's first paragraph: η = `share`, γ = `rate`, θ_{−1} = θ_0, d_{−1} = 0.

    `share` has to be 1 at t = 0. All optimizers below are this one with other choices.
    """

    def init(parameters: Parameters) -> Progress:
        nothing = jax.tree.map(jnp.zeros_like, parameters)
        return Progress(parameters, parameters, nothing, jnp.zeros((), jnp.int32))

    def query_points(state: Progress, key: PRNGKeyArray) -> list[tuple[Parameters, str]]:
        first = (point(state, share(state.step)), GRADIENT)
        return [first, *zip(drift.points(state, key), drift.roles, strict=True)]

    def update(state: Progress, samples: Sequence[Sample], key: PRNGKeyArray) -> tuple[Parameters, Progress]:
        del key  # optimizers that draw at random do so when they choose their points
        fresh = policy_gradient.gradient(estimator, *samples[0])
        change = drift.estimate(estimator, state, fresh, samples)
        new, kept = share(state.step), 1 - share(state.step)
        mix = lambda old, change, fresh: kept * (old + change) + new * fresh
        direction = jax.tree.map(mix, state.direction, change, fresh)
        length, step = rate(state.step), move(estimator, direction, samples[0])
        parameters = jax.tree.map(lambda now, along: now + length * along, state.parameters, step)
        return parameters, Progress(parameters, state.parameters, direction, state.step + 1)

    return Optimizer(init, query_points, update, (GRADIENT, *drift.roles))


def vanilla(estimator: Estimator, rate: float) -> Optimizer:
    """θ + γ_t g, γ_t = rate · (2 / (t + 2))^⅔."""
    return averaging(estimator, power(0), power(2 / 3, rate), move=whole)


def normalized(estimator: Estimator, rate: float) -> Optimizer:
    """θ + γ_t g / ‖g‖, γ_t = rate · 2 / (t + 2)."""
    return averaging(estimator, power(0), power(1, rate))


def momentum(estimator: Estimator, rate: float) -> Optimizer:
    """Normalized gradient with momentum: d = (1 − η) d + η g at θ_t, η = (2 / (t + 2))^⅔, γ_t = rate · 2 / (t + 2).

    Source: Cutkosky and Mehta, "Momentum improves normalized SGD" (2020), algorithm 1.
    """
    return averaging(estimator, power(2 / 3), power(1, rate))


def igt(estimator: Estimator, rate: float, strength: float = 1.0) -> Optimizer:
    """N-PG-IGT: `momentum` whose gradients are taken ahead of θ_t, η = (2 / (t + 2))^⅘, γ_t = rate · 2 / (t + 2)."""
    return averaging(estimator, power(4 / 5), power(1, rate), point=extrapolated(strength))


def storm(estimator: Estimator, rate: float) -> Optimizer:
    """STORM-PG with steps of given length: the old direction reweighted, η = 2 / (t + 2), γ_t = rate · 2 / (t + 2)."""
    return averaging(estimator, power(1), power(1, rate), drift=reweighted())


def harpg(estimator: Estimator, rate: float, score: float = 1.0) -> Optimizer:
    """HARPG: the old direction moved along the curvature, η = 2 / (t + 2), γ_t = rate · (2 / (t + 2))^½, d not normalized."""
    return averaging(estimator, power(1), power(1 / 2, rate), drift=curvature(score), move=whole)


def normalized_harpg(estimator: Estimator, rate: float, score: float = 1.0) -> Optimizer:
    """N-HARPG: `harpg` with steps of length γ_t = rate · 2 / (t + 2)."""
    return averaging(estimator, power(1), power(1, rate), drift=curvature(score))


def natural_gradient(estimator: Estimator, rate: float) -> Optimizer:
    """θ + rate · (F + 10⁻³ I)⁻¹ g."""
    return averaging(estimator, power(0), power(0, rate), move=natural())
