"""Plain policy gradient: one step along E[(G − V) · ∇ log π] per batch of play.

G is the discounted return of what followed, V a learned baseline. Every stronger on-policy method starts here.

Source: Williams, "Simple statistical gradient-following algorithms for connectionist reinforcement learning" (1992).
"""

import dataclasses

from interplay import games
from interplay.core import population
from interplay.core.method import Method
from interplay.credit import returns
from interplay.methods.wiring import on_policy
from interplay.nets import views
from interplay.nets.seated import seated
from interplay.objectives import gradient, value
from interplay.play import gathering
from interplay.update.gradient import adam, epochs, linear_to_zero


@dataclasses.dataclass(frozen=True)
class Settings:
    """REINFORCE's settings."""

    game: str = "spread"
    """game to play, as in `interplay list games`"""
    steps: int = 1_000_000
    """environment steps to train for; the learning rate falls to zero over them"""
    batch: int = 64
    """games played side by side"""
    length: int = 32
    """steps gathered from each game per update"""
    share: bool = True
    """one network for all agents (True) or one each (False)"""
    width: int = 64
    """units per hidden layer"""
    depth: int = 2
    """hidden layers"""
    memory: int = 0
    """units of the recurrent cell; 0: no memory"""
    rate: float = 2e-3
    """Adam's learning rate at the start"""
    max_norm: float = 0.5
    """gradients are clipped to this global norm"""
    discount: float = 0.97
    """worth of a reward one step later"""
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


def build(s: Settings, view=views.local) -> Method:
    game = games.make(s.game)
    seats = (population.shared if s.share else population.separate)(game.spec.agents)
    make_team = lambda key: seated(
        game.spec, key, seats, view, decay=s.scale_decay, width=s.width, depth=s.depth, memory=s.memory
    )
    loss = gradient.plain() + s.value_weight * value.squared() - s.entropy_weight * gradient.entropy()
    updates = max(1, s.steps // (s.batch * s.length))
    return on_policy(
        game,
        make_team,
        gather=gathering.steps(game, s.batch, s.length, workers=s.workers, timeout=s.timeout),
        credit=returns.baselined(returns.discounted(s.discount)),
        learner=epochs(loss, adam(linear_to_zero(s.rate, updates), s.max_norm), passes=1, minibatches=1),
    )
