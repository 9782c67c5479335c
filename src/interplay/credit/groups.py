"""Group-relative advantages: a reward is judged by comparison with those of the same group.

Two questions are kept apart. *Who is in the group* is a tuple of labels per row: the task (GRPO), the task and the agent (Dr.
MAS), the seed, the timestep and the seat (Advantage Alignment). *What counts once* is a `Count`: a turn, a whole episode
however many turns it has, or explicit weights. The center, the scale, and what a group of one gets are functions too.

    GRPO           standardize(R, (task,), by_episode(episode))
    RLOO           standardize(R, (task,), by_episode(episode), center=leave_one_out, scale=no_scale)
    Dr. MAS        standardize(R, (task, agent), by_turn(R))
    M-GRPO         standardize(R, (task,), by_slot(episode, 4), scale=population)
    alignment      standardize(G, (seed, timestep, seat), center=leave_one_out, scale=no_scale, singleton=zero)

Arrays are numpy's or JAX's. A row is whatever gets an advantage, a turn as a rule; groups may have any number of rows. Rows
of weight zero are padding: nobody is compared with them and they get advantage zero.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from jaxtyping import Bool, Float, Int, Num, Shaped

from interplay.core.errors import InputError
from interplay.credit.segments import distinct, each, max_within, mean_within, namespace, sum_within

Rows = Float[Any, "*rows"]
Labels = Shaped[Any, "..."]


class Count(NamedTuple):
    """What counts once: rows of one `unit` share its score, the mean over them, and its `weight`."""

    unit: Shaped[Any, "*rows"]
    weight: Rows


class Statistics(NamedTuple):
    """What every row is told about its unit and its group; scores are measured from the best score of the group."""

    score: Rows
    """the row's unit's reward minus `best`"""
    best: Rows
    """the largest reward of the group"""
    weight: Rows
    """the unit's weight, zero for padding"""
    mass: Rows
    """Σ weight over the units of the group"""
    mean: Rows
    """Σ weight · score / Σ weight over them"""
    variance: Rows
    """Σ weight · (score − mean)² / Σ weight over them"""
    units: Rows
    """how many they are"""


Center = Callable[[Statistics], Rows]
Scale = Callable[[Statistics], Rows]
Singleton = Callable[[Statistics], Rows]


def by_turn(rows: Rows) -> Count:
    """Every row counts once, as in Dr. MAS: whoever is called three times in an episode counts three times."""
    return by_weight(namespace(rows).ones_like(rows))


def by_weight(weight: Rows) -> Count:
    """Every row counts `weight` times; 0 is padding."""
    return Count(each(weight), weight)


def by_episode(episode: Labels, weight: Rows | None = None) -> Count:
    """Every episode counts once in each group that it has rows in, as in GRPO with several turns an episode.

    `weight` is the episode's on each of its rows, 1 unless given; 0 is padding.
    """
    ones = namespace(episode).ones(episode.shape)
    return Count(episode, ones if weight is None else weight)


def by_slot(episode: Int[Any, "*rows"], slots: int, weight: Rows | None = None) -> Count:
    """Every row counts slots / (rows of its episode): every episode that has rows weighs the same, row by row.

    This is the expectation of `duplicated`, without its noise. `weight` marks padding with 0.

    Source: "Multi-agent deep research: training multi-agent systems with M-GRPO" (2025), trajectory alignment.
    """
    xp = namespace(episode)
    live = xp.ones(episode.shape) if weight is None else weight
    calls = sum_within(1.0 * (live > 0), distinct(episode))
    return by_weight(xp.where(live > 0, slots * live / xp.where(live > 0, calls, xp.ones_like(calls)), 0 * live))


