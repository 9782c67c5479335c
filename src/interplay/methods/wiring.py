"""Wirings: the order in which a family of methods calls the parts. Conveniences, not a framework.

A method that does not fit one writes its own `step`; a wiring never grows a flag.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import PRNGKeyArray, PyTree

from interplay.core import shards
from interplay.core.budget import Budget
from interplay.core.game import AnyGame
from interplay.core.method import Method, Metrics
from interplay.core.team import Team
from interplay.core.trajectory import Batch
from interplay.credit.returns import Estimator
from interplay.play.finished import Finished
from interplay.update.gradient import Learner


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


def batched(state: OnPolicy) -> OnPolicy:
    """True at the leaves that carry a batch of games: `state.play` and nothing else."""
    marks = jax.tree.map(lambda _: False, state)
    return eqx.tree_at(lambda marks: marks.play, marks, jax.tree.map(lambda _: True, state.play))
