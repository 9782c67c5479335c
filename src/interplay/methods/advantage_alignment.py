"""Advantage Alignment: two who speak learn to cooperate with those who do too, and not to be exploited by those who do not.

Plain policy gradients on one's own reward drift to defection; on the sum of all rewards, to a cooperator whom anybody exploits.
Here an action also counts for what it does to the other, weighed by how well one has fared so far:

    A*_t = A_t + β · w_t · B_t,    w_t = γ_a Σ_{k<t} γ_a^{t−k} A_k

A is the agent's advantage in a round, B the other's, both over the mean of the other matches in the same round. Who did better
than usual favors what is good for the other, who did worse what is bad for it: reciprocity, without a model of the other. The
rewards of both have to be known, as a workflow pays them round by round (`team.pay`).

Source: "Learning robust social strategies with large language models" (2025); Duque et al., "Advantage Alignment algorithms"
(2025).
"""

import dataclasses
from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from interplay.core.errors import InputError
from interplay.core.method import Method
from interplay.core.names import chosen
from interplay.credit import groups, opponents
from interplay.lm.transcript import Turns, joined
from interplay.methods.language import LanguageSettings, taught
from interplay.objectives.tokens import PolicyLoss, no_ratio, token_total, truncated, unclipped, uncorrected

Rounds = Float[np.ndarray, "episode agent round"]
Deal = Callable[[Rounds], Rounds]
Mix = Callable[[Rounds, Rounds], Rounds]

PASTS = {"before": opponents.before, "up-to": opponents.up_to}
SHAPES = {"as-it-is": opponents.as_it_is, "sign": opponents.sign, "per-step": opponents.per_step}
GROUPS = {"task": lambda turns: turns.task, "all": lambda turns: np.zeros_like(turns.task)}
BASELINES = {"others": groups.leave_one_out, "none": lambda group: -group.best}


@dataclasses.dataclass(frozen=True)
class Settings(LanguageSettings):
    """Settings of Advantage Alignment; the defaults are those of the iterated prisoner's dilemma."""

    game: str = "dilemma"
    """task to speak about, as in `interplay list games`, or MODULE:NAME of a scene of your own whose rounds are paid"""
    tasks: int = 1
    """different tasks per update"""
    group: int = 64
    """attempts at each task, compared with each other"""
    share: bool = True
    """one model plays both seats (True) or each its own (False)"""
    entropy_weight: float = 0.01
    """weight of the entropy bonus per token"""
    alignment: float = 0.5
    """β, what the other's advantage weighs; 0: plain policy gradients. Halved rewards need a doubled β"""
    discount: float = 0.9
    """worth of a reward one round later"""
    alignment_discount: float = 0.9
    """weight of an advantage one round earlier in w"""
    reward_scale: float = 5.0
    """rewards are divided by this before anything else"""
    compared: str = "task"
    """who is in the group of a round: task (the attempts at the same task, seat by seat) or all (all matches of the update)"""
    baseline: str = "others"
    """what is subtracted from returns: others (the mean over the rest of the group) or none"""
    past: str = "before"
    """which advantages w adds up: before (earlier rounds) or up-to (the present one too)"""
    shape: str = "as-it-is"
    """what is made of w: as-it-is, sign, or per-step (divided by t + 1)"""
    correction: float = 0.0
    """most that a token counts for being likelier now than when it was drawn, for engines of their own; 0: no correction"""


def build(s: Settings, deal: Deal = lambda paid: paid, mix: Mix | None = None) -> Method:
    """The method; `deal` may give rewards to others first (`together`), `mix` replaces how advantages are put together."""
    if s.reward_scale <= 0:
        raise InputError(f"reward_scale is {s.reward_scale}: give a number above 0")
    mix = mix or aligning(s)
    group, center = chosen(GROUPS, "compared", s.compared), chosen(BASELINES, "baseline", s.baseline)

    def credit(turns: Turns) -> Float[np.ndarray, "turn"]:
        paid, there = table(turns)
        earned = opponents.to_go(deal(paid) / s.reward_scale, s.discount)
        own = compared(earned, there, labels(turns, group(turns)), center)
        return mix(own, opponents.rest(own, axis=1))[turns.episode, turns.agent, turns.round]

    correction = truncated(s.correction) if s.correction else uncorrected
    return taught(
        s, credit, PolicyLoss(ratio=no_ratio, clip=unclipped, average=token_total, correction=correction), chains=joined
    )


def aligning(s) -> Mix:
    """A + β w B as the settings say."""
    past, shape = chosen(PASTS, "past", s.past), chosen(SHAPES, "shape", s.shape)
    return lambda own, others: opponents.align(
        own, others, weight=s.alignment, discount=s.alignment_discount, past=past, shape=shape
    )


def together(paid: Rounds) -> Rounds:
    """Everybody gets the sum of all rewards: the cooperator whom anybody exploits."""
    return np.broadcast_to(paid.sum(1, keepdims=True), paid.shape)


def table(turns: Turns) -> tuple[Rounds, Rounds]:
    """What each agent got in each round, and 1 where it spoke in that round; turns of one round are one step of time."""
    shape = [int(column.max(initial=-1)) + 1 for column in (turns.episode, turns.agent, turns.round)]
    paid, there = np.zeros(shape), np.zeros(shape)
    paid[turns.episode, turns.agent, turns.round], there[turns.episode, turns.agent, turns.round] = turns.paid, 1.0
    return paid, there


def labels(turns: Turns, group: np.ndarray) -> np.ndarray:
    """The group of every episode."""
    found = np.zeros(int(turns.episode.max(initial=-1)) + 1, np.int64)
    found[turns.episode] = group
    return found


def compared(earned: Rounds, there: Rounds, group: np.ndarray, center: groups.Center) -> Rounds:
    """A = G − center within the group of the same label, seat and round; 0 where nobody spoke or who spoke was alone."""
    shape = earned.shape
    seat, time = np.indices(shape[1:])
    who = [np.broadcast_to(label, shape) for label in (group[:, None, None], seat, time)]
    return groups.standardize(
        earned, tuple(who), groups.by_weight(there),
        center=center, scale=groups.no_scale, singleton=groups.zero, epsilon=0.0,
    )  # fmt: skip
