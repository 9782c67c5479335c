"""Values worked by hand, invariances, how often intervals hold the truth, and every way to pass bad scores."""

import json
import math
import subprocess
import sys

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from interplay.core.errors import InputError
from interplay.measure import stats

AGGREGATES = [stats.mean, stats.median, stats.interquartile_mean, stats.optimality_gap]
LINEAR = [stats.mean, stats.median, stats.interquartile_mean]
TABLES = arrays.arrays(
    float,
    arrays.array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=6),
    elements=st.integers(-20, 20).map(lambda number: number / 4),
)


# aggregates


def test_aggregates_by_hand():
    scores = [[0.0, 4.0, 0.2], [1.0, 8.0, 0.4]]  # two seeds, three tasks
    assert stats.mean(scores) == pytest.approx(13.6 / 6)
    assert stats.median(scores) == pytest.approx(0.5)  # of the task means 0.5, 6 and 0.3
    assert stats.interquartile_mean(scores) == pytest.approx((0.2 + 0.4 + 1.0 + 4.0) / 4)  # 0 and 8 are dropped
    assert stats.optimality_gap(scores) == pytest.approx(1 - (0 + 1 + 0.2 + 1 + 1 + 0.4) / 6)
    assert stats.optimality_gap(scores, target=8.0) == pytest.approx(8 - 13.6 / 6)


def test_aggregates_along_one_axis():
    scores = [[0.0, 4.0], [1.0, 8.0], [5.0, 9.0], [100.0, -9.0]]
    np.testing.assert_allclose(stats.mean(scores, axis=0), [26.5, 3.0])
    np.testing.assert_allclose(stats.median(scores, axis=0), [3.0, 6.0])
    np.testing.assert_allclose(stats.interquartile_mean(scores, axis=0), [3.0, 6.0])
    np.testing.assert_allclose(stats.optimality_gap(scores, axis=1), [0.5, 0.0, 0.0, 5.0])


def test_interquartile_mean_is_the_mean_below_four_runs():
    assert stats.interquartile_mean([0.0, 1.0, 50.0], axis=0) == pytest.approx(17.0)


@pytest.mark.parametrize("aggregate", AGGREGATES)
def test_aggregates_keep_other_axes(aggregate):
    scores = np.random.default_rng(0).normal(size=(7, 5, 3))
    together = aggregate(scores, axis=(-2, -1))
    np.testing.assert_allclose(together, [aggregate(table, axis=(0, 1)) for table in scores], atol=1e-12)
    np.testing.assert_allclose(aggregate(np.moveaxis(scores, 0, -1), axis=(0, 1)), together, atol=1e-12)


@pytest.mark.parametrize("aggregate", AGGREGATES)
@given(scores=TABLES, random=st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None)
def test_order_of_seeds_and_tasks_does_not_matter(aggregate, scores, random):
    rows, columns = (random.sample(range(side), side) for side in scores.shape)
    assert aggregate(scores[rows][:, columns]) == pytest.approx(aggregate(scores), abs=1e-12)


@pytest.mark.parametrize("aggregate", LINEAR)
@given(scores=TABLES, shift=st.integers(-9, 9), scale=st.integers(-4, 4))
@settings(max_examples=30, deadline=None)
def test_units_and_zero_do_not_matter(aggregate, scores, shift, scale):
    assert aggregate(scale * scores + shift) == pytest.approx(scale * aggregate(scores) + shift, abs=1e-9)


@given(scores=TABLES, target=st.integers(-5, 5).map(float))
@settings(max_examples=30, deadline=None)
def test_optimality_gap_is_never_negative_and_zero_at_the_target(scores, target):
    assert stats.optimality_gap(scores, target=target) >= 0
    assert stats.optimality_gap(np.maximum(scores, target), target=target) == 0


# one task


