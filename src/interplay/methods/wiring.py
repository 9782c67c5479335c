"""Wirings: the order in which a family of methods calls the parts. Conveniences, not a framework.

A method that does not fit one writes its own `step`; a wiring never grows a flag.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from interplay.core import shards
from interplay.core.budget import Budget
from interplay.core.game import AnyGame
from interplay.core.method import Method, Metrics
from interplay.core.team import Team
from interplay.core.trajectory import Batch, Credit, Replayed, Trajectory
from interplay.credit.returns import Estimator
from interplay.play.finished import Finished
from interplay.play.ring import Replay, Ring
from interplay.update.gradient import Learner
from interplay.update.target import Follow


class OnPolicy(eqx.Module):
    """The state of an on-policy method: who plays, how it is learning, where the games stand."""

    team: Team
    learner: PyTree
    play: PyTree


def on_policy(
    game: AnyGame, make_team: Callable[[PRNGKeyArray], Team], *, gather: Any, credit: Estimator, learner: Learner
) -> Method:
    """Play, give credit, learn; play on. The wiring of PPO and of everything that learns from what it just did."""

    def init(key: PRNGKeyArray) -> OnPolicy:
        team_key, play_key = jax.random.split(key)
        team = make_team(team_key)
        return OnPolicy(team, learner.init(team), gather.init(team, play_key))

    @eqx.filter_jit
    def learn(team: Team, state, trajectory, key: PRNGKeyArray):
        return learner.update(*prepared(team, state, Batch(trajectory, credit(trajectory))), key)

    played = eqx.filter_jit(gather) if gather.compiled else gather  # both halves are traced once

    def step(state: OnPolicy, key: PRNGKeyArray) -> tuple[OnPolicy, Metrics]:
        play_key, learn_key = jax.random.split(key)
        play, trajectory, finished = played(state.team, state.play, play_key)
        team, optimizer, metrics = learn(state.team, state.learner, trajectory, learn_key)
        return OnPolicy(team, optimizer, play), {**metrics, **summary(finished)}

    cost = Budget(steps=gather.cost, updates=learner.steps)
    return Method(init, step, lambda state: state.team, cost, game, gather.compiled, batched)


class OffPolicy(eqx.Module):
    """The state of an off-policy method: who plays, the target it follows, how it is learning, what it remembers."""

    team: Any
    target: Any
    learner: PyTree
    updates: Int[Array, ""]
    ring: Ring
    play: PyTree


def off_policy(
    game: AnyGame, make_team: Callable[[PRNGKeyArray], Any], *, gather: Any, replay: Replay, credit: Any, learner: Learner,
    follow: Follow, updates: int,
) -> Method:  # fmt: skip
    """Play, remember; `updates` times draw, give credit, learn, let the target follow. The wiring of DQN and of QMIX."""

    def init(key: PRNGKeyArray) -> OffPolicy:
        team_key, play_key = jax.random.split(key)
        team = make_team(team_key)
        play = gather.init(team, play_key)
        ring = replay.init(gather.like(team, play))
        return OffPolicy(team, team, learner.init(team), jnp.zeros((), jnp.int32), ring, play)

    def learn(state: OffPolicy, key: PRNGKeyArray) -> tuple[OffPolicy, Metrics]:
        draw_key, learn_key = jax.random.split(key)
        drawn, replayed = replay.draw(state.ring, draw_key)
        batch = recalled(state.team, replayed, credit(state.team, state.target, replayed), replay.learned)
        team, optimizer, metrics = learner.update(state.team, state.learner, batch, learn_key)
        ring = replay.rate(state.ring, drawn, mean_error(batch.credit))
        count = state.updates + 1
        return OffPolicy(team, follow(state.target, team, count), optimizer, count, ring, state.play), metrics

    @eqx.filter_jit
    def remember(state: OffPolicy, played, key: PRNGKeyArray) -> tuple[OffPolicy, Metrics]:
        play, rows, finished = played
        told = {"exploration": state.team.exploration, **summary(finished)}
        ring, team = replay.add(state.ring, rows), state.team.after(gather.cost)
        state = OffPolicy(team, state.target, state.learner, state.updates, ring, play)
        state, metrics = repeated(learn, state, key, jnp.where(replay.ready(ring), updates, 0))
        return state, {**metrics, **told}

    def step(state: OffPolicy, key: PRNGKeyArray) -> tuple[OffPolicy, Metrics]:
        play_key, learn_key = jax.random.split(key)
        return remember(state, gather(state.team, state.play, play_key), learn_key)

    cost = Budget(steps=gather.cost, updates=updates * learner.steps)
    return Method(init, step, lambda state: state.team, cost, game, gather.compiled, remembered)


def recalled(team: Team, replayed: Replayed, credit: Credit, rows: int) -> Batch:
    """The first `rows` rows of what was drawn, as objectives want to see them: memory as an episode begins with."""
    play, draws = replayed.transitions, replayed.weight.shape[1]
    outcome, memory = (
        play.arrived,
        jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (draws, *leaf.shape)), team.begin()),
    )
    trajectory = Trajectory(
        play.time_step, play.decision, outcome.reward, outcome.terminated, outcome.truncated,
        jnp.zeros_like(credit.target), jnp.zeros_like(play.started), (),
    )  # fmt: skip
    trajectory, credit = jax.tree.map(lambda leaf: leaf[:rows], (trajectory, credit))
    return Batch(dataclasses.replace(trajectory, memory=memory), credit)


def mean_error(credit: Credit) -> Float[Array, "draw"]:
    """How wrong the team was about each draw: |δ| of all rows that count."""
    counts = credit.weight > 0
    rest = (0, *range(2, counts.ndim))
    return jnp.where(counts, jnp.abs(credit.advantage), 0.0).sum(rest) / jnp.maximum(counts.sum(rest), 1)


def repeated(learn: Callable, state: PyTree, key: PRNGKeyArray, times: Array) -> tuple[PyTree, Metrics]:
    """`learn` so many times, 0 among them, and the means of what it told (0 where it was never asked)."""
    arrays, rest = eqx.partition(state, eqx.is_array)
    shapes = eqx.filter_eval_shape(learn, state, key)[1]

    def again(index, carry):
        arrays, total = carry
        state, told = learn(eqx.combine(arrays, rest), jax.random.fold_in(key, index))
        return eqx.filter(state, eqx.is_array), jax.tree.map(jnp.add, total, told)

    nothing = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    arrays, total = jax.lax.fori_loop(0, times, again, (arrays, nothing))
    return eqx.combine(arrays, rest), jax.tree.map(lambda leaf: leaf / jnp.maximum(times, 1), total)


def prepared(team: Team, state, batch: Batch):
    """The team with its scale of values brought up to date, ready to learn from `batch`."""
    return team.rescaled(batch.credit.target, batch.credit.weight), state, batch


def summary(finished: Finished) -> Metrics:
    """Mean return (over agents and finished episodes), mean length and how many ended; NaN where none did."""
    finished = shards.total(finished)
    ended = jnp.where(finished.episodes > 0, finished.episodes, jnp.nan)
    return {
        "return": finished.total.mean() / ended,
        "length": finished.length / ended,
        "episodes": finished.episodes,
    }


def remembered(state: OffPolicy) -> OffPolicy:
    """True at the leaves that carry a batch of games: where they stand, and the lanes of the replay."""
    marks = jax.tree.map(lambda _: False, state)
    lanes = lambda state: (state.play, state.ring.rows, state.ring.masses, state.ring.largest, state.ring.since)
    return eqx.tree_at(lanes, marks, jax.tree.map(lambda _: True, lanes(state)))


def batched(state: OnPolicy) -> OnPolicy:
    """True at the leaves that carry a batch of games: `state.play` and nothing else."""
    marks = jax.tree.map(lambda _: False, state)
    return eqx.tree_at(lambda marks: marks.play, marks, jax.tree.map(lambda _: True, state.play))
