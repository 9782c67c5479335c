"""MAPPO: IPPO whose critics see the whole state.

Source: Yu et al., "The Surprising Effectiveness of PPO in Cooperative Multi-Agent Games" (2022). Law: with the critic's
shared input removed it is IPPO.
"""

import dataclasses

from interplay.core.method import Method
from interplay.methods.baselines import ippo
from interplay.nets import views


@dataclasses.dataclass(frozen=True)
class Settings(ippo.Settings):
    """MAPPO's settings: those of IPPO, because nothing but the critic's view differs."""


def build(s: Settings, view=views.central) -> Method:
    return ippo.build(s, view)
