"""Monte-Carlo estimates of how the return changes with the parameters: its gradient, and its Hessian times a vector.

Everything is a sum over whole episodes of log π(a | s), weighed by what followed. Known instances are GPOMDP, the gradient
that REINFORCE with causality follows, and the Hessian-vector product of HAPG, with which HARPG corrects its momentum.
Discounting counts from the start of the episode, so that what is estimated is the gradient of the discounted return itself.

Source: Baxter and Bartlett, "Infinite-horizon policy-gradient estimation" (2001); Shen et al., "Hessian aided policy
gradient" (2019), eq. 8.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PyTree

from interplay.core import shards
from interplay.core.trajectory import Trajectory
from interplay.credit.returns import accumulate
from interplay.play.scan import reevaluate

Parameters = PyTree[Array]
Rows = Float[Array, "time batch *agent"]
Baseline = Callable[[Rows], Rows]


class Estimator(NamedTuple):
    """How to read a record of episodes: rows are "time batch" or "time batch agent", one episode per game of the batch.

    `log_probs(parameters, record)` is log π(a | s) of every decision, differentiable, zero where nobody decided;
    `worth(record)` is Ψ, what each decision is credited with, in units of discounted return.
    """

    log_probs: Callable[[Parameters, Any], Rows]
    worth: Callable[[Any], Rows]


def to_come(reward: Rows, discount: float) -> Rows:
    """Ψ_h = Σ_{i ≥ h} γ^i r_i, i counted from the start of the episode and not from h.

    >>> to_come(jnp.ones((3, 1)), 0.5)[:, 0].tolist()
    [1.75, 0.75, 0.25]
    """
    worth = discount ** jnp.arange(len(reward), dtype=reward.dtype)
    weighed = worth.reshape(-1, *(1,) * (reward.ndim - 1)) * reward
    return accumulate(weighed, jnp.ones_like(weighed))


def no_baseline(worth: Rows) -> Rows:
    """Nothing is subtracted, as in the theory."""
    return jnp.zeros_like(worth)


def others(worth: Rows) -> Rows:
    """The mean of Ψ_h over the other episodes of the batch: independent of the own episode, so nothing gets biased.

    >>> others(jnp.array([[1.0, 2.0, 6.0]])).tolist()
    [[4.0, 3.5, 1.5]]
    """
    return (worth.sum(1, keepdims=True) - worth) / max(worth.shape[1] - 1, 1)


def first_episodes(ended: Bool[Array, "time batch"]) -> Bool[Array, "time batch"]:
    """True up to and including the step that first ended: what belongs to each game's first episode.

    >>> first_episodes(jnp.array([[False], [True], [False]]))[:, 0].tolist()
    [True, True, False]
    """
    over = jnp.cumsum(ended, axis=0)
    return jnp.concatenate([jnp.ones_like(over[:1], bool), over[:-1] == 0])


def of_teams(rest: PyTree, discount: float, baseline: Baseline = no_baseline) -> Estimator:
    """The estimator for a team's parameters, `rest` being everything else of it (`equinox.partition`).

    Records are trajectories that begin with their episodes. Each agent's decisions are credited with its own rewards; the
    probability of an episode is that of all agents' decisions together. An agent without a say at a step counts nothing.
    """

    def counted(trajectory: Trajectory) -> Bool[Array, "time batch 1"]:
        return first_episodes(trajectory.terminated | trajectory.truncated)[..., None]

    def log_probs(parameters: Parameters, trajectory: Trajectory) -> Rows:
        judged = reevaluate(eqx.combine(parameters, rest), trajectory).log_prob
        return jnp.where(counted(trajectory) & trajectory.time_step.active, judged, 0.0)

    def worth(trajectory: Trajectory) -> Rows:
        reward = trajectory.reward.sum(tuple(range(3, trajectory.reward.ndim)))
        worth = to_come(jnp.where(counted(trajectory), reward, 0.0), discount)
        return jax.lax.stop_gradient(worth - baseline(worth))

    return Estimator(log_probs, worth)


def gradient(estimator: Estimator, parameters: Parameters, record: Any, weight: Array | float = 1.0) -> Parameters:
    """g = mean over episodes of weight · Σ_h Ψ_h ∇ log π(a_h | s_h), an unbiased estimate of ∇J where weights are 1.

    `record` has to be played with `parameters`, or `weight` ("batch") has to make up for who played it.
    """
    worth = estimator.worth(record)
    total = lambda parameters: (weight * _per_episode(worth * estimator.log_probs(parameters, record))).mean()
    return shards.mean(jax.grad(total)(parameters))


def hessian_product(
    estimator: Estimator, parameters: Parameters, record: Any, vector: Parameters, *, score: float = 1.0
) -> Parameters:
    """B v = mean over episodes of ∇²Φ v + g ⟨∇ log p, v⟩, with Φ = Σ_h Ψ_h log π(a_h | s_h) and p that of the episode.

    Unbiased for ∇²J v at the `parameters` that played `record`. The product of g and the score is taken episode by
    episode. `score` weighs that second part; anything but 1 is biased and is there to show that it is needed. One pass
    backward over one pass forward, since g ⟨·⟩ is the gradient of ⟨·⟩ Φ with the bracket held fixed.

    Source: Shen et al. (2019), eq. 8.
    """
    worth = estimator.worth(record)

    def total(parameters):
        at = lambda parameters: estimator.log_probs(parameters, record)
        log_probs, along = jax.jvp(at, (parameters,), (vector,))
        bracket = jax.lax.stop_gradient(score * _per_episode(along))
        return (_per_episode(worth * along) + bracket * _per_episode(worth * log_probs)).mean()

    return shards.mean(jax.grad(total)(parameters))


def likelihood_ratio(
    estimator: Estimator, parameters: Parameters, played: Parameters, record: Any, clip: float = 10.0
) -> Float[Array, "batch"]:
    """w = p(τ | parameters) / p(τ | played) of every episode, with |log w| limited by `clip`."""
    apart = estimator.log_probs(parameters, record) - estimator.log_probs(played, record)
    return jax.lax.stop_gradient(jnp.exp(jnp.clip(_per_episode(apart), -clip, clip)))


def fisher_product(
    estimator: Estimator, parameters: Parameters, record: Any, damping: float
) -> Callable[[Parameters], Parameters]:
    """v ↦ (F + λ I) v with F = E[∇ log π (∇ log π)ᵀ] over the decisions of `record`."""
    at = lambda parameters: estimator.log_probs(parameters, record)
    count = jnp.maximum((at(parameters) != 0).sum(), 1)

    def product(vector: Parameters) -> Parameters:
        along = jax.lax.stop_gradient(jax.jvp(at, (parameters,), (vector,))[1])
        slope = shards.mean(jax.grad(lambda parameters: (along * at(parameters)).sum() / count)(parameters))
        return jax.tree.map(lambda curved, flat: curved + damping * flat, slope, vector)

    return product


def _per_episode(rows: Rows) -> Float[Array, "batch"]:
    return rows.sum((0, *range(2, rows.ndim)))
