"""GRPO: a rollout's reward is compared with those of the other attempts at the same task, and all its turns get the same.

With R^i the reward of rollout i of a group, each rollout counting once however many turns it has,

    A^i = (R^i − mean R) / (std R + ε)

For a team it is what Dr. MAS is compared with: one baseline for all agents.

Source: Shao et al., "DeepSeekMath: Pushing the Limits of Mathematical Reasoning in Open Language Models" (2024), section 4.1.
"""

import dataclasses

from interplay.core.method import Method
from interplay.credit import groups
from interplay.methods.language import LanguageSettings, taught
from interplay.objectives.tokens import PolicyLoss, dual, token, token_total


@dataclasses.dataclass(frozen=True)
class Settings(LanguageSettings):
    """GRPO's settings."""

    clip: float = 0.2
    """how far probability ratios may move before they are clipped"""
    dual_clip: float = 3.0
    """most by which a bad token that became likely counts"""


def build(s: Settings) -> Method:
    credit = lambda turns: groups.standardize(turns.reward, (turns.task,), groups.by_episode(turns.episode))
    loss = PolicyLoss(ratio=token, clip=dual(s.clip, s.clip, s.dual_clip), average=token_total)
    return taught(s, credit, loss)
