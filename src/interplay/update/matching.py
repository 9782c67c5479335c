"""Regret minimizers for game trees: what is remembered of regrets, what is played for it, what the average counts.

A rule is three small functions over one player's tables "row action": `accumulate` takes in this iteration's regret,
`strategy` makes the next strategy of what is remembered, `weigh` says how much the strategy just played counts. The walk, the
turns and the average are the same for all (`methods.tables`). CFR and VAD-CFR are known instances.

Iterations t count from 1. Sources: Zinkevich et al. (2007) for CFR; Tammelin, "Solving large imperfect information games
using CFR+" (2014); Brown and Sandholm, "Solving imperfect-information games via discounted regret minimization" (2019) for
LCFR and DCFR; Farina, Kroer and Sandholm, "Faster game solving via predictive Blackwell approachability" (2021) for PCFR+;
Xu et al., "Minimizing weighted counterfactual regret with optimistic online mirror descent" (2024) for DPCFR+; Li et al.,
"Discovering multiagent learning algorithms with large language models" (2026), listings 5 and 7, for VAD-CFR and AOD-CFR.
"""

import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from interplay.core.errors import InputError

Table = Float[Array, "row action *lane"]
Weight = Float[Array, "row 1 *lane"] | Float[Array, ""] | float
Count = Float[Array, ""] | float
Knob = Float[Array, "lane"] | float  # a setting, or one for each lane of the tables


class Memory(NamedTuple):
    """What a rule remembers of one player: accumulated regret, the latest regret, and whatever else (`more`)."""

    total: Table
    latest: Table
    more: Any = ()


class Rule(NamedTuple):
    """`accumulate(memory, regret, t)` → memory; `strategy(memory, t)` → scores, of which the positive part is played in
    proportion; `weigh(memory, t)` → weight of the strategy that was just played, 0 before averaging starts."""

    accumulate: Callable[[Memory, Table, Count], Memory]
    strategy: Callable[[Memory, Count], Table]
    weigh: Callable[[Memory, Count], Weight]
    more: Callable[[Table], Any] = lambda first: ()

    def begin(self, first: Table) -> Memory:
        """Nothing remembered yet; `first` is the first strategy, even over the legal moves, of which `more` may make use."""
        blank = jnp.zeros_like(first)
        return Memory(blank, blank, self.more(first))


def matched(scores: Table, legal: Bool[Array, "row action *ones"]) -> Table:
    """σ(a) = max(0, score(a)) / Σ, or evenly where no score is positive.

    >>> matched(jnp.array([[3.0, 1.0], [-1.0, 0.0]]), jnp.ones((2, 2), bool)).tolist()
    [[0.75, 0.25], [0.5, 0.5]]
    """
    positive = jnp.where(legal, jnp.maximum(scores, 0.0), 0.0)
    total = positive.sum(1, keepdims=True)
    even = legal / legal.sum(1, keepdims=True)
    return jnp.where(total > 0, positive / jnp.where(total > 0, total, 1.0), even)


def fading(t: Count, exponent) -> Any:
    """t^c / (t^c + 1): what is left of old regret, more and more with t."""
    power = t**exponent
    return power / (power + 1)


def by_sign(table: Table, positive, negative) -> Table:
    """One factor for entries of at least zero, another for the rest."""
    return jnp.where(table >= 0, positive, negative)


def _total(memory: Memory, t: Count) -> Table:
    return memory.total


def polynomial(exponent: Knob) -> Callable[[Memory, Count], Weight]:
    """t^exponent: 0 counts all iterations alike."""
    return lambda memory, t: t**exponent


def cfr() -> Rule:
    """R ← R + r, σ ∝ R⁺, weight 1."""
    return Rule(
        lambda memory, regret, t: memory._replace(total=memory.total + regret, latest=regret), _total, polynomial(0.0)
    )


def cfr_plus() -> Rule:
    """R ← (R + r)⁺, σ ∝ R, weight t."""
    add = lambda memory, regret, t: memory._replace(total=jnp.maximum(memory.total + regret, 0.0), latest=regret)
    return Rule(add, _total, polynomial(1.0))


def dcfr(positive: Knob = 1.5, negative: Knob = 0.0, average: Knob = 2.0) -> Rule:
    """R ← R ⊙ d(t − 1) + r with d = (t − 1)^α / ((t − 1)^α + 1) for positive R, β in place of α for negative; weight t^γ."""

    def add(memory, regret, t):
        kept = by_sign(memory.total, fading(t - 1, positive), fading(t - 1, negative))
        return memory._replace(total=memory.total * kept + regret, latest=regret)

    return Rule(add, _total, polynomial(average))


def lcfr() -> Rule:
    """R ← R (t − 1) / t + r, σ ∝ R⁺, weight t: DCFR with all exponents 1."""
    return dcfr(1.0, 1.0, 1.0)


