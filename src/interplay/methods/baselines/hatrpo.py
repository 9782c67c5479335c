"""HATRPO: agents learn one after another, each by one natural-gradient step inside a trust region.

The step of agent i_m raises E[ratio · M · A], with M as in HAPPO, as far as the mean KL divergence of its own policy
allows; a line search takes back steps that do not improve it. Law: the measured divergence never exceeds `kl_limit`.

Source: Kuba et al., "Trust region policy optimisation in multi-agent reinforcement learning" (2022), algorithm 3.
"""

import dataclasses
from typing import Any

from interplay import games
from interplay.core import population
from interplay.core.method import Method
from interplay.credit import returns
from interplay.methods.baselines.happo import joint
from interplay.methods.wiring import on_policy
from interplay.nets import views
from interplay.nets.seated import seated
from interplay.objectives import trust, value
from interplay.play import gathering
from interplay.update.gradient import adam, epochs, linear_to_zero, only
from interplay.update.sequential import sequential, trust_region


@dataclasses.dataclass(frozen=True)
class Settings:
    """HATRPO's settings."""

    game: str = "spread"
    """game to play, as in `interplay list games`"""
    steps: int = 1_000_000
    """environment steps to train for; the critic's learning rate falls to zero over them"""
    batch: int = 64
    """games played side by side"""
    length: int = 64
    """steps gathered from each game per update"""
    width: int = 64
    """units per hidden layer"""
    depth: int = 2
    """hidden layers"""
    kl_limit: float = 0.02
    """largest mean KL divergence of one agent's step, in nats"""
    damping: float = 0.1
    """added to the diagonal of the Fisher information"""
    iterations: int = 10
    """steps of conjugate gradients"""
    tries: int = 10
    """step lengths that the line search looks at"""
    shrink: float = 0.8
    """each of them is this share of the one before"""
    accept: float = 0.5
    """share of the improvement expected to first order that has to come true"""
    rate: float = 2e-3
    """Adam's learning rate for the critic at the start"""
    max_norm: float = 0.5
    """gradients of the critic are clipped to this global norm"""
    passes: int = 8
    """times the critic learns from each batch"""
    minibatches: int = 4
    """parts a batch is split into for the critic, each one optimizer step"""
    clip: float = 0.2
    """how far the critic may move per batch, on its own scale"""
    discount: float = 0.97
    """worth of a reward one step later"""
    trace: float = 0.95
    """lambda of generalized advantage estimation"""
    scale_decay: float = 0.99
    """memory of the running scale of values; 1: values are not scaled"""
    workers: int = 0
    """processes that play games in Python; 0: all in this process"""
    timeout: float = 60.0
    """seconds within which those processes have to answer a step, before the game counts as hung"""


def build(s: Settings, view=views.central) -> Method:
    game = games.make(s.game)
    seats, judge = population.separate(game.spec.agents), population.shared(game.spec.agents)
    shape: dict[str, Any] = {"width": s.width, "depth": s.depth}
    make_team = lambda key: seated(game.spec, key, seats, view, critic_seats=judge, decay=s.scale_decay, **shape)
    updates = max(1, s.steps // (s.batch * s.length)) * s.passes * s.minibatches
    optimizer = adam(linear_to_zero(s.rate, updates), s.max_norm)
    critics = only(lambda team: team.critics)
    region = trust.Region(s.kl_limit, s.damping, s.iterations, s.tries, s.shrink, s.accept)
    return on_policy(
        game,
        make_team,
        gather=gathering.steps(game, s.batch, s.length, workers=s.workers, timeout=s.timeout),
        credit=returns.standardized(joint(returns.gae(s.discount, s.trace))),
        learner=sequential(
            trust_region(trust.surrogate(), region),
            epochs(value.clipped(s.clip), optimizer, s.passes, s.minibatches, learned=critics),
        ),
    )