def statistics(reward: Rows, group: Labels | tuple[Labels, ...], count: Count | None = None) -> Statistics:
    """What the group of every row looks like; `group` is a label per row or a tuple of them, `count` is by turn if None.

    Raises `InputError` where labels and rewards differ in shape.
    """
    labels = group if isinstance(group, tuple) else (group,)
    unit, weight = by_turn(reward) if count is None else count
    for label in (*labels, unit, weight):
        if label.shape != reward.shape:
            raise InputError(
                f"a label of shape {label.shape} for rewards of shape {reward.shape}: give one label per row"
            )
    xp, weight = namespace(reward, weight), weight + 0 * weight
    live = weight > 0
    reward = xp.where(live, reward, xp.zeros_like(reward))
    whole = distinct(*labels)
    best = max_within(xp.where(live, reward, xp.full_like(reward, -xp.inf)), whole)
    best = xp.where(live, best, xp.zeros_like(best))
    unit = distinct(whole, unit)
    once = xp.where(live, xp.ones_like(reward), xp.zeros_like(reward))
    rows = xp.where(live, sum_within(once, unit), xp.ones_like(reward))
    # from the best of the group, so that equal rewards give exactly zero whatever the rounding of their sums
    score = mean_within(xp.where(live, reward - best, xp.zeros_like(reward)), unit, once)
    share = once * weight / rows
    mean = mean_within(score, whole, share)
    variance = mean_within((score - mean) ** 2, whole, share)
    return Statistics(
        score, best, once * weight, sum_within(share, whole), mean, variance, sum_within(once / rows, whole)
    )


def standardize(
    reward: Rows,
    group: Labels | tuple[Labels, ...],
    count: Count | None = None,
    *,
    center: Center | None = None,
    scale: Scale | None = None,
    singleton: Singleton | None = None,
    epsilon: float = 1e-6,
) -> Rows:
    """A = (r − center) / (scale + ε) within the group of every row, r being the score of the row's unit.

    Centers are `mean` (the default) and `leave_one_out`; scales `no_scale`, `population` and `sample` (the default); a
    group of a single unit gets what `singleton` says, `raw` (the default) or `zero`. Equal rewards give exactly zero.

        >>> import numpy as np
        >>> reward, task = np.array([1.0, 0.0, 2.0, 0.0]), np.array([0, 0, 1, 1])
        >>> standardize(reward, task, scale=population).round(3).tolist()
        [1.0, -1.0, 1.0, -1.0]

    Source: Shao et al., "DeepSeekMath" (2024), section 4.1; Feng et al., "Dr. MAS: stable reinforcement learning for
    multi-agent LLM systems" (2026).
    """
    return relative(
        statistics(reward, group, count),
        center=center or mean,
        scale=scale or sample,
        singleton=singleton or raw,
        epsilon=epsilon,
    )


def relative(
    group: Statistics,
    spread: Statistics | None = None,
    *,
    center: Center,
    scale: Scale,
    singleton: Singleton,
    epsilon: float = 1e-6,
) -> Rows:
    """`standardize` from ready statistics; the scale may be that of another group, `spread` (ablations of Dr. MAS)."""
    xp = namespace(group.score)
    unit = scale(group if spread is None else spread) + epsilon
    deviation = (group.score - center(group)) / xp.where(
        unit > 0, unit, xp.ones_like(unit)
    )  # equal rewards: 0, not 0 / 0
    several = group.units > 1.5  # whole numbers up to rounding
    return xp.where(group.weight > 0, xp.where(several, deviation, singleton(group)), xp.zeros_like(deviation))


def mean(group: Statistics) -> Rows:
    """The weighted mean of the group, the row's own unit included."""
    return group.mean


def leave_one_out(group: Statistics) -> Rows:
    """The weighted mean of the other units of the group: independent of the row's own, so that nothing gets biased.

    With n units of equal weight, r − leave_one_out = n / (n − 1) · (r − mean).

    Source: Kool et al., "Buy 4 REINFORCE samples, get a baseline for free!" (2019).
    """
    xp = namespace(group.score)
    others = group.mass - group.weight
    rest = group.mass * group.mean - group.weight * group.score
    return rest / xp.where((group.units > 1.5) & (others > 0), others, xp.ones_like(others))