def test_interval_by_hand():
    result = stats.interval([1.0, 2.0, 3.0])
    reach = 4.302652729911275 / math.sqrt(3)  # t(2) at 0.975; the deviation is 1
    assert result == pytest.approx((2.0, 2.0 - reach, 2.0 + reach))


def test_interval_equals_scipy():
    scores = np.random.default_rng(4).exponential(size=9)
    theirs = scipy.stats.ttest_1samp(scores, 0.0).confidence_interval(0.9)
    assert stats.interval(scores, level=0.9)[1:] == pytest.approx((theirs.low, theirs.high))


def test_one_seed_has_no_interval():
    result = stats.interval([2.5])
    assert result.mean == 2.5
    assert math.isnan(result.low) and math.isnan(result.high)
    assert json.dumps(result.as_dict()) == '{"mean": 2.5, "low": null, "high": null}'
    others = [
        stats.stratified_bootstrap([[1.0, 4.0]], stats.mean),
        stats.probability_of_improvement([[1.0], [3.0]], [[2.0]]),
    ]
    assert [other.as_dict() for other in others] == [
        {"mean": 2.5, "low": None, "high": None},
        {"mean": 0.5, "low": None, "high": None},
    ]
    for band in (stats.iqm_curve([[1.0, 2.0]]), stats.mean_curve([[1.0, 2.0]])):
        np.testing.assert_array_equal(band.mean, [1.0, 2.0])
        assert np.isnan(band.low).all() and np.isnan(band.high).all()
    assert np.isnan(stats.performance_profile([[1.0, 2.0]], [1.5]).low).all()


def test_equal_seeds_leave_no_doubt():
    assert stats.interval([3.0, 3.0, 3.0]) == (3.0, 3.0, 3.0)


@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_interval_holds_the_mean_as_often_as_it_says(seeds: int):
    draws = np.random.default_rng(seeds).normal(loc=1.0, size=(seeds, 4000))
    band = stats.mean_curve(draws)  # 4,000 experiments at once
    assert np.mean((band.low <= 1.0) & (band.high >= 1.0)) == pytest.approx(0.95, abs=0.012)


def test_bootstrap_of_three_seeds_is_too_sure_which_is_why_interval_does_not_use_it():
    draws = np.random.default_rng(0).normal(size=(3, 2000))
    band = stats.iqm_curve(draws, samples=500)  # of three seeds nothing is trimmed: this is the mean
    assert np.mean((band.low <= 0.0) & (band.high >= 0.0)) < 0.80


def test_bootstrap_of_ten_seeds_over_tasks_holds_the_truth():
    generator = np.random.default_rng(1)
    experiments = generator.normal(size=(300, 10, 5)) + np.linspace(0, 1, 5)
    held = [
        result.low <= 0.5 <= result.high
        for result in (stats.stratified_bootstrap(scores, stats.mean, samples=300) for scores in experiments)
    ]
    assert 0.88 <= np.mean(held) <= 0.98


# several tasks


def test_bootstrap_redraws_within_tasks_only():
    # Every task has equal seeds, so no resample can differ; mixing tasks would.
    scores = np.tile([0.0, 1.0, 5.0], (4, 1))
    for statistic in AGGREGATES:
        result = stats.stratified_bootstrap(scores, statistic)
        assert result.low == result.mean == result.high


def test_bootstrap_redraws_tasks_apart():
    # Both tasks hold 0 and 1. Drawn apart the mean is 0 with probability 1/16; drawn as whole rows it would be 1/4.
    result = stats.stratified_bootstrap([[0.0, 0.0], [1.0, 1.0]], stats.mean, samples=4000, level=0.8)
    assert result == (0.5, 0.25, 0.75)


def test_bootstrap_equals_scipy_for_one_task():
    scores = np.random.default_rng(6).normal(size=12)
    theirs = scipy.stats.bootstrap(
        (scores,), np.mean, method="percentile", n_resamples=8000, rng=np.random.default_rng(1)
    ).confidence_interval
    ours = stats.stratified_bootstrap(scores[:, None], stats.mean, samples=8000)
    width = theirs.high - theirs.low
    assert ours[1:] == pytest.approx((theirs.low, theirs.high), abs=0.05 * width)


