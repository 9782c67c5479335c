"""MADDPG: every agent climbs the slope of its own critic, which sees what everybody sees and does.

Actors act alone on what they see. Choices are made by Gumbel noise and learned through a softmax; real numbers get Gaussian
noise. Laws: with one critic, no delay and no smoothing `matd3` is this; with one agent it is DDPG.

Source: Lowe et al., "Multi-agent actor-critic for mixed cooperative-competitive environments" (2017).
"""

import dataclasses

import optax

from interplay import games
from interplay.core import population
from interplay.core.errors import ONE_REWARD, InputError
from interplay.core.method import Method
from interplay.credit import returns
from interplay.methods.baselines import dqn
from interplay.methods.wiring import off_policy
from interplay.nets import exploring
from interplay.nets.deterministic import deterministic
from interplay.objectives import deterministic as objectives
from interplay.play import gathering, ring
from interplay.update import target
from interplay.update.gradient import adam, groups, once


@dataclasses.dataclass(frozen=True)
class Settings:
    """MADDPG's settings."""

    game: str = "spread"
    """game to play, as in `interplay list games`"""
    steps: int = dqn.Settings.steps
    """environment steps to train for"""
    batch: int = 8
    """games played side by side"""
    length: int = 16
    """steps gathered from each game between two rounds of learning"""
    updates: int = 4
    """gradient steps in a round of learning"""
    sampled: int = 256
    """transitions drawn from the replay for one gradient step"""
    capacity: int = 100_000
    """environment steps that the replay keeps"""
    warmup: int = 2_000
    """environment steps before learning begins"""
    n_step: int = 1
    """rewards summed before values take over"""
    share: bool = False
    """one network for all agents (True) or one each (False)"""
    width: int = 64
    """units per hidden layer"""
    depth: int = 2
    """hidden layers"""
    rate: float = 1e-3
    """Adam's learning rate of critics"""
    actor_rate: float = 5e-4
    """Adam's learning rate of actors"""
    max_norm: float = 10.0
    """gradients are clipped to this norm, those of actors and of critics by themselves"""
    discount: float = 0.95
    """worth of a reward one step later"""
    follow: float = 0.01
    """share of the way to the team that its target goes at every gradient step"""
    penalty: float = 1e-3
    """weight of the actors' mean squared output in their loss"""
    noise: float = 0.1
    """size of the noise in the end: Gumbel's on logits, Gaussian where a box reaches from −1 to 1; it is 1 at first"""
    noise_steps: int = 50_000
    """environment steps over which noise falls"""
    softness: float = 1.0
    """temperature of the softmax that choices are learned through"""
    workers: int = 0
    """processes that play games in Python; 0: all in this process"""
    timeout: float = 60.0
    """seconds within which those processes have to answer a step, before the game counts as hung"""


def build(s: Settings) -> Method:
    return learning(s)


def learning(s: Settings, *, critics: int = 1, every: int = 1, smoothing: float = 0.0, limit: float = 0.5) -> Method:
    """MADDPG with `critics` for each agent, actors and targets that move at every `every`-th gradient step only, and target
    actions smoothed by noise of size `smoothing`, cut at `limit`. Raises `InputError` for games of several objectives.
    """
    game = games.make(s.game)
    if game.spec.objectives:
        raise InputError(ONE_REWARD.format(objectives=game.spec.objectives))
    seats = (population.shared if s.share else population.separate)(game.spec.agents)
    noise = exploring.linear(1.0, s.noise, s.noise_steps)
    shape = {"width": s.width, "depth": s.depth, "softness": s.softness}
    turn = lambda step, **_: step % every == every - 1
    optimizers = {
        "critics": adam(s.rate, s.max_norm),
        "actors": optax.conditionally_mask(adam(s.actor_rate, s.max_norm), turn),
    }
    return off_policy(
        game,
        lambda key: deterministic(
            game.spec, key, seats, noise, critics=critics, smoothing=smoothing, limit=limit, **shape
        ),
        gather=gathering.experience(game, s.batch, s.length, workers=s.workers, timeout=s.timeout),
        replay=ring.uniform(ring.Room(s.capacity, s.batch, s.length, s.sampled, s.warmup), s.n_step),
        credit=returns.judged(s.discount, returns.n_step(s.n_step)),
        learner=once(
            objectives.critics() + objectives.actors(s.penalty), groups(lambda path: path.split("/")[0], optimizers)
        ),
        follow=target.delayed(every, target.polyak(s.follow)),
        updates=s.updates,
    )
