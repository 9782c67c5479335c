"""DQN: every agent learns what its own actions are worth from its own reward, and mostly takes the best one.

Steps of play are kept in a replay and learned from again and again; targets come from a copy of the network that follows
slowly. Without memory a draw is one transition (or `n_step` of them), with memory it is a whole episode. By default
every agent has a network of its own; `iql` is the same with one for all.

Laws: `n_step` = 1 is the temporal difference; `priority` = 0 is uniform replay; VDN with one agent is DQN.

Source: Mnih et al., "Human-level control through deep reinforcement learning" (2015); double Q: van Hasselt et al. (2016).
"""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

from jaxtyping import PRNGKeyArray

from interplay import games
from interplay.core import population
from interplay.core.errors import ONE_REWARD, InputError
from interplay.core.game import AnyGame, Spec
from interplay.core.method import Method
from interplay.credit import returns
from interplay.methods.wiring import off_policy
from interplay.nets import exploring, mixing, views
from interplay.nets.valued import Valued, valued
from interplay.objectives import value
from interplay.play import gathering, ring
from interplay.update import target
from interplay.update.gradient import Learner, adam, once


@dataclasses.dataclass(frozen=True)
class Settings:
    """DQN's settings."""

    game: str = "spread"
    """game to play, as in `interplay list games`"""
    steps: int = 300_000
    """environment steps to train for"""
    batch: int = 8
    """games played side by side"""
    length: int = 16
    """steps gathered from each game between two rounds of learning"""
    updates: int = 4
    """gradient steps in a round of learning"""
    sampled: int = 128
    """draws from the replay for one gradient step: transitions without memory, whole episodes with it"""
    capacity: int = 100_000
    """environment steps that the replay keeps"""
    warmup: int = 2_000
    """environment steps before learning begins"""
    priority: float = 0.0
    """exponent of prioritized replay; 0: every draw is equally likely"""
    correction: float = 0.4
    """exponent of the importance weights of prioritized replay"""
    n_step: int = 1
    """rewards summed before values take over"""
    double: bool = True
    """select the next action by the values that are learned (True) or by the target's (False)"""
    share: bool = False
    """one network for all agents (True) or one each (False)"""
    width: int = 64
    """units per hidden layer"""
    depth: int = 2
    """hidden layers"""
    memory: int = 0
    """units of the recurrent cell; 0: no memory"""
    rate: float = 1e-3
    """Adam's learning rate"""
    max_norm: float = 10.0
    """gradients are clipped to this global norm"""
    discount: float = 0.97
    """worth of a reward one step later"""
    follow: float = 0.01
    """share of the way to the team that its target goes at every gradient step"""
    epsilon: float = 0.05
    """chance of a random action in the end; it is 1 at first"""
    epsilon_steps: int = 50_000
    """environment steps over which that chance falls"""
    workers: int = 0
    """processes that play games in Python; 0: all in this process"""
    timeout: float = 60.0
    """seconds within which those processes have to answer a step, before the game counts as hung"""


class Values(NamedTuple):
    """All that makes a learner of values, but for the play that it learns from: `off_policy` and MANSA put it to work."""

    make: Callable[[PRNGKeyArray], Valued]
    credit: Callable[..., Any]
    learner: Learner
    follow: target.Follow


def values(s: Settings, spec: Spec, mixer: mixing.Making = mixing.apart, **how: Any) -> Values:
    """The learner of these settings in a game like `spec`; `how` goes to `nets.valued.valued`."""
    seats = (population.shared if s.share else population.separate)(spec.agents)
    explore = exploring.epsilon_greedy(exploring.linear(1.0, s.epsilon, s.epsilon_steps))
    shape = {"width": s.width, "depth": s.depth, "memory": s.memory, "view": views.named, **how}
    return Values(
        make=lambda key: valued(spec, key, seats, mixer, explore, **shape),
        credit=returns.bellman(s.discount, returns.n_step(s.n_step), returns.double if s.double else returns.single),
        learner=once(value.temporal_difference(), adam(s.rate, s.max_norm)),
        follow=target.polyak(s.follow),
    )


def build(s: Settings, mixer: mixing.Making = mixing.apart) -> Method:
    return playing(games.make(s.game), s, mixer)


def playing(game: AnyGame, s: Settings, mixer: mixing.Making = mixing.apart) -> Method:
    """The method for a game that is there already. Raises `InputError` for games of several objectives."""
    if game.spec.objectives:
        raise InputError(ONE_REWARD.format(objectives=game.spec.objectives))
    made = values(s, game.spec, mixer)
    return off_policy(
        game,
        made.make,
        gather=gathering.experience(game, s.batch, s.length, workers=s.workers, timeout=s.timeout),
        replay=replay(s, game.spec),
        credit=made.credit,
        learner=made.learner,
        follow=made.follow,
        updates=s.updates,
    )


def replay(s: Settings, spec: Spec) -> ring.Replay:
    """Whole episodes for networks with memory, windows of `n_step` steps for others."""
    room = ring.Room(s.capacity, s.batch, s.length, s.sampled, s.warmup)
    weighed = {"alpha": s.priority, "beta": s.correction}
    if s.memory:
        return ring.episodes(room, spec.horizon, **weighed)
    return ring.prioritized(room, s.n_step, **weighed) if s.priority else ring.uniform(room, s.n_step)
