"""N-PG-IGT: a policy gradient that averages its noise away, by playing a little ahead of where it is.

Whole episodes are played with the parameters that the optimizer asks for, and one Monte-Carlo gradient of the discounted
return goes into a running direction; there is no critic. The other optimizers of the same recursion (momentum, HARPG,
STORM-PG, plain and natural policy gradients) are chosen by `optimizer`. Law: without extrapolation it is normalized momentum.

Source: Fatkhullin et al., "Stochastic policy gradient methods: improved sample complexity for Fisher-non-degenerate
policies" (2023), algorithms 1 and 2.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import PRNGKeyArray, PyTree

from interplay import games
from interplay.core import population
from interplay.core.budget import Budget
from interplay.core.errors import InputError
from interplay.core.game import AnyGame
from interplay.core.method import Method, Metrics
from interplay.core.names import chosen
from interplay.core.population import Population
from interplay.core.team import Team
from interplay.core.trajectory import Trajectory
from interplay.methods.wiring import summary
from interplay.nets import views
from interplay.nets.seated import seated
from interplay.objectives import policy_gradient
from interplay.play import gathering
from interplay.play.finished import Finished
from interplay.update import variance_reduced
from interplay.update.sequential import Silent
from interplay.update.variance_reduced import GRADIENT, Optimizer, Progress, Sample

OPTIMIZERS = {
    "igt": variance_reduced.igt,
    "harpg": variance_reduced.harpg,
    "normalized-harpg": variance_reduced.normalized_harpg,
    "storm": variance_reduced.storm,
    "momentum": variance_reduced.momentum,
    "normalized": variance_reduced.normalized,
    "vanilla": variance_reduced.vanilla,
    "natural": variance_reduced.natural_gradient,
}
BASELINES = {"others": policy_gradient.others, "none": policy_gradient.no_baseline}


@dataclasses.dataclass(frozen=True)
class Settings:
    """Settings of N-PG-IGT and the optimizers beside it."""

    game: str = "cartpole"
    """game to play, as in `interplay list games`"""
    steps: int = 500_000
    """environment steps to train for"""
    batch: int = 10
    """episodes played for each gradient, side by side"""
    longest: int = 0
    """steps after which an episode is cut; 0: the game's horizon"""
    share: bool = False
    """one network for all agents (True) or one each (False)"""
    width: int = 32
    """units per hidden layer"""
    depth: int = 2
    """hidden layers; 0: a linear policy"""
    optimizer: str = "igt"
    """igt, harpg, normalized-harpg, storm, momentum, normalized, vanilla or natural"""
    rate: float = 0.3
    """size of the first step: its length in parameter space for igt, normalized-harpg, storm, momentum and normalized"""
    baseline: str = "others"
    """what is subtracted from returns: others (the mean over the other episodes of the batch) or none"""
    discount: float = 0.99
    """worth of a reward one step later"""
    workers: int = 0
    """processes that play games in Python; 0: all in this process"""
    timeout: float = 60.0
    """seconds within which those processes have to answer a step, before the game counts as hung"""


class Learning(eqx.Module):
    """How far the optimizer is, and the part of the team that it leaves alone."""

    progress: Progress
    rest: PyTree


def build(s: Settings) -> Method:
    game = games.make(s.game)
    seats = (population.shared if s.share else population.separate)(game.spec.agents)

    def make_team(key: PRNGKeyArray) -> Team:
        team = seated(game.spec, key, seats, views.local, width=s.width, depth=s.depth)
        nobody = Population(Silent(jnp.zeros((1, 0))))  # nothing here needs a critic
        return dataclasses.replace(team, critics=nobody, critic_seats=population.shared(game.spec.agents))

    if s.longest > game.spec.horizon or s.longest < 0:
        raise InputError(
            f"longest is {s.longest}, episodes of the game have {game.spec.horizon} steps: give 0 or fewer"
        )
    make = chosen(OPTIMIZERS, "optimizer", s.optimizer)
    baseline = chosen(BASELINES, "baseline", s.baseline)
    make_optimizer = lambda rest: make(policy_gradient.of_teams(rest, s.discount, baseline), s.rate)
    length = s.longest or game.spec.horizon
    gather = gathering.steps(game, s.batch, length, workers=s.workers, timeout=s.timeout)
    return querying(game, make_team, gather=gather, make_optimizer=make_optimizer)


