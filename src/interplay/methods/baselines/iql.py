"""IQL: independent Q learning, every agent a DQN of its own that takes the others for a part of the world.

With `share` the agents use one network that is told who they are, otherwise each learns its own; with `memory` networks
are recurrent and learn from whole episodes. Law: with `share` off it is `dqn`.

Source: Tan, "Multi-agent reinforcement learning: independent vs. cooperative agents" (1993); Tampuu et al. (2017).
"""

import dataclasses

from interplay.core.method import Method
from interplay.methods.baselines import dqn


@dataclasses.dataclass(frozen=True)
class Settings(dqn.Settings):
    """DQN's settings, one network for all agents."""

    share: bool = True
    """one network for all agents (True) or one each (False)"""


def build(s: Settings) -> Method:
    return dqn.build(s)
