"""QMIX: the team's value is a monotone function of its agents' values, whose weights a network makes from the state.

Since it rises in every agent's value, each agent's best action is part of the team's best one. The state is the game's
shared one, or all observations where it has none. Law: with a mixer that sums it is `vdn`.

Source: Rashid et al., "Monotonic value function factorisation for deep multi-agent reinforcement learning" (2020).
"""

import dataclasses

from interplay.core.method import Method
from interplay.methods.baselines import dqn, iql
from interplay.nets import mixing


@dataclasses.dataclass(frozen=True)
class Settings(iql.Settings):
    """IQL's settings and the mixer's."""

    rate: float = 5e-4
    """Adam's learning rate"""
    discount: float = 0.95
    """worth of a reward one step later; near 1, a mixer that can bend learns to promise too much"""
    mixed: int = 32
    """units in which the agents' values are mixed"""
    hyper: int = 64
    """units per hidden layer of the networks that make the mixer's weights"""


def build(s: Settings, mixer: mixing.Making | None = None) -> Method:
    return dqn.build(s, mixer or mixing.monotone(width=s.mixed, hidden=s.hyper))
