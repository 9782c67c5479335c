"""Returns and advantages along time: one backward recursion, many estimators.

Everything here is x_t = δ_t + decay_t · x_{t+1} (`accumulate`) with different δ and decay: discounted returns, generalized
advantage estimation, lambda returns and V-trace. Arrays have time first and any further axes after it. An episode that
*terminated* is worth nothing afterwards; one that was *truncated* is worth what the critic says of the step it reached
(`Trajectory.bootstrap`). This file is the only one that tells the two apart.
"""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from interplay.core import shards
from interplay.core.trajectory import Credit, Trajectory

Rows = Float[Array, "time *rest"]
Estimator = Callable[[Trajectory], Credit]


def accumulate(delta: Rows, decay: Rows, last: Array | float = 0.0) -> Rows:
    """x_t = delta_t + decay_t · x_{t+1}, from x_T = `last`.

    >>> accumulate(jnp.array([1.0, 1.0, 1.0]), jnp.array([0.5, 0.5, 0.5])).tolist()
    [1.75, 1.5, 1.0]
    """

    def back(later, row):
        delta, decay = row
        now = delta + decay * later
        return now, now

    first = jnp.broadcast_to(jnp.asarray(last, delta.dtype), delta.shape[1:])
    return jax.lax.scan(back, first, (delta, decay), reverse=True, unroll=8)[1]


def generalized_advantage(reward: Rows, value: Rows, following: Rows, discount: Rows, trace: float) -> Rows:
    """A_t = δ_t + γ_t λ A_{t+1} with δ_t = r_t + γ' V'_t − V_t.

    `following` is γ' V'_t, the discounted value of the step arrived at, and `discount` is γ_t, zero where row t + 1
    belongs to another episode. λ = 0 gives the one-step temporal difference, λ = 1 the return minus the value.

    Source: Schulman et al., "High-dimensional continuous control using generalized advantage estimation" (2016), eq. 16.
    """
    return accumulate(reward + following - value, trace * discount)


def lambda_return(reward: Rows, value: Rows, following: Rows, discount: Rows, trace: float) -> Rows:
    """G_t = r_t + γ_t ((1 − λ) V_{t+1} + λ G_{t+1}): the advantage of the same λ plus the value.

    Source: Sutton and Barto (2018), eq. 12.2.
    """
    return generalized_advantage(reward, value, following, discount, trace) + value


def importance_corrected(
    reward: Rows, value: Rows, following: Rows, discount: Rows, ratio: Rows, *, trace: float = 1.0, clip: float = 1.0
) -> tuple[Rows, Rows]:
    """V-trace targets v_t and policy advantages, for play by a policy whose probability ratio to the present is given.

    v_t − V_t = ρ_t δ_t + γ_t λ c_t (v_{t+1} − V_{t+1}), ρ_t = min(clip, ratio_t), c_t = min(1, ratio_t);
    advantage_t = ρ_t (r_t + γ' v'_t − V_t), where v' is v_{t+1} inside an episode and the bootstrap at its end.
    With ratio = 1 the targets are lambda returns.

    Source: Espeholt et al., "IMPALA" (2018), eqs. 1 and 4.
    """
    rho, cut = jnp.minimum(clip, ratio), jnp.minimum(1.0, ratio)
    gain = accumulate(rho * (reward + following - value), trace * discount * cut)
    later = jnp.concatenate([gain[1:], jnp.zeros_like(gain[:1])])
    return gain + value, rho * (reward + following + discount * later - value)


class Rollout(eqx.Module):
    """A trajectory's rewards, values, discounted next values and continuation discounts, all "time batch agent"."""

    reward: Rows
    value: Rows
    following: Rows
    discount: Rows
    active: Rows


def rollout(trajectory: Trajectory, discount: float) -> Rollout:
    """What the estimators need, with ends of episodes resolved: terminated → 0, truncated → the bootstrap value.

    An agent that was inactive still carries the value of its team's future; it only gets no weight.
    """
    value = trajectory.decision.value
    done = (trajectory.terminated | trajectory.truncated)[..., None]
    going = jnp.where(done, 0.0, jnp.full_like(value, discount))
    after = jnp.concatenate([value[1:], jnp.zeros_like(value[:1])])
    here = jnp.zeros_like(value).at[:-1].set(jnp.where(done[:-1], 0.0, after[:-1]))
    following = discount * (here + jnp.where(trajectory.terminated[..., None], 0.0, trajectory.bootstrap))
    return Rollout(trajectory.reward, value, following, going, trajectory.time_step.active.astype(value.dtype))


def gae(discount: float, trace: float) -> Estimator:
    """Advantages by generalized advantage estimation; targets are the lambda returns of the same trace."""

    def estimate(trajectory: Trajectory) -> Credit:
        play = rollout(trajectory, discount)
        advantage = generalized_advantage(play.reward, play.value, play.following, play.discount, trace)
        return Credit(advantage, advantage + play.value, play.active)

    return estimate


def discounted(discount: float) -> Estimator:
    """Advantage and target are both the discounted return G_t = r_t + γ G_{t+1}, bootstrapped where play was cut."""

    def estimate(trajectory: Trajectory) -> Credit:
        play = rollout(trajectory, discount)
        cut = jnp.where((trajectory.terminated | trajectory.truncated)[..., None], play.following, 0.0)
        cut = cut.at[-1].set(play.following[-1])
        total = accumulate(play.reward + cut, play.discount)
        return Credit(total, total, play.active)

    return estimate


def baselined(estimate: Estimator) -> Estimator:
    """Subtract the critic's value from an estimator's advantage (REINFORCE with a baseline)."""

    def less(trajectory: Trajectory) -> Credit:
        credit = estimate(trajectory)
        return Credit(credit.advantage - trajectory.decision.value, credit.target, credit.weight)

    return less


def standardized(estimate: Estimator, epsilon: float = 1e-8) -> Estimator:
    """Shift and scale an estimator's advantages to mean 0 and deviation 1 over everybody who acted."""

    def standardize(trajectory: Trajectory) -> Credit:
        credit = estimate(trajectory)
        mass = jnp.maximum(shards.mean(credit.weight.sum()), 1.0)
        mean = shards.mean((credit.weight * credit.advantage).sum()) / mass
        spread = shards.mean((credit.weight * jnp.square(credit.advantage - mean)).sum()) / mass
        return Credit((credit.advantage - mean) / (jnp.sqrt(spread) + epsilon), credit.target, credit.weight)

    return standardize
