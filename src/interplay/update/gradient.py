"""Gradient updates: epochs of shuffled minibatches over one batch of play.

A `Learner` is a pair of pure functions in Optax's manner: `init(team)` and `update(team, state, batch, key)`. Rows are whole
joint decisions (or whole sequences for teams with memory): minibatches never split the agent axis. PPO and plain policy
gradients are instances; a method that needs several gradients of one minibatch passes several objectives and a `merge`.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, PRNGKeyArray, PyTree

from interplay.core import shards
from interplay.core.errors import InputError
from interplay.core.keys import permutation
from interplay.core.team import Team, has_memory
from interplay.core.trajectory import Batch
from interplay.objectives.term import Metrics, Objective

Gradient = PyTree[Array]
BLOCK = 256  # rows whose activations stay in a processor core's cache: gradients of larger minibatches are added up


class Learner(NamedTuple):
    """`init(team)` → optimizer state; `update(team, state, batch, key)` → (team, state, metrics).

    `steps` is how many optimizer steps one update takes, for the ledger of what learning spends.
    """

    init: Callable[[Team], Any]
    update: Callable[[Team, Any, Batch, PRNGKeyArray], tuple[Team, Any, Metrics]]
    steps: int = 1


def total(gradients: Sequence[Gradient]) -> Gradient:
    """The sum of several gradients: the default `merge`."""
    return jax.tree.map(lambda *parts: sum(parts), *gradients)


def everything(team: Team) -> PyTree:
    """Every array of real numbers is a parameter: the default `learned`."""
    return eqx.is_inexact_array


def only(where: Callable[[Any], PyTree]) -> Callable[[Team], PyTree]:
    """A `learned` that marks one part of the team, for example `only(lambda team: team.critics)`."""

    def learned(team: Team) -> PyTree:
        nothing = jax.tree.map(lambda _: False, team)
        return eqx.tree_at(where, nothing, jax.tree.map(eqx.is_inexact_array, where(team)))

    return learned


def epochs(
    objective: Objective | Sequence[Objective],
    optimizer: optax.GradientTransformation,
    passes: int,
    minibatches: int,
    *,
    merge: Callable[[Sequence[Gradient]], Gradient] = total,
    learned: Callable[[Team], PyTree] = everything,
) -> Learner:
    """`passes` times over the batch in `minibatches` random parts, one optimizer step each.

    With several objectives each gives its own gradient of the same minibatch and `merge` makes one of them. `learned`
    marks the parameters that are learned, as a filter of Equinox; others get no gradient and no optimizer state.
    Metrics are means over all minibatches. Where the batch is laid over devices, gradients are averaged before every
    step. Raises `InputError` where the rows do not divide into the minibatches.
    """
    objectives = (objective,) if isinstance(objective, Objective) else tuple(objective)

    def init(team: Team):
        return optimizer.init(eqx.filter(team, learned(team)))

    descend = _descent(optimizer, merge, learned)

    def minibatch(carry, rows: Batch, order):
        team, state = carry

        def judged(order):
            some = take(rows, order)
            return [_gradient(part, team, some, learned) for part in objectives], some.credit.weight.sum()

        return descend(team, state, *_in_blocks(judged, order))

    def update(team: Team, state, batch: Batch, key: PRNGKeyArray):
        rows = batch if has_memory(team) else flattened(batch)
        arrays, constants = eqx.partition(team, eqx.is_array)

        def one(carry, order):
            team, state = carry
            (team, state), metrics = minibatch((eqx.combine(team, constants), state), rows, order)
            return (eqx.filter(team, eqx.is_array), state), metrics

        def one_pass(carry, orders):
            return jax.lax.scan(one, carry, orders)

        count = rows.credit.weight.shape[1]
        orders = jax.vmap(lambda key: _parts(key, count, minibatches))(jax.random.split(shards.own(key), passes))
        (arrays, state), metrics = jax.lax.scan(one_pass, (arrays, state), orders)
        return eqx.combine(arrays, constants), state, jax.tree.map(jnp.mean, metrics)

    return Learner(init, update, passes * minibatches)


def once(
    objective: Objective,
    optimizer: optax.GradientTransformation,
    *,
    learned: Callable[[Team], PyTree] = everything,
) -> Learner:
    """One optimizer step on the whole batch as it comes: `epochs` of one pass and one minibatch, without the shuffling."""
    descend = _descent(optimizer, total, learned)

    def update(team: Team, state, batch: Batch, key: PRNGKeyArray):
        rows = batch if has_memory(team) else flattened(batch)
        (team, state), metrics = descend(
            team, state, [_gradient(objective, team, rows, learned)], rows.credit.weight.sum()
        )
        return team, state, metrics

    return Learner(lambda team: optimizer.init(eqx.filter(team, learned(team))), update)


def flattened(batch: Batch) -> Batch:
    """All (time, game) rows on the second axis and time of length one: what teams without memory learn from."""
    trajectory = dataclasses.replace(batch.trajectory, memory=())
    flat = lambda leaf: leaf.reshape(1, leaf.shape[0] * leaf.shape[1], *leaf.shape[2:])
    return jax.tree.map(flat, Batch(trajectory, batch.credit))


def take(batch: Batch, rows) -> Batch:
    """The given rows: of the second axis, and of the first axis of `memory`."""
    memory = jax.tree.map(lambda leaf: leaf[rows], batch.trajectory.memory)
    rest = Batch(dataclasses.replace(batch.trajectory, memory=()), batch.credit)
    picked = jax.tree.map(lambda leaf: leaf[:, rows], rest)
    return Batch(dataclasses.replace(picked.trajectory, memory=memory), picked.credit)


def adam(rate: float | optax.Schedule, max_norm: float | None = None, epsilon: float = 1e-5):
    """Adam on gradients clipped to a global norm of `max_norm` (no clipping where that is None)."""
    clip = optax.identity() if max_norm is None else optax.clip_by_global_norm(max_norm)
    return optax.flatten(optax.chain(clip, optax.adam(rate, eps=epsilon)))


def linear_to_zero(rate: float, updates: int) -> optax.Schedule:
    """A learning rate that falls from `rate` to zero over `updates` optimizer steps."""
    return optax.linear_schedule(rate, 0.0, max(1, updates))


def groups(label: Callable[[str], str], optimizers: Mapping[str, optax.GradientTransformation]):
    """Separate optimizers per parameter group; `label(path)` names the group of a parameter such as "actors/members/…"."""

    def labels(parameters):
        return jax.tree_util.tree_map_with_path(lambda path, _: label(_readable(path)), parameters)

    return optax.multi_transform(cast(Any, optimizers), labels)


def frozen(where: Callable[[str], Array | bool]) -> optax.GradientTransformation:
    """Zero the gradient wherever `where(path)` is true: a bool, or a bool per member of a stacked population.

    Chain it before the optimizer: members with zero gradient from the start never move under Adam or SGD.
    """

    def update(updates, state, params=None):
        def mask(path, leaf):
            keep = ~jnp.asarray(where(_readable(path)), bool)
            return leaf * keep.reshape(keep.shape + (1,) * (leaf.ndim - keep.ndim))

        return jax.tree_util.tree_map_with_path(mask, updates), state

    return optax.GradientTransformation(lambda params: optax.EmptyState(), update)


def _descent(optimizer: optax.GradientTransformation, merge, learned):
    """(team, state, gradients and metrics of every objective, their mass) → one optimizer step, over all devices."""

    def descend(team: Team, state, parts, mass):
        parts = shards.weighted_mean(parts, mass)  # before the merge, which need not be linear
        gradients, metrics = zip(*parts, strict=True)
        gradient = merge(gradients)
        updates, state = optimizer.update(gradient, state, eqx.filter(team, learned(team)))
        together = {key: value for more in metrics for key, value in more.items()}
        size = optax.tree.norm(gradient)
        return (eqx.apply_updates(team, updates), state), {**together, "gradient_norm": size}

    return descend


def _gradient(objective: Objective, team: Team, rows: Batch, learned) -> tuple[Gradient, Metrics]:
    parameters, rest = eqx.partition(team, learned(team))

    def loss(parameters):
        value, metrics = objective(eqx.combine(parameters, rest), rows)
        return value, {**metrics, "loss": value}

    gradient, metrics = eqx.filter_grad(loss, has_aux=True)(parameters)
    return gradient, metrics


def _in_blocks(judged: Callable[[Array], tuple[PyTree, Array]], order: Array) -> tuple[PyTree, Array]:
    """`judged(order)` → (means, mass) of all rows, on a processor worked out block by block: Σ mass · mean / Σ mass."""
    rows = len(order)
    blocks = next(count for count in range(1, rows + 1) if rows % count == 0 and rows <= count * BLOCK)
    if blocks == 1 or 4 * rows < blocks * BLOCK or jax.default_backend() != "cpu":  # no divisor near: all at once
        return judged(order)

    def add(carry, order):
        total, whole = carry
        means, mass = judged(order)
        return (jax.tree.map(lambda old, new: old + mass * new, total, means), whole + mass), None

    shapes = jax.eval_shape(judged, order[: len(order) // blocks])
    nothing = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    (total, whole), _ = jax.lax.scan(add, nothing, order.reshape(blocks, -1))
    return jax.tree.map(lambda leaf: leaf / jnp.maximum(whole, 1e-8), total), whole


def _parts(key: PRNGKeyArray, count: int, minibatches: int):
    if count % minibatches:
        raise InputError(
            f"{count} rows do not divide into {minibatches} minibatches: change batch, length or minibatches"
        )
    return permutation(key, count).reshape(minibatches, -1)


def _readable(path) -> str:
    return jax.tree_util.keystr(path, simple=True, separator="/")
