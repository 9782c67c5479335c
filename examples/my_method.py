"""Joint PPO: the team is one actor, so the product of all its agents' probability ratios is clipped."""

import dataclasses

from interplay import games
from interplay.core import population
from interplay.core.method import Method
from interplay.credit import returns
from interplay.methods.baselines import mappo
from interplay.methods.wiring import on_policy
from interplay.nets import views
from interplay.nets.seated import seated
from interplay.objectives import gradient, value
from interplay.play import gathering
from interplay.update.gradient import adam, epochs, linear_to_zero


@dataclasses.dataclass(frozen=True)
class Settings(mappo.Settings):
    """MAPPO's settings."""


def build(s: Settings) -> Method:
    game = games.make(s.game)
    seats, shape = population.shared(game.spec.agents), {"width": s.width, "depth": s.depth, "decay": s.scale_decay}
    loss = gradient.clipped(s.clip, ratio=gradient.joint)
    loss = loss + s.value_weight * value.clipped(s.clip) - s.entropy_weight * gradient.entropy()
    rate = linear_to_zero(s.rate, max(1, s.steps // (s.batch * s.length)) * s.passes * s.minibatches)
    return on_policy(
        game,
        lambda key: seated(game.spec, key, seats, views.central, **shape),
        gather=gathering.steps(game, s.batch, s.length),
        credit=returns.standardized(returns.gae(s.discount, s.trace)),
        learner=epochs(loss, adam(rate, s.max_norm), s.passes, s.minibatches),
    )
