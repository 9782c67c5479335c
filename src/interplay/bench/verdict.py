"""Verdicts, computed from intervals: what was expected of the arms, whether it holds, and what a control says of it.

An expectation is a function of all scores that finds that something holds, fails or is unclear, with the numbers in words.
`better` (a difference of means, Welch's interval) and `near` (a difference within bounds) are known instances.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import scipy.stats

Scores = Mapping[str, Mapping[str, Sequence[float]]]  # [game label][arm] -> a score per seed
ALSO = " @ "  # between a game's label and the heading of what else was measured on it
HOLDS, FAILS, UNCLEAR = "holds", "fails", "unclear"
REPRODUCED, NOT_REPRODUCED, INCONCLUSIVE = "reproduced", "not reproduced", "inconclusive"


class Finding(NamedTuple):
    """Whether one expectation holds on one game, why, and the interval it rests on."""

    state: str
    sentence: str
    low: float
    high: float


Expectation = Callable[[Scores], list[Finding]]


class Verdict(NamedTuple):
    """`verdict` is one of three words; `summary` is what to say; `explained_by` names controls as good as their arm."""

    verdict: str
    summary: str
    because: list[str]
    explained_by: list[str]


def difference(a: Sequence[float], b: Sequence[float], level: float = 0.95) -> tuple[float, float, float]:
    """(mean(a) − mean(b), low, high) with Welch's interval, seeds independent; one seed each gives ∓infinity.

    Source: Welch, "The generalization of Student's problem when several different population variances are involved" (1947).
    """
    first, second = np.asarray(a, float), np.asarray(b, float)
    middle = float(first.mean() - second.mean())
    if min(len(first), len(second)) < 2:
        return middle, -np.inf, np.inf
    if np.ptp(first) == 0 and np.ptp(second) == 0:  # exact studies whose seeds agree
        return middle, middle, middle
    interval = scipy.stats.ttest_ind(first, second, equal_var=False).confidence_interval(level)
    return middle, float(interval.low), float(interval.high)


def paired_difference(a: Sequence[float], b: Sequence[float], level: float = 0.95) -> tuple[float, float, float]:
    """`difference` where seed k of one arm goes with seed k of the other: Student's interval of the differences."""
    apart = np.asarray(a, float) - np.asarray(b, float)
    middle = float(apart.mean())
    if len(apart) < 2:
        return middle, -np.inf, np.inf
    if np.ptp(apart) <= 1e-12 * abs(middle):  # equal up to rounding
        return middle, middle, middle
    interval = scipy.stats.ttest_1samp(apart, 0.0).confidence_interval(level)
    return middle, float(interval.low), float(interval.high)


def exactly(a: Sequence[float], b: Sequence[float]) -> tuple[float, float, float]:
    """`difference` of scores that were worked out without chance: the interval is the number."""
    middle = float(np.mean(a) - np.mean(b))
    return middle, middle, middle


def better(
    a: str, b: str, by: float = 0.0, *, on: Sequence[str] = (), higher: bool = True, apart=difference
) -> Expectation:
    """Arm `a` beats arm `b` by more than `by` on the games labeled `on` (all where none are named).

    What else was measured on a game has the label "game @ heading" and has to be named.
    """

    def look(scores: Scores) -> list[Finding]:
        found = []
        for game in _meant(scores, on):
            if missing := _missing(scores, game, a, b):
                found.append(missing)
                continue
            first, second = (a, b) if higher else (b, a)
            middle, low, high = apart(scores[game][first], scores[game][second])
            state = HOLDS if low > by else FAILS if high < by else UNCLEAR
            wanted = f" by more than {by:g}" if by else ""
            words = f"{a} beats {b}{wanted} on {game}: the difference is {middle:.3g} [{low:.3g}, {high:.3g}]"
            found.append(Finding(state, words, low, high))
        return found

    return look


def near(
    a: str, b: str, within: float, *, on: Sequence[str] = (), relative: bool = True, apart=difference
) -> Expectation:
    """Arm `a` is at most `within` away from arm `b`: a share of b's mean, or a number where `relative` is False."""

    def look(scores: Scores) -> list[Finding]:
        found = []
        for game in _meant(scores, on):
            if missing := _missing(scores, game, a, b):
                found.append(missing)
                continue
            middle, low, high = apart(scores[game][a], scores[game][b])
            bound = within * abs(float(np.mean(scores[game][b]))) if relative else within
            state = HOLDS if -bound <= low and high <= bound else FAILS if low > bound or high < -bound else UNCLEAR
            words = (
                f"{a} is within {bound:.3g} of {b} on {game}: the difference is {middle:.3g} [{low:.3g}, {high:.3g}]"
            )
            found.append(Finding(state, words, low, high))
        return found

    return look


