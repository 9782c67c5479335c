"""RLOO: a rollout's reward minus the mean of the other attempts at the same task, in a plain policy gradient.

    A^i = R^i − (1 / (n − 1)) Σ_{j ≠ i} R^j

Source: Ahmadian et al., "Back to Basics: Revisiting REINFORCE Style Optimization for Learning from Human Feedback in LLMs"
(2024); Kool et al., "Buy 4 REINFORCE samples, get a baseline for free!" (2019).
"""

import dataclasses

from interplay.core.method import Method
from interplay.credit import groups
from interplay.methods.language import LanguageSettings, taught
from interplay.objectives.tokens import PolicyLoss, no_ratio, token_total, unclipped


@dataclasses.dataclass(frozen=True)
class Settings(LanguageSettings):
    """RLOO's settings."""


def build(s: Settings) -> Method:
    credit = lambda turns: groups.standardize(
        turns.reward,
        (turns.task,),
        groups.by_episode(turns.episode),
        center=groups.leave_one_out,
        scale=groups.no_scale,
        singleton=groups.zero,
        epsilon=0.0,
    )
    return taught(s, credit, PolicyLoss(ratio=no_ratio, clip=unclipped, average=token_total))
