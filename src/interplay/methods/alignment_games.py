"""Advantage Alignment on array games: agents with tables or networks that can be good or bad to each other.

The credit is that of `methods.advantage_alignment`, A*_t = A_t + β · w_t · B_t, on returns to go over the mean of the other
games played at the same time. With tables over the last joint choice (`games.iterated`) it is the smallest setting in which
naive learning ends in mutual defection and alignment does not.

Source: as for `methods.advantage_alignment`.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import optax
from jaxtyping import PRNGKeyArray

from interplay import games
from interplay.core import population
from interplay.core.errors import InputError
from interplay.core.game import Discrete
from interplay.core.method import Method
from interplay.core.names import chosen
from interplay.core.team import Team
from interplay.credit import opponents, returns
from interplay.credit.returns import Estimator
from interplay.methods.wiring import on_policy
from interplay.nets import views
from interplay.nets.reactive import reactive
from interplay.nets.seated import seated
from interplay.objectives import gradient
from interplay.play import gathering
from interplay.update.gradient import adam, once

PASTS = {"before": opponents.before, "up-to": opponents.up_to}
SHAPES = {"as-it-is": opponents.as_it_is, "sign": opponents.sign}
BASELINES = {"others": returns.over_others, "none": lambda estimate: estimate}
REWARDS = {"own": lambda estimate: estimate, "sum": returns.together}


@dataclasses.dataclass(frozen=True)
class Settings:
    """Settings of Advantage Alignment on array games; the defaults are those of the iterated prisoner's dilemma."""

    game: str = "iterated-prisoners-dilemma"
    """game to play, as in `interplay list games`"""
    steps: int = 2_560_000
    """environment steps to train for"""
    batch: int = 128
    """games played side by side, compared with each other"""
    share: bool = True
    """one policy for both seats (True) or one each (False)"""
    policy: str = "table"
    """table (a logit for each thing that can be seen, gradient descent) or network (Adam)"""
    width: int = 32
    """units per hidden layer of a network"""
    rate: float = 3.0
    """step size of tables, along the mean gradient of a round of one agent"""
    network_rate: float = 2e-3
    """Adam's step size for networks"""
    first_logit: float = 1.0
    """a table's logit of action 0 at the start, log-odds of cooperation in a dilemma"""
    entropy_weight: float = 0.01
    """weight of the entropy bonus"""
    alignment: float = 0.5
    """β, what the other's advantage weighs; 0: plain policy gradients. Halved rewards need a doubled β"""
    discount: float = 0.9
    """worth of a reward one round later"""
    alignment_discount: float = 0.9
    """weight of an advantage one round earlier in w"""
    reward_scale: float = 5.0
    """rewards are divided by this before anything else"""
    rewards: str = "own"
    """own, or sum: everybody is rewarded for the sum of all rewards"""
    baseline: str = "others"
    """what is subtracted from returns: others (the mean over the other games at the same time) or none"""
    past: str = "before"
    """which advantages w adds up: before (earlier steps) or up-to (the present one too)"""
    shape: str = "as-it-is"
    """what is made of w: as-it-is or sign"""


class Kind(NamedTuple):
    """A kind of policy: how a team of it is made, and what it learns by."""

    team: Callable[[Any, Settings, tuple[int, ...], PRNGKeyArray], Team]
    optimizer: Callable[[Settings], optax.GradientTransformation]


def _tables(spec: Any, s: Settings, seats: tuple[int, ...], key: PRNGKeyArray) -> Team:
    return reactive(spec.observation, spec.action.width, seats, s.first_logit)


def _networks(spec: Any, s: Settings, seats: tuple[int, ...], key: PRNGKeyArray) -> Team:
    return seated(spec, key, seats, views.local, width=s.width, depth=2)


KINDS = {
    "table": Kind(_tables, lambda s: optax.sgd(s.rate)),
    "network": Kind(_networks, lambda s: adam(s.network_rate, 1.0)),
}


def build(s: Settings, **choices: Any) -> Method:
    """The method; `choices` go to `credit.opponents.aligned` and replace what the settings say."""
    game = games.make(s.game)
    if not isinstance(game.spec.action, Discrete) or game.spec.agents < 2:
        raise InputError(f"'{s.game}' is no game of choices for two or more: alignment needs others to align with")
    seats = (population.shared if s.share else population.separate)(game.spec.agents)
    kind = chosen(KINDS, "policy", s.policy)
    return on_policy(
        game,
        lambda key: kind.team(game.spec, s, seats, key),
        gather=gathering.steps(game, s.batch, game.spec.horizon),
        credit=credit(s, **choices),
        learner=once(gradient.plain() - s.entropy_weight * gradient.entropy(), kind.optimizer(s)),
    )


def credit(s: Settings, **choices: Any) -> Estimator:
    """Returns to go in units of `reward_scale`, over the mean of the other games, aligned."""
    baseline, reward = chosen(BASELINES, "baseline", s.baseline), chosen(REWARDS, "rewards", s.rewards)
    taken = {"past": chosen(PASTS, "past", s.past), "shape": chosen(SHAPES, "shape", s.shape), **choices}
    estimate = baseline(reward(returns.scaled(returns.discounted(s.discount), 1 / s.reward_scale)))
    return opponents.aligned(estimate, weight=s.alignment, discount=s.alignment_discount, **taken)