def at_least(arm: str, value: float, *, on: Sequence[str] = (), most: bool = False) -> Expectation:
    """Arm `arm` reaches `value` (stays below it where `most`), by Student's interval over the seeds."""

    def look(scores: Scores) -> list[Finding]:
        found = []
        for game in _meant(scores, on):
            if missing := _missing(scores, game, arm):
                found.append(missing)
                continue
            middle, low, high = paired_difference(scores[game][arm], [0.0] * len(scores[game][arm]))
            holds, fails = (high <= value, low > value) if most else (low >= value, high < value)
            state = HOLDS if holds else FAILS if fails else UNCLEAR
            words = f"{arm} {'stays below' if most else 'reaches'} {value:g} on {game}: {middle:.3g} [{low:.3g}, {high:.3g}]"
            found.append(Finding(state, words, low, high))
        return found

    return look


def ratio(
    a: str, b: str, below: float = 1.0, *, on: Sequence[str] = (), higher: bool = False, level: float = 0.95
) -> Expectation:
    """The geometric mean over games of a / b is less than `below` (more where `higher`), scores being decimal logarithms.

    10^(mean of log a − log b); games are the sample, and Student's interval is over them: what to expect of another game.
    """

    def look(scores: Scores) -> list[Finding]:
        missing = [found for game in _meant(scores, on) if (found := _missing(scores, game, a, b))]
        if missing:
            return missing[:1]
        first, second = ([float(np.mean(scores[game][arm])) for game in _meant(scores, on)] for arm in (a, b))
        apart = np.subtract(first, second)
        middle, low, high = (float(10.0**end) for end in paired_difference(first, second, level))
        holds, fails = (low > below, high < below) if higher else (high < below, low > below)
        won = int((apart > 0).sum() if higher else (apart < 0).sum())
        words = (
            f"{a} has {middle:.2g} [{low:.2g}, {high:.2g}] times the score of {b} (geometric mean over {len(apart)} games), "
            f"{'more' if higher else 'less'} than {below:g} wanted; it is ahead on {won}, level on {int((apart == 0).sum())}"
        )
        return [Finding(HOLDS if holds else FAILS if fails else UNCLEAR, words, low, high)]

    return look


def wins(a: str, others: Sequence[str], least: int, *, on: Sequence[str] = (), higher: bool = False) -> Expectation:
    """Arm `a` is as good as the best of `others` there are, or better, on at least `least` games: a count, no interval."""

    def look(scores: Scores) -> list[Finding]:
        missing = [found for game in _meant(scores, on) if (found := _missing(scores, game, a))]
        if missing:
            return missing[:1]
        sign = 1 if higher else -1
        mean = lambda game, arm: sign * float(np.mean(scores[game][arm]))
        best = lambda game: max(mean(game, other) for other in others if other in scores[game])
        lost = [game for game in _meant(scores, on) if mean(game, a) < best(game)]
        total = len(_meant(scores, on))
        count = total - len(lost)
        behind = f" (not on {', '.join(lost)})" if lost else ""
        words = f"{a} equals or beats all of {', '.join(others)} on {count} of {total} games{behind}; {least} wanted"
        return [Finding(HOLDS if count >= least else FAILS, words, count, count)]

    return look


def judge(
    scores: Scores, expect: Sequence[Expectation], controls: Mapping[str, str], higher: bool = True,
    *, games: Sequence[str] = (), beats: Callable[..., Expectation] = better,
) -> Verdict:  # fmt: skip
    """The verdict on a claim: reproduced if all that is expected holds, not if anything fails, else inconclusive.

    `controls` maps a control to the arm it stands against; one that its arm does not beat on any of `games` (all where none
    are named) explains the claim. `beats` makes the expectation that decides it.
    """
    findings = [finding for expectation in expect for finding in expectation(scores)]
    states = {finding.state for finding in findings}
    word = NOT_REPRODUCED if FAILS in states else INCONCLUSIVE if UNCLEAR in states or not states else REPRODUCED
    explained = []
    for control, arm in controls.items():
        played = [game for game in games or scores if control in scores.get(game, {})]
        beaten = [found for found in beats(arm, control, on=played, higher=higher)(scores) if found.state == HOLDS]
        if not beaten:
            explained.append(control)
    summary = word
    if word == REPRODUCED and explained:
        several = "the controls explain it" if len(explained) > 1 else "the control explains it"
        summary = f"reproduced, but {several} ({', '.join(explained)})"
    because = [f"{finding.state}: {finding.sentence}" for finding in findings]
    return Verdict(word, summary, because, explained)


def _meant(scores: Scores, on: Sequence[str]) -> Sequence[str]:
    """The games an expectation speaks of: those it names, or all games, but not what else was measured on them."""
    return on or [label for label in scores if ALSO not in label]


def _missing(scores: Scores, game: str, *arms: str) -> Finding | None:
    """What to say where an arm has no scores, because it broke down or was never run."""
    lacking = [arm for arm in arms if arm not in scores.get(game, {})]
    words = f"{' and '.join(lacking)} has no result on {game}"
    return Finding(UNCLEAR, words, -np.inf, np.inf) if lacking else None
