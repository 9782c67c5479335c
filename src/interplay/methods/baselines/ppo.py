"""Token PPO of language teams: a ratio and an advantage for each token, a critic, several passes over the same dialogues.

    −mean over sequences of the mean over own tokens of min(ρ A, clip(ρ, 1 − ε, 1 + ε) A),   ρ = π(y) / π_old(y)

Source: Schulman et al., "Proximal policy optimization algorithms" (2017); Ouyang et al., "Training language models to follow
instructions with human feedback" (2022).
"""

import dataclasses

from interplay.core.method import Method
from interplay.methods import st_ppo


@dataclasses.dataclass(frozen=True)
class Settings(st_ppo.Settings):
    """PPO's settings."""

    ratio: str = "token"
    """what one probability ratio is of: token, turn or sequence"""
    factor: str = "one"
    """what scales steps: one (nothing), bias (‖C‖), shuffled or average"""


def build(s: Settings) -> Method:
    return st_ppo.build(s)
