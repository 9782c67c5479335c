"""Returns and advantages along time: one backward recursion, many estimators.

Everything here is x_t = δ_t + decay_t · x_{t+1} (`credit/recursion.py`) with different δ and decay: discounted returns,
generalized advantage estimation, lambda returns, V-trace, n-step and Q(λ) targets. Arrays have time first and any further axes
after it. An episode that *terminated* is worth nothing afterwards; one that was *truncated* is worth what the critic says of
the step it reached (`Trajectory.bootstrap`). This file is the only one that tells the two apart.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from interplay.core import shards
from interplay.core.choosing import best, chosen
from interplay.core.errors import InputError
from interplay.core.trajectory import Credit, Replayed, Trajectory
from interplay.credit.recursion import accumulate, generalized_advantage

Rows = Float[Array, "time *rest"]
Estimator = Callable[[Trajectory], Credit]


def lambda_return(reward: Rows, value: Rows, following: Rows, discount: Rows, trace: Rows | float) -> Rows:
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


def over_others(estimate: Estimator) -> Estimator:
    """Subtract from an estimator's advantage the mean over the other games of the batch at the same step.

    A_i − mean_{j ≠ i} A_j, agent by agent, over those who acted; 0 where nobody else did. Games have to be in step.
    """

    def less(trajectory: Trajectory) -> Credit:
        credit = estimate(trajectory)
        counted = (credit.weight > 0).astype(credit.advantage.dtype)
        count, sums = shards.total((counted.sum(1, keepdims=True), (counted * credit.advantage).sum(1, keepdims=True)))
        others = (sums - counted * credit.advantage) / jnp.maximum(count - counted, 1)
        advantage = jnp.where((counted > 0) & (count > 1), credit.advantage - others, 0.0)
        return Credit(advantage, credit.target, credit.weight)

    return less


def together(estimate: Estimator) -> Estimator:
    """An estimator for which everybody is rewarded by the sum of all agents' rewards."""

    def summed(trajectory: Trajectory) -> Credit:
        reward = jnp.broadcast_to(trajectory.reward.sum(2, keepdims=True), trajectory.reward.shape)
        return estimate(dataclasses.replace(trajectory, reward=reward))

    return summed


def scaled(estimate: Estimator, factor: float) -> Estimator:
    """An estimator for which rewards are `factor` times what they are; bootstrap values are left as they are."""
    return lambda trajectory: estimate(dataclasses.replace(trajectory, reward=factor * trajectory.reward))


def standardized(estimate: Estimator, epsilon: float = 1e-8) -> Estimator:
    """Shift and scale an estimator's advantages to mean 0 and deviation 1 over everybody who acted."""

    def standardize(trajectory: Trajectory) -> Credit:
        credit = estimate(trajectory)
        mass = jnp.maximum(shards.mean(credit.weight.sum()), 1.0)
        mean = shards.mean((credit.weight * credit.advantage).sum()) / mass
        spread = shards.mean((credit.weight * jnp.square(credit.advantage - mean)).sum()) / mass
        return Credit((credit.advantage - mean) / (jnp.sqrt(spread) + epsilon), credit.target, credit.weight)

    return standardize


class Ahead(eqx.Module):
    """What was earned and what lies ahead, "time batch agent *objective": the record that a `Backup` turns into targets.

    `ahead` is V'_t, the value of the step arrived at; `following` is γ V'_t, zero where the episode terminated; `discount`
    is γ_t, zero where row t + 1 belongs to another episode or to none. `waiting` marks arrivals at which it is not the
    agent's move, `greedy` those where the agent then took its best action.
    """

    reward: Rows
    ahead: Rows
    following: Rows
    discount: Rows
    waiting: Bool[Array, "time *rest"]
    greedy: Bool[Array, "time *rest"]


Backup = Callable[[Ahead], Rows]


def n_step(steps: int) -> Backup:
    """G^1_t = r_t + γ V'_t and G^n_t = r_t + γ_t G^{n−1}_{t+1}, bootstrapped sooner where the record or an episode ends.

    Steps are those of the agent: a row at which it only waits is passed over, its reward counted. n = 1 is the temporal
    difference target. Raises `InputError` for n below 1.

    Source: Sutton and Barto (2018), eq. 7.1; Watkins (1989) for n = 1.
    """
    if steps < 1:
        raise InputError(f"n_step is {steps}: give 1 or more")

    def targets(play: Ahead) -> Rows:
        passing = play.discount * play.waiting
        later, value = play.following - passing * play.ahead, jnp.zeros(())
        for _ in range(steps):
            value = accumulate(play.reward + later, passing)
            after = jnp.concatenate([value[1:], jnp.zeros_like(value[:1])])
            later = jnp.where(play.discount > 0, (play.discount - passing) * after, play.following)
        return value

    return targets


