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


def test_what_else_was_measured_is_judged_only_if_it_is_named():
    scores = {**SCORES, "game @ loss": {"high": LOW, "low": HIGH}}
    assert [found.state for found in better("high", "low")(scores)] == [HOLDS]
    assert [found.state for found in better("high", "low", on=("game @ loss",))(scores)] == [FAILS]


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


LOGS = {
    **{f"game {k}": {"a": [-3.0 - 0.1 * k], "b": [-2.0], "c": [-4.0 - 0.1 * k]} for k in range(5)},
    "game 5": {"a": [-3.0], "b": [-3.1]},
}


def test_ratios_are_geometric_means_over_games():
    five = [f"game {k}" for k in range(5)]
    [found] = verdict.ratio("a", "b", on=five)(LOGS)
    apart = np.array([-1.0 - 0.1 * k for k in range(5)])
    theirs = scipy.stats.ttest_1samp(apart, 0.0).confidence_interval()
    assert (found.low, found.high) == pytest.approx((10**theirs.low, 10**theirs.high))
    assert found.state == HOLDS and "0.063 [" in found.sentence and "ahead on 5" in found.sentence
    assert [one.state for one in verdict.ratio("b", "a", on=five)(LOGS)] == [FAILS]
    assert [one.state for one in verdict.ratio("a", "b", 0.05, on=five)(LOGS)] == [UNCLEAR]
    assert [one.state for one in verdict.ratio("b", "a", on=five, higher=True)(LOGS)] == [HOLDS]
    assert [one.state for one in verdict.ratio("a", "c")(LOGS)] == [UNCLEAR]  # no result on one game
    assert [one.state for one in verdict.ratio("a", "b", on=["game 1"])(LOGS)] == [UNCLEAR]  # one game tells nothing


def test_wins_are_counted_against_the_best_of_the_others_there_are():
    assert [one.state for one in verdict.wins("a", ["b"], 5)(LOGS)] == [HOLDS]
    [found] = verdict.wins("a", ["b"], 6)(LOGS)
    assert found.state == FAILS and "5 of 6 games (not on game 5)" in found.sentence
    assert verdict.wins("a", ["b", "c"], 1)(LOGS)[0].state == FAILS
    assert verdict.wins("c", ["a"], 1)(LOGS)[0].state == UNCLEAR


def test_what_was_worked_out_without_chance_needs_no_seeds():
    assert verdict.exactly([3.0], [1.0]) == (2.0, 2.0, 2.0)


def test_controls_are_judged_on_the_claims_games_by_its_own_measure():
    scores = {**{f"game {k}": LOGS[f"game {k}"] for k in range(5)}, "game 0 @ 10": {"a": [0.0], "b": [-9.0]}}
    given = {"games": [f"game {k}" for k in range(5)], "beats": verdict.ratio}
    assert judge(scores, [], {"b": "a", "c": "a"}, False, **given).explained_by == ["c"]
