"""QMIX with memory: a recurrent cell in every agent's network, learned from whole episodes drawn from the replay.

Law: with `memory` = 0 it is QMIX with these settings.

Source: Hausknecht and Stone, "Deep recurrent Q-learning for partially observable MDPs" (2015).
"""

import dataclasses

from interplay.core.method import Method
from interplay.methods.baselines import qmix


@dataclasses.dataclass(frozen=True)
class Settings(qmix.Settings):
    """QMIX's settings, with memory."""

    sampled: int = 32
    """draws from the replay for one gradient step: transitions without memory, whole episodes with it"""
    depth: int = 1
    """hidden layers"""
    memory: int = 64
    """units of the recurrent cell; 0: no memory"""


def build(s: Settings) -> Method:
    return qmix.build(s)
