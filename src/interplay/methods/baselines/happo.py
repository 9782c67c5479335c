"""HAPPO: agents learn one after another, each clipped like PPO and weighed by how the agents before it have changed.

Every agent has an actor of its own; one critic sees the whole state. Law: with one agent it is PPO.

Source: Kuba et al., "Trust region policy optimisation in multi-agent reinforcement learning" (2022), algorithm 4.
"""

import dataclasses
from typing import Any

import jax.numpy as jnp

from interplay import games
from interplay.core import population
from interplay.core.method import Method
from interplay.core.trajectory import Credit, Trajectory
from interplay.credit import returns
from interplay.methods.wiring import on_policy
from interplay.nets import views
from interplay.nets.seated import seated
from interplay.objectives import gradient, value
from interplay.play import gathering
from interplay.update.gradient import adam, epochs, linear_to_zero, only
from interplay.update.sequential import sequential


@dataclasses.dataclass(frozen=True)
class Settings:
    """HAPPO's settings; those it shares with IPPO have the same defaults."""

    game: str = "spread"
    """game to play, as in `interplay list games`"""
    steps: int = 1_000_000
    """environment steps to train for; the learning rates fall to zero over them"""
    batch: int = 64
    """games played side by side"""
    length: int = 32
    """steps gathered from each game per update"""
    width: int = 64
    """units per hidden layer"""
    depth: int = 2
    """hidden layers"""
    memory: int = 0
    """units of the recurrent cell; 0: no memory"""
    rate: float = 2e-3
    """Adam's learning rate at the start, for actors and critic"""
    max_norm: float = 0.5
    """gradients of an actor or of the critic are clipped to this global norm"""
    passes: int = 8
    """times each batch is learned from, by every agent in its turn and by the critic"""
    minibatches: int = 4
    """parts a batch is split into, each one optimizer step"""
    clip: float = 0.2
    """how far an agent's probability ratio may leave 1 before its gradient stops"""
    discount: float = 0.97
    """worth of a reward one step later"""
    trace: float = 0.95
    """lambda of generalized advantage estimation"""
    value_weight: float = 0.5
    """weight of the critic's loss"""
    entropy_weight: float = 0.01
    """weight of the entropy bonus"""
    scale_decay: float = 0.99
    """memory of the running scale of values; 1: values are not scaled"""
    workers: int = 0
    """processes that play games in Python; 0: all in this process"""
    timeout: float = 60.0
    """seconds within which those processes have to answer a step, before the game counts as hung"""


def build(s: Settings, view=views.central) -> Method:
    game = games.make(s.game)
    seats, judge = population.separate(game.spec.agents), population.shared(game.spec.agents)
    shape: dict[str, Any] = {"width": s.width, "depth": s.depth, "memory": s.memory}
    make_team = lambda key: seated(game.spec, key, seats, view, critic_seats=judge, decay=s.scale_decay, **shape)
    updates = max(1, s.steps // (s.batch * s.length)) * s.passes * s.minibatches
    learn = lambda loss, **part: epochs(
        loss, adam(linear_to_zero(s.rate, updates), s.max_norm), s.passes, s.minibatches, **part
    )
    acting = gradient.clipped(s.clip) - s.entropy_weight * gradient.entropy()
    judging = s.value_weight * value.clipped(s.clip)
    return on_policy(
        game,
        make_team,
        gather=gathering.steps(game, s.batch, s.length, workers=s.workers, timeout=s.timeout),
        credit=returns.standardized(joint(returns.gae(s.discount, s.trace))),
        learner=sequential(learn(acting), learn(judging, learned=only(lambda team: team.critics))),
    )


def joint(estimate: returns.Estimator) -> returns.Estimator:
    """The advantage of the joint action: the mean over the agents that acted, the same for all of them."""

    def together(trajectory: Trajectory) -> Credit:
        credit = estimate(trajectory)
        count = jnp.maximum(credit.weight.sum(-1, keepdims=True), 1.0)
        mean = (credit.weight * credit.advantage).sum(-1, keepdims=True) / count
        return dataclasses.replace(credit, advantage=jnp.broadcast_to(mean, credit.advantage.shape))

    return together
