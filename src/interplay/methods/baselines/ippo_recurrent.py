"""IPPO with memory: a recurrent cell in every actor and critic, learned from whole sequences.

Minibatches are made of whole sequences of `length` steps, so `minibatches` has to divide `batch`.
Law: with `memory` = 0 it is IPPO.
"""

import dataclasses

from interplay.core.method import Method
from interplay.methods.baselines import ippo


@dataclasses.dataclass(frozen=True)
class Settings(ippo.Settings):
    """IPPO's settings, with memory."""

    memory: int = 128
    """units of the recurrent cell; 0: no memory"""


def build(s: Settings) -> Method:
    return ippo.build(s)
