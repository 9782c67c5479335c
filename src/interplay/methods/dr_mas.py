"""Dr. MAS: a team of language models learns from one shared outcome, each agent's turns compared with its own only.

Agents are called a different number of times and in different situations, so the mean and deviation of whole rollouts are
the wrong baseline for each of them, and gradients of agents that are called seldom are inflated. With R the reward of a
rollout, and the turns of agent k in all attempts at one task as a group Y_k,

    A = (R − μ_k) / (σ_k + ε),    μ_k, σ_k over Y_k, every turn counting once

Two things differ from GRPO, who is compared with whom and what counts once; they are settings of their own here, and so is
the group that the deviation is taken over.

Source: Feng et al., "Dr. MAS: Stable Reinforcement Learning for Multi-Agent LLM Systems" (2026), eq. 7 to 9.
"""

import dataclasses

from interplay.core.method import Method
from interplay.core.names import chosen
from interplay.credit import groups
from interplay.methods.language import LanguageSettings, taught
from interplay.objectives.tokens import PolicyLoss, dual, token, token_total

GROUPS = {"agent": lambda turns: (turns.task, turns.agent), "task": lambda turns: (turns.task,)}
COUNTS = {
    "turn": lambda turns: groups.by_turn(turns.reward),
    "episode": lambda turns: groups.by_episode(turns.episode),
}
SINGLETONS = {"raw": groups.raw, "zero": groups.zero}


@dataclasses.dataclass(frozen=True)
class Settings(LanguageSettings):
    """Dr. MAS's settings."""

    clip: float = 0.2
    """how far probability ratios may move before they are clipped"""
    dual_clip: float = 3.0
    """most by which a bad token that became likely counts"""
    mean_of: str = "agent"
    """whose mean reward is subtracted: agent (its own turns of the task) or task (all turns of the task)"""
    deviation_of: str = "agent"
    """whose deviation it is divided by: agent or task"""
    count: str = "turn"
    """what counts once in both: turn or episode"""
    singleton: str = "raw"
    """credit of a turn that is alone in its group: raw (its reward, as published) or zero"""


def build(s: Settings) -> Method:
    among, spread = chosen(GROUPS, "mean_of", s.mean_of), chosen(GROUPS, "deviation_of", s.deviation_of)
    count, alone = chosen(COUNTS, "count", s.count), chosen(SINGLETONS, "singleton", s.singleton)

    def credit(turns):
        own, wide = (groups.statistics(turns.reward, group(turns), count(turns)) for group in (among, spread))
        return groups.relative(own, wide, center=groups.mean, scale=groups.sample, singleton=alone)

    loss = PolicyLoss(ratio=token, clip=dual(s.clip, s.clip, s.dual_clip), average=token_total)
    return taught(s, credit, loss)