def querying(game: AnyGame, make_team: Any, *, gather: Any, make_optimizer: Any) -> Method:
    """Play whole episodes at the points an optimizer asks for, then move: the step of all optimizers that ask.

    `make_optimizer(rest)` makes an `Optimizer` of a team's real-valued parameters, `rest` being what else it consists of.
    """
    queries = len(make_optimizer(None).roles)

    def init(key: PRNGKeyArray) -> Learning:
        parameters, rest = eqx.partition(make_team(key), eqx.is_inexact_array)
        return Learning(make_optimizer(rest).init(parameters), rest)

    @eqx.filter_jit
    def asked(state: Learning, key: PRNGKeyArray):
        points = make_optimizer(state.rest).query_points(state.progress, key)
        return [parameters for parameters, _ in points]

    @eqx.filter_jit
    def learned(state: Learning, samples: Sequence[Sample], key: PRNGKeyArray):
        optimizer = make_optimizer(state.rest)
        _, progress = optimizer.update(state.progress, samples, key)
        return Learning(progress, state.rest), measured(state.progress, progress, samples, optimizer)

    @eqx.filter_jit
    def compiled(parameters, rest, key: PRNGKeyArray) -> Trajectory:
        return played(gather, eqx.combine(parameters, rest), key)

    def step(state: Learning, key: PRNGKeyArray) -> tuple[Learning, Metrics]:
        query_key, learn_key, *keys = jax.random.split(key, 2 + queries)
        points = asked(state, query_key)
        rolled = (
            compiled
            if gather.compiled
            else lambda parameters, rest, key: played(gather, eqx.combine(parameters, rest), key)
        )
        samples = [Sample(at, rolled(at, state.rest, key)) for at, key in zip(points, keys, strict=True)]
        return learned(state, samples, learn_key)

    team = lambda state: eqx.combine(state.progress.parameters, state.rest)
    return Method(init, step, team, Budget(steps=queries * gather.cost, updates=1), game, gather.compiled)


def played(gather: Any, team: Team, key: PRNGKeyArray) -> Trajectory:
    """Fresh episodes of `team`: what it learned to do since does not belong in them."""
    start, key = jax.random.split(key)
    return gather(team, gather.init(team, start), key)[1]


def measured(before: Progress, after: Progress, samples: Sequence[Sample], optimizer: Optimizer) -> Metrics:
    """What to log of one step; returns are those of the points that gradients were taken at."""
    gradients = (sample.record for sample, role in zip(samples, optimizer.roles, strict=True) if role == GRADIENT)
    moved = jax.tree.map(jnp.subtract, after.parameters, before.parameters)
    ahead = jax.tree.map(jnp.subtract, samples[0].parameters, before.parameters)
    return {
        **summary(ended(next(gradients))),
        "direction_norm": optax.tree.norm(after.direction),
        "step_length": optax.tree.norm(moved),
        "reach": optax.tree.norm(ahead),
    }


def ended(trajectory: Trajectory) -> Finished:
    """The first episodes of a record that came to an end, each game's only one that counts."""
    end = trajectory.terminated | trajectory.truncated
    first, over = policy_gradient.first_episodes(end), end.any(0)
    reward = trajectory.reward.sum(tuple(range(3, trajectory.reward.ndim)))
    counted = (first & over).astype(reward.dtype)
    total = (reward * counted[..., None]).sum((0, 1))
    return Finished(total, over.sum().astype(jnp.float32), counted.sum())
