"""IQ-Learn: inverse soft-Q learning, every agent taking the others for a part of the world.

All agents step at once from the same batches. Law: with one agent `mamql` is this.

Source: Garg et al., "IQ-Learn: inverse soft-Q learning for imitation" (2021).
"""

import dataclasses

from interplay.core.method import Method
from interplay.methods import imitation, mamql
from interplay.play.demonstrations import Demonstrations


@dataclasses.dataclass(frozen=True)
class Settings(mamql.Settings):
    """MAMQL's settings."""


def build(s: Settings, shown: Demonstrations | None = None) -> Method:
    return mamql.build(s, shown, turns=imitation.at_once)
