"""MAMQL: every agent's own reward, and how it acts on it, from demonstrations of several agents with mixed motives.

Agent i learns marginal values Q̄_i(s, a_i), into which the other agents are averaged, and acts by exp(Q̄_i / T). With the
others standing still it faces a decision process of its own, so the loss of IQ-Learn applies; agents step one after another
in random order, with new play of the whole team in between. The reward that made the demonstrators act so is
r_i(s, a_i, s') = Q̄_i(s, a_i) − γ V̄_i(s').

Laws: with one agent it is `iq-learn`, number for number; with φ(r) = r, `offline` and `hold=expert` its loss is T
times behavior cloning's.

Source: Haynam, Khoja, Kumar, Myers, Biyik, "Multi-agent inverse Q-learning from demonstrations" (2025).
"""

import dataclasses

from interplay.core.method import Method
from interplay.core.names import chosen
from interplay.methods import imitation
from interplay.objectives import inverse
from interplay.play.demonstrations import Demonstrations


@dataclasses.dataclass(frozen=True)
class Settings(imitation.Settings):
    """MAMQL's settings; the defaults learn small grids in a minute."""

    alpha: float = 1.0
    """strength of the regularizer φ(r) = r − r² / (4 α): the larger, the larger rewards may become"""
    bound: float = 10.0
    """beyond ± this φ goes on as a straight line, in units of reward"""
    hold: str = "both"
    """whose rewards are kept small: both (the team's own visits too) or expert, as published"""
    offline: bool = False
    """take the demonstrators' states instead of the team's own for what values should not rise on"""


def build(
    s: Settings, shown: Demonstrations | None = None, *, turns: imitation.Turns = imitation.in_turn, penalize=None,
    others: imitation.Others = inverse.as_played,
) -> Method:  # fmt: skip
    """The method; `shown` takes the place of the file, `penalize` that of φ, `others` says over whom values are marginal."""
    penalize = inverse.straight(penalize or inverse.chi_square(s.alpha), s.bound)
    hold = chosen({"both": inverse.square(s.alpha), "expert": inverse.free}, "hold", s.hold)
    given = {"discount": s.discount, "temperature": s.temperature, "penalize": penalize, "hold": hold}

    def loss(values, parameters, expert, visited):
        value, told = inverse.inverse_soft(values, expert, visited, **given)
        return value + inverse.decay(parameters, s.decay), told

    visited = imitation.on_demonstrations if s.offline else imitation.on_replay
    return imitation.imitation(s, loss, visited=visited, turns=turns, shown=shown, others=others)
