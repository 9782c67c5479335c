"""MAPPO: IPPO whose critics see the whole state, on a running scale of values.

Source: Yu et al., "The Surprising Effectiveness of PPO in Cooperative Multi-Agent Games" (2022). Law: with the critic's
shared input removed it is IPPO.
"""

import dataclasses

from interplay.core.method import Method
from interplay.methods.baselines import ippo
from interplay.nets import views


@dataclasses.dataclass(frozen=True)
class Settings(ippo.Settings):
    """MAPPO's settings: IPPO's, with scaled values."""

    scale_decay: float = 0.99
    """memory of the running scale of values; 1: values are not scaled"""


def build(s: Settings, view=views.central) -> Method:
    return ippo.build(s, view)