def test_same_generator_same_interval():
    scores = np.random.default_rng(0).normal(size=(5, 3))

    def all_results(seed: int | None):
        def generator():
            return None if seed is None else np.random.default_rng(seed)

        return [
            stats.stratified_bootstrap(scores, generator=generator()),
            stats.probability_of_improvement(scores, scores + 0.1, generator=generator()),
            *stats.performance_profile(scores, [0.0, 1.0], generator=generator()),
            *stats.iqm_curve(scores, generator=generator()),
        ]

    for first, second in zip(all_results(None), all_results(0), strict=True):
        np.testing.assert_array_equal(first, second)
    assert all_results(0)[0] != all_results(1)[0]


def test_blocks_of_memory_cover_all_samples(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(stats, "BLOCK", 100)
    sizes = []

    def counting(scores, axis=(-2, -1)):
        sizes.append(len(scores) if scores.ndim == 3 else 0)
        return stats.mean(scores, axis)

    stats.stratified_bootstrap(np.arange(30.0).reshape(10, 3), counting, samples=10)
    assert sizes == [0, 3, 3, 3, 1]


def test_higher_level_is_wider():
    scores = np.random.default_rng(0).normal(size=(6, 4))
    narrow, wide = (stats.stratified_bootstrap(scores, level=level) for level in (0.5, 0.99))
    assert wide.low < narrow.low < narrow.mean < narrow.high < wide.high


def test_probability_of_improvement_by_hand():
    x, y = [[1.0, 0.0], [3.0, 0.0]], [[1.0, 5.0], [2.0, 5.0], [0.0, 0.0]]
    # Task one: 1 ties 1, loses to 2, beats 0; 3 wins thrice: 4.5 of 6. Task two: two ties of 6.
    assert stats.probability_of_improvement(x, y).mean == pytest.approx((4.5 / 6 + 1 / 6) / 2)


@given(x=TABLES, seeds=st.integers(2, 5), seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_probability_of_improvement_is_mann_whitney_and_antisymmetric(x, seeds, seed):
    y = np.random.default_rng(seed).integers(-20, 20, size=(seeds, x.shape[1])) / 4
    ours = stats.probability_of_improvement(x, y, samples=20)
    wins = scipy.stats.mannwhitneyu(x, y, method="exact").statistic / (len(x) * seeds)
    assert ours.mean == pytest.approx(wins.mean(), abs=1e-12)
    assert stats.probability_of_improvement(y, x, samples=20).mean == pytest.approx(1 - ours.mean, abs=1e-12)
    monotone = stats.probability_of_improvement(np.exp(x), np.exp(y), samples=20)
    assert monotone == pytest.approx(ours, abs=1e-12)
    assert 0 <= ours.low <= ours.high <= 1


def test_performance_profile_by_hand():
    profile = stats.performance_profile([[0.0, 1.0], [0.5, 2.0]], [-1.0, 0.0, 0.7, 2.0])
    np.testing.assert_array_equal(profile.mean, [1.0, 0.75, 0.5, 0.0])  # a score on the threshold is not above it
    np.testing.assert_array_equal(profile.low, [1.0, 0.5, 0.5, 0.0])
    np.testing.assert_array_equal(profile.high, [1.0, 1.0, 0.5, 0.0])


@given(scores=TABLES)
@settings(max_examples=30, deadline=None)
def test_performance_profile_falls_and_stays_in_its_band(scores):
    thresholds = np.linspace(-6, 6, 25)
    profile = stats.performance_profile(scores, thresholds, samples=50)
    for line in profile:
        assert np.all(np.diff(line) <= 0) and line[0] == 1 and line[-1] == 0
    # The area under the profile above the lowest threshold is the mean, up to the grid.
    area = profile.mean.sum() * 0.5 - 6
    assert area == pytest.approx(scores.mean(), abs=0.5)


# curves


def test_mean_curve_is_interval_at_each_time():
    curves = np.random.default_rng(0).normal(size=(4, 3))
    band = stats.mean_curve(curves, level=0.8)
    for time in range(3):
        assert tuple(line[time] for line in band) == pytest.approx(stats.interval(curves[:, time], level=0.8))


def test_iqm_curve_by_hand():
    curves = np.array([[0.0, 9.0], [1.0, 9.0], [2.0, 9.0], [90.0, 9.0]])
    band = stats.iqm_curve(curves)
    np.testing.assert_allclose(band.mean, [1.5, 9.0])
    np.testing.assert_allclose([band.low[1], band.high[1]], [9.0, 9.0])
    assert 0.0 <= band.low[0] < 1.5 < band.high[0] <= 90.0


def test_align_returns_shared_steps_unchanged():
    steps, values = [100, 200, 400], np.array([[1.0, 5.0, 2.0], [0.0, -1.0, 3.0]])
    rows = [(seed, step, values[seed, time]) for time, step in enumerate(steps) for seed in (0, 1)]
    aligned = stats.align(rows, seeds=[1, 0])
    np.testing.assert_array_equal(aligned.steps, steps)
    np.testing.assert_allclose(aligned.curves, values[[1, 0]])


def test_align_fills_missing_values_from_neighbors():
    rows = [(0, 10, None), (0, 20, 1.0), (0, 30, math.nan), (0, 40, 3.0), (7, 0, math.inf)]
    rows += [(1, 10, 4.0), (1, 20, 4.0), (1, 35, 4.0), (1, 50, 4.0)]
    aligned = stats.align(rows, seeds=[0, 1])
    np.testing.assert_array_equal(aligned.steps, [20, 35, 40])  # what both cover; rows of seed 7 are left out
    np.testing.assert_allclose(aligned.curves, [[1.0, 2.5, 3.0], [4.0, 4.0, 4.0]])


def test_align_interpolates_from_rows_just_outside_the_shared_steps():
    rows = [(0, 0, 0.0), (0, 1, 1.0), (0, 9, 9.0), (0, 10, 50.0), (1, 4, 0.0), (1, 6, 0.0)]
    aligned = stats.align(rows, seeds=[0, 1])
    np.testing.assert_array_equal(aligned.steps, [4, 6])
    np.testing.assert_allclose(aligned.curves[0], [4.0, 6.0])


def test_align_averages_many_rows_into_few_points():
    generator = np.random.default_rng(0)
    rows = [(seed, step, step + 100 * generator.normal()) for seed in (0, 1) for step in range(10_000)]
    aligned = stats.align(rows, seeds=[0, 1], points=11)
    np.testing.assert_allclose(aligned.steps, np.linspace(0, 9999, 11))
    # About 900 rows a point: their noise of 100 shrinks to about 3. The ends see half a cell, one-sided.
    np.testing.assert_allclose(aligned.curves[:, 1:-1], np.tile(aligned.steps[1:-1], (2, 1)), atol=15)
    np.testing.assert_allclose(aligned.curves[:, 0], 250, atol=25)


def test_align_averages_rows_of_one_step():
    aligned = stats.align([(0, 1, 2.0), (0, 1, 4.0), (0, 2, 5.0)], seeds=[0])
    np.testing.assert_allclose(aligned.curves, [[3.0, 5.0]])


@given(
    steps=st.lists(
        st.lists(st.integers(0, 60), min_size=1, max_size=30).map(lambda s: [0, *s, 60]), min_size=1, max_size=3
    ),
    points=st.integers(2, 40),
    slope=st.integers(-3, 3),
)
@settings(max_examples=60, deadline=None)
def test_align_keeps_bounds_and_shape(steps, points, slope):
    rows = [(seed, step, float(slope * step)) for seed, mine in enumerate(steps) for step in mine]
    aligned = stats.align(rows, seeds=range(len(steps)), points=points)
    assert aligned.curves.shape == (len(steps), len(aligned.steps)) and len(aligned.steps) <= points
    assert aligned.steps[0] == 0 and aligned.steps[-1] == 60 and np.all(np.diff(aligned.steps) > 0)
    # A straight line stays straight inside; at the ends it may be flattened by up to half a cell.
    half = np.diff(aligned.steps).max() / 2
    assert np.all(np.abs(aligned.curves - slope * aligned.steps) <= abs(slope) * half + 1e-9)


# bad input

GOOD = [[1.0, 2.0], [3.0, 4.0]]
BAD = [
    ([], "empty|shape"),
    (np.ones((0, 2)), "empty"),
    ([[1.0, math.nan], [3.0, 4.0]], r"score at \[0, 1\] is nan"),
    ([[1.0, 2.0], [math.inf, 4.0]], r"score at \[1, 0\] is inf"),
    ([1.0, 2.0], r"shape \(2,\): pass an array \[seed, t"),
    (np.ones((2, 2, 2)), r"shape \(2, 2, 2\): pass an array \[seed, t"),
    ([[1.0, 2.0], [3.0]], "regular array"),
]


@pytest.mark.parametrize(("scores", "line"), BAD)
@pytest.mark.parametrize(
    "measure",
    [
        stats.stratified_bootstrap,
        stats.iqm_curve,
        stats.mean_curve,
        lambda scores: stats.probability_of_improvement(scores, GOOD),
        lambda scores: stats.probability_of_improvement(GOOD, scores),
        lambda scores: stats.performance_profile(scores, [0.0]),
    ],
)
def test_bad_tables(measure, scores, line):
    with pytest.raises(InputError, match=line):
        measure(scores)


@pytest.mark.parametrize("aggregate", AGGREGATES)
def test_bad_scores_of_aggregates(aggregate):
    for scores, axis in [([], 0), ([[math.nan]], (0, 1)), ([1.0, 2.0], (-2, -1)), ([1.0, 2.0], 1), (GOOD, (0, 0))]:
        with pytest.raises(InputError):
            aggregate(scores, axis=axis)


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: stats.interval([]), "empty"),
        (lambda: stats.interval([1.0, math.nan]), r"score at \[1\] is nan"),
        (lambda: stats.interval(GOOD), r"pass an array \[seed\]"),
        (lambda: stats.interval([1.0, 2.0], level=95.0), "level is 95.0: pass a share"),
        (lambda: stats.stratified_bootstrap(GOOD, level=0.0), "level is 0.0"),
        (lambda: stats.stratified_bootstrap(GOOD, samples=0), "samples is 0: draw at least 1"),
        (lambda: stats.probability_of_improvement(GOOD, [[1.0]]), "x has 2 tasks, y has 1"),
        (lambda: stats.performance_profile(GOOD, []), "empty"),
        (lambda: stats.align([], seeds=[]), "no seeds"),
        (lambda: stats.align([(0, 1, 1.0)], seeds=[0], points=1), "at least 2 points"),
        (lambda: stats.align([(0, 1, 1.0), (1, 1, None)], seeds=[0, 1]), "no values for seed 1"),
        (lambda: stats.align([(0, 1, 1.0), (1, 2, 1.0)], seeds=[0, 1]), "one seed starts at step 2, another ends at 1"),
        (lambda: stats.align([(0, 1, math.inf)], seeds=[0]), "is inf"),
    ],
)
def test_bad_arguments(call, line):
    with pytest.raises(InputError, match=line) as raised:
        call()
    assert "\n" not in str(raised.value)


def test_import_is_light():
    code = (
        "import sys, interplay.measure.stats; print([m for m in ('jax', 'scipy.stats', 'pandas') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