def peng(trace: float) -> Backup:
    """G_t = r_t + γ_t ((1 − λ) V'_t + λ G_{t+1}): lambda returns of the greedy policy's values, whatever was played.

    λ = 0 is `n_step(1)`.

    Source: Peng and Williams, "Incremental multi-step Q-learning" (1996); Kozuno et al. (2021) for why it is used.
    """
    return lambda play: _lambda_backup(play, jnp.where(play.waiting, 1.0, trace))


def watkins(trace: float) -> Backup:
    """`peng`, but the trace is cut (λ = 0) wherever the next action played is not the greedy one.

    Source: Watkins, "Learning from delayed rewards" (1989), Q(λ).
    """
    return lambda play: _lambda_backup(play, jnp.where(play.waiting, 1.0, trace * play.greedy))


def _lambda_backup(play: Ahead, trace: Rows) -> Rows:
    value = jnp.concatenate([jnp.zeros_like(play.ahead[:1]), play.ahead[:-1]])  # that of row 0 cancels out
    return lambda_return(play.reward, value, play.following, play.discount, trace)


Select = Callable[[Array, Array], Array]


def double(online: Array, target: Array) -> Array:
    """Select the next action by the values that are learned, and let the target's judge it.

    Source: van Hasselt et al., "Deep reinforcement learning with double Q-learning" (2016).
    """
    return online


def single(online: Array, target: Array) -> Array:
    """Select the next action by the target's own values: the largest of them is the next value (Mnih et al. 2015)."""
    return target


def bellman(discount: float, backup: Backup, select: Select = double) -> Callable[[Any, Any, Replayed], Credit]:
    """Credit of replayed transitions: the target is `backup` over V' = Q_target(s', a'), a' greedy by `select`.

    `estimate(team, target, replayed)` wants teams that know their values (`nets.valued`). The advantage is the error
    δ = target − Q of the team as it is. Rows count as the replay weighs them, where anybody moved. With several
    objectives a' is greedy by their `utility`, and everything else is done for each of them.
    """

    def estimate(team: Any, target: Any, replayed: Replayed) -> Credit:
        play, mixer = replayed.transitions, team.mixer
        online, following = team.values_ahead(play), target.values_ahead(play)
        action = best(team.utility(play.arrived, select(online, following)), play.arrived.legal)
        ahead = target.mixed(play.arrived, chosen(following, action))
        same = jnp.concatenate([play.decision.action[1:] == action[:-1], jnp.ones_like(action[:1], bool)])
        return _backed_up(team, replayed, ahead, mixer.together(same, jnp.all), discount, backup)

    return estimate


def judged(discount: float, backup: Backup) -> Callable[[Any, Any, Replayed], Credit]:
    """`bellman` for teams whose targets choose by themselves (`nets.deterministic`): V' = min over critics of
    Q_target(s', μ_target(s')).

    Source: Lillicrap et al., "Continuous control with deep reinforcement learning" (2016), eq. 5.
    """

    def estimate(team: Any, target: Any, replayed: Replayed) -> Credit:
        ahead = target.values_ahead(replayed.transitions)
        return _backed_up(team, replayed, ahead, jnp.ones(ahead.shape, bool), discount, backup)

    return estimate


def _backed_up(team: Any, replayed: Replayed, ahead: Rows, greedy: Array, discount: float, backup: Backup) -> Credit:
    """Credit of replayed transitions where the steps that they led to are worth `ahead`."""
    play, mixer = replayed.transitions, team.mixer
    each = lambda rows: jnp.broadcast_to(rows.reshape(rows.shape + (1,) * (ahead.ndim - rows.ndim)), ahead.shape)
    done = (play.arrived.terminated | play.arrived.truncated).at[-1].set(True)
    record = Ahead(
        reward=mixer.pooled(play.arrived.reward),
        ahead=ahead,
        following=jnp.where(each(play.arrived.terminated), 0.0, discount * ahead),
        discount=jnp.where(each(done), 0.0, jnp.full_like(ahead, discount)),
        waiting=each(~mixer.together(play.arrived.active)),
        greedy=each(greedy),
    )
    targets = backup(record)
    error = targets - team.values_of(play)
    return Credit(error, targets, each(replayed.weight * play.time_step.active.any(-1)))
