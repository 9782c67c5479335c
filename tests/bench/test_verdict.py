"""Verdicts follow from intervals, and from nothing else."""

import numpy as np
import pytest
import scipy.stats

from interplay.bench import verdict
from interplay.bench.verdict import FAILS, HOLDS, UNCLEAR, at_least, better, judge, near

HIGH, LOW, WIDE = [10.0, 10.2, 9.9, 10.1], [5.0, 5.1, 4.9, 5.2], [0.0, 20.0, 3.0, 15.0]
SCORES = {"game": {"high": HIGH, "low": LOW, "wide": WIDE, "like high": [10.1, 10.0, 9.8, 10.2]}}


def state(expectation):
    return [finding.state for finding in expectation(SCORES)]


def test_welchs_interval_is_scipys():
    middle, low, high = verdict.difference(HIGH, WIDE)
    theirs = scipy.stats.ttest_ind(HIGH, WIDE, equal_var=False).confidence_interval()
    assert (middle, low, high) == pytest.approx((np.mean(HIGH) - np.mean(WIDE), theirs.low, theirs.high))


def test_pairs_are_compared_pair_by_pair():
    shared, more = [0.0, 100.0, 200.0], [1.0, 101.1, 200.9]
    assert verdict.paired_difference(more, shared)[1] > 0.5 and verdict.difference(more, shared)[1] < 0


@pytest.mark.parametrize("apart", [verdict.difference, verdict.paired_difference])
def test_one_seed_settles_nothing_and_equal_seeds_are_exact(apart):
    assert apart([3.0], [1.0]) == (2.0, -np.inf, np.inf)
    assert apart([3.0, 3.0], [1.0, 1.0]) == (2.0, 2.0, 2.0)


@pytest.mark.parametrize(
    ("expectation", "wanted"),
    [
        (better("high", "low"), HOLDS),
        (better("high", "low", by=4.0), HOLDS),
        (better("high", "low", by=6.0), FAILS),
        (better("low", "high"), FAILS),
        (better("high", "wide"), UNCLEAR),
        (better("low", "high", higher=False), HOLDS),
        (near("high", "like high", within=0.05), HOLDS),
        (near("high", "low", within=0.05), FAILS),
        (near("high", "wide", within=0.05), UNCLEAR),
        (near("high", "low", within=6.0, relative=False), HOLDS),
        (at_least("high", 9.5), HOLDS),
        (at_least("high", 10.5), FAILS),
        (at_least("high", 10.05), UNCLEAR),
        (at_least("low", 6.0, most=True), HOLDS),
        (better("high", "absent"), UNCLEAR),
        (at_least("high", 1.0, on=("nowhere",)), UNCLEAR),
    ],
)
def test_what_holds_fails_or_stays_open(expectation, wanted):
    assert state(expectation) == [wanted]


def test_all_must_hold_and_one_failure_decides():
    yes, no, open_ = better("high", "low"), better("low", "high"), better("high", "wide")
    assert judge(SCORES, [yes], {}).verdict == "reproduced"
    assert judge(SCORES, [yes, open_], {}).verdict == "inconclusive"
    assert judge(SCORES, [yes, open_, no], {}).verdict == "not reproduced"
    assert judge(SCORES, [], {}).verdict == "inconclusive"


def test_a_control_as_good_as_the_method_explains_it():
    found = judge(SCORES, [better("high", "low")], {"like high": "high", "low": "high"})
    assert found.verdict == "reproduced" and found.explained_by == ["like high"]
    assert found.summary == "reproduced, but the control explains it (like high)"
    assert judge(SCORES, [better("high", "low")], {"low": "high"}).summary == "reproduced"


def test_a_control_need_be_beaten_on_one_game_only():
    scores = {"one": {"a": HIGH, "b": HIGH}, "two": {"a": HIGH, "b": LOW}, "three": {"a": HIGH}}
    assert judge(scores, [better("a", "b", on=("two",))], {"b": "a"}).explained_by == []
