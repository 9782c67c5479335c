"""MAPPO with memory: a recurrent cell in every actor and critic, learned from whole sequences.

Minibatches are made of whole sequences of `length` steps, so `minibatches` has to divide `batch`.
Law: with `memory` = 0 it is MAPPO.
"""

import dataclasses

from interplay.core.method import Method
from interplay.methods.baselines import mappo


@dataclasses.dataclass(frozen=True)
class Settings(mappo.Settings):
    """MAPPO's settings, with memory."""

    memory: int = 128
    """units of the recurrent cell; 0: no memory"""


def build(s: Settings) -> Method:
    return mappo.build(s)
