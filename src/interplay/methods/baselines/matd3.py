"""MATD3: MADDPG that believes the smaller of two critics, moves its actors more seldom and smooths its targets.

Critics that judge actions nobody took promise too much, and actors go where the promise is largest: two critics and slower
actors take the promise away. Law: with one critic, no delay and no smoothing it is `maddpg`.

Source: Ackermann et al., "Reducing overestimation bias in multi-agent domains using double centralized critics" (2019);
Fujimoto et al., "Addressing function approximation error in actor-critic methods" (2018).
"""

import dataclasses

from interplay.core.errors import at_least
from interplay.core.method import Method
from interplay.methods.baselines import maddpg


@dataclasses.dataclass(frozen=True)
class Settings(maddpg.Settings):
    """MADDPG's settings and those of the three changes."""

    critics: int = 2
    """values per agent, of which targets take the smallest"""
    every: int = 2
    """gradient steps of the critics for one of the actors and of the target"""
    smoothing: float = 0.2
    """size of the noise on target actions, in boxes from −1 to 1"""
    limit: float = 0.5
    """that noise is cut here"""


def build(s: Settings) -> Method:
    at_least("matd3", critics=(s.critics, 1), every=(s.every, 1))
    return maddpg.learning(s, critics=s.critics, every=s.every, smoothing=s.smoothing, limit=s.limit)