def no_scale(group: Statistics) -> Rows:
    """1, for deviations as they are; with `epsilon=0.0` they are left untouched to the last bit."""
    return namespace(group.score).ones_like(group.score)


def population(group: Statistics) -> Rows:
    """σ, with σ² = Σ w (r − μ)² / Σ w."""
    return namespace(group.score).sqrt(group.variance)


def sample(group: Statistics) -> Rows:
    """σ √(n / (n − 1)) with n units in the group: for equal weights the unbiased variance, whatever unit weights are in."""
    xp = namespace(group.score)
    free = xp.where(group.units > 1.5, group.units - 1, xp.ones_like(group.units))
    return xp.sqrt(group.variance * group.units / free)


def raw(group: Statistics) -> Rows:
    """The reward itself: what the code of GRPO and Dr. MAS does, an upward push where rewards are positive."""
    return group.score + group.best


def zero(group: Statistics) -> Rows:
    """Nothing is learned from a group of one."""
    return namespace(group.score).zeros_like(group.score)


def inflation(agent: Statistics, task: Statistics) -> Rows:
    """(σ_k² + (μ_k − μ)²) / σ²: how much larger the second moment of agent k's gradient is when its rewards are
    standardized with the task's mean and deviation instead of its own. NaN where the task's rewards are all equal.

    Source: Feng et al. (2026), lemma 4.2.
    """
    xp = namespace(agent.score)
    shift = (agent.mean + agent.best) - (task.mean + task.best)
    varied = task.variance > 0
    moment = (agent.variance + shift**2) / xp.where(varied, task.variance, xp.ones_like(shift))
    return xp.where(varied, moment, xp.full_like(moment, xp.nan))


def dead(group: Statistics) -> Float[Any, ""]:
    """Share of groups in which all scores are equal: nothing is learned from them.

    >>> import numpy as np
    >>> float(dead(statistics(np.array([1.0, 0.0, 2.0, 2.0]), np.array([0, 0, 1, 1]))))
    0.5
    """
    xp = namespace(group.score)
    live = group.weight > 0
    rows = xp.where(live, group.mass / xp.where(live, group.weight, xp.ones_like(group.mass)), xp.ones_like(group.mass))
    share = 1.0 * live / rows
    return (share * (group.variance == 0)).sum() / share.sum()


def duplicated(
    episode: Int[Any, "row"], slots: int, order: Num[Any, "row"], again: Float[Any, "episode slot"]
) -> tuple[Int[Any, "episode slot"], Bool[Any, "episode slot"]]:
    """`slots` rows of every episode, and which of these slots are live: too many rows are thinned, too few are redrawn.

    Rows of an episode are taken in the order of `order`, random numbers; where they run out, row ⌊again · rows⌋ of them is
    taken once more, `again` being uniform in [0, 1). Episodes without rows have dead slots, which point at row 0 and should
    get weight zero. Episodes are numbered from 0 to len(again) − 1. Raises `InputError` where `again` has other columns.

    Source: M-GRPO (2025), trajectory alignment.
    """
    if again.shape[1] != slots:
        raise InputError(f"{again.shape[1]} random numbers an episode for {slots} slots: give one per slot")
    xp = namespace(episode, order)
    sorted_rows = xp.lexsort((order, episode))
    episodes = xp.arange(len(again))
    begin = xp.searchsorted(episode[sorted_rows], episodes)[:, None]
    calls = xp.searchsorted(episode[sorted_rows], episodes, side="right")[:, None] - begin
    place = xp.broadcast_to(xp.arange(slots), again.shape)
    drawn = xp.clip((again * calls).astype(place.dtype), 0, xp.clip(calls - 1, 0, None))
    live = xp.broadcast_to(calls > 0, again.shape)
    index = xp.where(live, begin + xp.where(place < calls, place, drawn), 0)
    return xp.where(live, sorted_rows[index], 0), live
