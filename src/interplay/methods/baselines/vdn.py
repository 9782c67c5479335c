"""VDN: the team's value is the sum of its agents' values, learned from the team's reward and acted on one by one.

The team's reward is the mean over agents, so that values are in the units of the return that is logged. Law: with one
agent it is `dqn`.

Source: Sunehag et al., "Value-decomposition networks for cooperative multi-agent learning" (2018).
"""

from interplay.core.method import Method
from interplay.methods.baselines import dqn, iql
from interplay.nets import mixing

Settings = iql.Settings


def build(s: Settings) -> Method:
    return dqn.build(s, mixing.summed)
