"""S-PPO: token PPO whose steps are smaller where the clip throws much of the gradient away.

Source: "ST-PPO: Stabilized Off-Policy PPO for Multi-Turn Agents Training" (2025), lemma 4.2.
"""

import dataclasses

from interplay.core.method import Method
from interplay.methods import st_ppo


@dataclasses.dataclass(frozen=True)
class Settings(st_ppo.Settings):
    """S-PPO's settings."""

    ratio: str = "token"
    """what one probability ratio is of: token, turn or sequence"""


def build(s: Settings) -> Method:
    return st_ppo.build(s)