def pcfr_plus(prediction: float = 1.0, average: float = 2.0) -> Rule:
    """R ← (R + r)⁺, σ ∝ (R + r_t)⁺: the latest regret is expected again; weight t²."""
    add = cfr_plus().accumulate
    return Rule(add, lambda memory, t: memory.total + prediction * memory.latest, polynomial(average))


def dpcfr_plus(exponent: float = 2.3, average: float = 5.0) -> Rule:
    """R ← (R d(t − 1) + r)⁺, σ ∝ (R d(t) + r)⁺, d(t) = t^a / (t^a + 1); weight t⁵."""

    def add(memory, regret, t):
        total = jnp.maximum(memory.total * fading(t - 1, exponent) + regret, 0.0)
        return memory._replace(total=total, latest=regret)

    return Rule(add, lambda memory, t: memory.total * fading(t, exponent) + memory.latest, polynomial(average))


class AodMemory(NamedTuple):
    """AOD-CFR's running mean of accumulated regret, before and after the latest iteration."""

    before: Table
    after: Table


def aod_cfr(horizon: int = 500) -> Rule:
    """Exponents that move with t, regrets scaled by signs, and optimism about where accumulated regret is heading.

    α 1 → 2.5, β 0.5 → 0, γ 1 → 5 over `horizon` iterations; σ ∝ (R + 0.5 (R − E))⁺², E a running mean of R.

    Source: Li et al. (2026), listing 7.
    """
    along = lambda t, first, last: first + (last - first) * jnp.minimum(1.0, (t - 1) / horizon)

    def add(memory, regret, t):
        old, small = memory.total, jnp.abs(regret) < 1e-9
        up = jnp.where(regret > 0, 1.1, 0.9)
        down = jnp.where(regret > 0, 0.7, 1.2)
        scale = jnp.where(small | (jnp.abs(old) < 1e-9), 1.0, jnp.where(old > 0, up, down))
        kept = by_sign(old, fading(t, along(t, 1.0, 2.5)), fading(t, along(t, 0.5, 0.0)))
        total = old * kept + scale * regret
        return Memory(total, regret, AodMemory(memory.more.after, 0.1 * total + 0.9 * memory.more.after))

    def heading(memory, t):
        return jnp.square(jnp.maximum(memory.total + 0.5 * (memory.total - memory.more.before), 0.0))

    return Rule(add, heading, lambda memory, t: t ** along(t, 1.0, 5.0), lambda first: AodMemory(0 * first, 0 * first))


class Vad(NamedTuple):
    """Settings of VAD-CFR; each of its parts is off at the value in brackets. Numbers, or arrays over lanes."""

    boost: Knob = 1.1
    """factor of positive regrets (1)"""
    volatility: Knob = 1.0
    """weight of the measured volatility in all schedules (0)"""
    optimism: Knob = 1.0
    """weight of the expected next regret (0)"""
    exponent: Knob = 1.5
    """of the positive scores that are played in proportion (1)"""
    warm: Knob = 500.0
    """iterations before averaging starts (0)"""
    floor: Knob = -20.0
    """accumulated regret never falls below (−infinity)"""
    shared: Knob = 0.0
    """1: one volatility for all information sets of a player, the mean, in place of one each (0)"""
    plain_average: Knob = 0.0
    """1: weights t² in place of those that follow the volatility (0)"""


DISCOVERED = Vad()


