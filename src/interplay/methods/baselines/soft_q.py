"""Soft Q learning: every agent learns from its own reward what actions are worth to somebody who acts by exp(Q / T).

It is what `mamql` inverts: the same values and policies, learned forward from rewards. Law: for T → 0 targets are DQN's.

Source: Haarnoja et al., "Reinforcement learning with deep energy-based policies" (2017), for choices.
"""

import dataclasses

from interplay import games
from interplay.core import population
from interplay.core.method import Method
from interplay.credit import soft
from interplay.methods.baselines import dqn
from interplay.methods.wiring import off_policy
from interplay.nets import exploring, mixing, views
from interplay.nets.valued import valued
from interplay.objectives import value
from interplay.play import gathering, ring
from interplay.update import target
from interplay.update.gradient import adam, once


@dataclasses.dataclass(frozen=True)
class Settings:
    """Soft Q learning's settings."""

    game: str = "gems"
    """game to play, as in `interplay list games`"""
    steps: int = dqn.Settings.steps
    """environment steps to train for"""
    batch: int = 8
    """games played side by side"""
    length: int = 16
    """steps gathered from each game between two rounds of learning"""
    updates: int = 4
    """gradient steps in a round of learning"""
    sampled: int = 128
    """transitions drawn from the replay for one gradient step"""
    capacity: int = 100_000
    """environment steps that the replay keeps"""
    warmup: int = 2_000
    """environment steps before learning begins"""
    share: bool = False
    """one network for all agents (True) or one each (False)"""
    width: int = 64
    """units per hidden layer"""
    depth: int = 2
    """hidden layers"""
    rate: float = 1e-3
    """Adam's learning rate"""
    max_norm: float = 10.0
    """gradients are clipped to this global norm"""
    discount: float = 0.9
    """worth of a reward one step later"""
    follow: float = 0.01
    """share of the way to the team that its target goes at every gradient step"""
    temperature: float = 0.2
    """T of the policies exp(Q / T), in units of reward"""
    workers: int = 0
    """processes that play games in Python; 0: all in this process"""
    timeout: float = 60.0
    """seconds within which those processes have to answer a step, before the game counts as hung"""


def build(s: Settings) -> Method:
    game = games.make(s.game)
    seats = (population.shared if s.share else population.separate)(game.spec.agents)
    explore = exploring.boltzmann(exploring.linear(s.temperature, s.temperature, 0))
    view = views.named if s.share else views.local
    return off_policy(
        game,
        lambda key: valued(game.spec, key, seats, mixing.apart, explore, view=view, width=s.width, depth=s.depth),
        gather=gathering.experience(game, s.batch, s.length, workers=s.workers, timeout=s.timeout),
        replay=ring.uniform(ring.Room(s.capacity, s.batch, s.length, s.sampled, s.warmup)),
        credit=soft.soft_bellman(s.discount, s.temperature),
        learner=once(value.temporal_difference(), adam(s.rate, s.max_norm)),
        follow=target.polyak(s.follow),
        updates=s.updates,
    )
