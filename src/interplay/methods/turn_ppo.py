"""Turn-PPO: ST-PPO's ratio for each turn, steps as PPO makes them.

Source: "ST-PPO: Stabilized Off-Policy PPO for Multi-Turn Agents Training" (2025), lemma 4.1.
"""

import dataclasses

from interplay.core.method import Method
from interplay.methods import st_ppo


@dataclasses.dataclass(frozen=True)
class Settings(st_ppo.Settings):
    """Turn-PPO's settings."""

    factor: str = "one"
    """what scales steps: one (nothing), bias (‖C‖), shuffled or average"""


def build(s: Settings) -> Method:
    return st_ppo.build(s)