def vad_cfr(s: Vad = DISCOVERED) -> Rule:
    """Volatility-adaptive discounting: jumpy information sets forget sooner, trust predictions less and average later.

    m = max_a |r|, e ← 0.1 m + 0.9 e, v = min(1, e / 2); α = max(0.1, 1.5 − 0.5 v), β = min(α, −0.1 − 0.5 v); ρ = boosted r;
    R ← max(floor, d(t) R + ρ); σ ∝ ((d(t) R + w ρ)⁺)^1.5, w = max(0, 1 − 0.5 v) / (1 + (t − 1) / 100); from t − 1 ≥ warm on,
    weight t^min(4, 2 + 1.5 min(1, m / 2)) · max(0.1, √(1 + m / 2)) / (1 + m^1.5).

    Source: Li et al. (2026), listing 5. Its discount counts t from 1 before the regret is added, classical DCFR t − 1.
    """

    def kept(total, more, t):
        volatile = s.volatility * jnp.minimum(1.0, more / 2)
        positive = jnp.maximum(0.1, 1.5 - 0.5 * volatile)
        negative = jnp.minimum(positive, -0.1 - 0.5 * volatile)
        return by_sign(total, fading(t, positive), fading(t, negative)), volatile

    def add(memory, regret, t):
        size = jnp.abs(regret).max(1, keepdims=True)
        size = jnp.where(jnp.asarray(s.shared) > 0, size.mean(0, keepdims=True), size)
        more = jnp.where(t == 1, size, 0.1 * size + 0.9 * memory.more)
        boosted = jnp.where(regret > 0, s.boost * regret, regret)
        factor, _ = kept(memory.total, more, t)
        return Memory(jnp.maximum(s.floor, factor * memory.total + boosted), boosted, more)

    def play(memory, t):
        factor, volatile = kept(memory.total, memory.more, t)
        trust = s.optimism * jnp.maximum(0.0, 1 - 0.5 * volatile) / (1 + (t - 1) / 100)
        return jnp.maximum(0.0, factor * memory.total + trust * memory.latest) ** s.exponent

    def weigh(memory, t):
        raw = jnp.where(memory.latest > 0, memory.latest / s.boost, memory.latest)
        size = jnp.abs(raw).max(1, keepdims=True)
        steep = jnp.minimum(4.0, 2 + 1.5 * s.volatility * jnp.minimum(1.0, size / 2))
        steady = jnp.maximum(0.1, jnp.sqrt(1 + size / 2)) / (1 + size**1.5)
        weight = jnp.where(jnp.asarray(s.plain_average) > 0, t**2.0, t**steep * steady)
        return jnp.where(t - 1 >= s.warm, weight, 0.0)

    return Rule(add, play, weigh, lambda first: 0 * first[:, :1])


WOP = Vad(boost=1.0, volatility=0.0, plain_average=1.0)  # a reading of WOP-CFR, of which only the name is published


def late(rule: Rule, warm: Knob) -> Rule:
    """`rule` whose average leaves out its first `warm` iterations."""
    return rule._replace(weigh=lambda memory, t: jnp.where(t - 1 >= warm, rule.weigh(memory, t), 0.0))


def rescaled(rule: Rule, factor: Knob) -> Rule:
    """`rule` on a game whose payoffs are `factor` times as large: regrets are linear in payoffs.

    With one over the payoffs' range the rule plays the same however payoffs are scaled; VAD-CFR's constants are not scale
    free; rules that only add and discount do not mind. Raises `InputError` for a factor that is not positive.
    """
    if not np.all((np.asarray(factor) > 0) & np.isfinite(factor)):
        raise InputError(f"cannot rescale regrets by {factor}: give a positive number")
    return rule._replace(accumulate=lambda memory, regret, t: rule.accumulate(memory, factor * regret, t))


def side_by_side(rules: Sequence[Rule], widths: Sequence[int]) -> Rule:
    """Many rules as one: each learns on its own lanes of tables "row action lane", and all share one walk over the tree.

    Rule k has the next `widths[k]` lanes, so that a rule whose settings are arrays over lanes tries them all at once.

        >>> both = side_by_side([cfr(), dcfr(positive=jnp.array([1.0, 1.5, 2.0]))], [1, 3])
        >>> both.begin(jnp.ones((5, 2, 4))).total.shape
        (5, 2, 4)
    """
    ends = tuple(itertools.accumulate(widths))
    lanes = [slice(end - width, end) for end, width in zip(ends, widths, strict=True)]
    together = lambda tables: jnp.concatenate(list(tables), axis=-1)

    def own(memory: Memory) -> list[tuple[Rule, Memory, slice]]:
        parts = [
            Memory(memory.total[..., at], memory.latest[..., at], more)
            for at, more in zip(lanes, memory.more, strict=True)
        ]
        return list(zip(rules, parts, lanes, strict=True))

    def accumulate(memory: Memory, regret: Table, t: Count) -> Memory:
        found = [rule.accumulate(one, regret[..., at], t) for rule, one, at in own(memory)]
        total, latest = (together(getattr(one, name) for one in found) for name in ("total", "latest"))
        return Memory(total, latest, tuple(one.more for one in found))

    def weigh(memory: Memory, t: Count) -> Weight:
        weights = ((rule.weigh(one, t), one.total[:, :1]) for rule, one, _ in own(memory))
        return together(jnp.broadcast_to(weight, like.shape) for weight, like in weights)

    return Rule(
        accumulate,
        lambda memory, t: together(rule.strategy(one, t) for rule, one, _ in own(memory)),
        weigh,
        lambda first: tuple(rule.more(first[..., at]) for rule, at in zip(rules, lanes, strict=True)),
    )


RULES: dict[str, Callable[[], Rule]] = {
    "cfr": cfr,
    "cfr-plus": cfr_plus,
    "lcfr": lcfr,
    "dcfr": dcfr,
    "pcfr-plus": pcfr_plus,
    "dpcfr-plus": dpcfr_plus,
    "aod-cfr": aod_cfr,
    "vad-cfr": vad_cfr,
    "wop-cfr": lambda: vad_cfr(WOP),
}
