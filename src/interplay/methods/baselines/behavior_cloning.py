"""Behavior cloning: every agent learns what the demonstrators did where they were, and nothing else.

It plays only to show what it would earn; nothing is learned from that.

Source: Pomerleau, "ALVINN: an autonomous land vehicle in a neural network" (1989).
"""

import dataclasses

from interplay.core.method import Method
from interplay.methods import imitation
from interplay.objectives import inverse
from interplay.play.demonstrations import Demonstrations


@dataclasses.dataclass(frozen=True)
class Settings(imitation.Settings):
    """The settings of imitation; `discount` has no effect."""


def build(s: Settings, shown: Demonstrations | None = None) -> Method:
    def loss(values, parameters, expert, visited):
        value, told = inverse.cloning(values, expert, temperature=s.temperature)
        return value + inverse.decay(parameters, s.decay), told

    return imitation.imitation(s, loss, visited=imitation.on_demonstrations, turns=imitation.at_once, shown=shown)
