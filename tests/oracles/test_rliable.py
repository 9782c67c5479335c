"""The statistics equal those of rliable: point estimates to rounding, intervals within the noise of resampling."""

from types import SimpleNamespace

import numpy as np
import pytest

from interplay.measure import stats

TASKS = 6
GENERATOR = np.random.default_rng(11)
SCORES = GENERATOR.gamma(2.0, 0.4, size=(8, TASKS)) + np.linspace(0, 1, TASKS)
OTHERS = GENERATOR.gamma(2.0, 0.5, size=(5, TASKS)) + np.linspace(0, 1, TASKS)
COARSE = [np.round(2 * scores) / 2 for scores in (SCORES, OTHERS)]  # many ties
RESAMPLES = 4000
NOISE = 0.06  # of an interval's width: several standard errors of a 2.5 % quantile of 4,000 resamples


@pytest.fixture(scope="module")
def rliable() -> SimpleNamespace:
    # arch 7, the newest that rliable 1.2 allows, fails at import beside pandas 3: it needs pandas below 3.
    from rliable import library, metrics

    return SimpleNamespace(library=library, metrics=metrics)


@pytest.fixture(autouse=True)
def seeded():
    """rliable draws from numpy's global generator whatever random state it is given."""
    before = np.random.get_state()
    np.random.seed(0)
    yield
    np.random.set_state(before)


def metrics_and_ours(metrics):
    return [
        (metrics.aggregate_mean, stats.mean),
        (metrics.aggregate_median, stats.median),
        (metrics.aggregate_iqm, stats.interquartile_mean),
        (metrics.aggregate_optimality_gap, stats.optimality_gap),
    ]


def assert_same_interval(ours: stats.Interval, theirs: np.ndarray):
    low, high = theirs.ravel()
    np.testing.assert_allclose([ours.low, ours.high], [low, high], rtol=0, atol=NOISE * (high - low))


@pytest.mark.parametrize("seeds", range(1, 9))
@pytest.mark.parametrize("tasks", range(1, TASKS + 1))
def test_aggregates(seeds: int, tasks: int):
    from rliable import metrics

    scores = SCORES[:seeds, :tasks]
    for theirs, ours in metrics_and_ours(metrics):
        np.testing.assert_allclose(ours(scores), theirs(scores), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("x", "y"), [(SCORES, OTHERS), tuple(COARSE), (SCORES, SCORES), (OTHERS[:1], SCORES)])
def test_probability_of_improvement(x: np.ndarray, y: np.ndarray):
    from rliable import metrics

    ours = stats.probability_of_improvement(x, y, samples=1).mean
    np.testing.assert_allclose(ours, metrics.probability_of_improvement(x, y), rtol=0, atol=1e-12)


def test_intervals_of_aggregates(rliable: SimpleNamespace):
    pairs = metrics_and_ours(rliable.metrics)

    def theirs(scores: np.ndarray) -> np.ndarray:
        return np.array([function(scores) for function, _ in pairs])

    points, intervals = rliable.library.get_interval_estimates({"x": SCORES}, theirs, reps=RESAMPLES)
    for index, (_, statistic) in enumerate(pairs):
        ours = stats.stratified_bootstrap(SCORES, statistic, samples=RESAMPLES)
        assert ours.mean == pytest.approx(points["x"][index], abs=1e-12)
        assert_same_interval(ours, intervals["x"][:, index])


def test_interval_of_probability_of_improvement(rliable: SimpleNamespace):
    def theirs(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.array([rliable.metrics.probability_of_improvement(x, y)])

    x, y = SCORES[:, :2], OTHERS[:, :2]
    points, intervals = rliable.library.get_interval_estimates({"x": [x, y]}, theirs, reps=1000)
    ours = stats.probability_of_improvement(x, y, samples=RESAMPLES)
    assert ours.mean == pytest.approx(points["x"][0], abs=1e-12)
    assert_same_interval(ours, intervals["x"])


def test_performance_profile(rliable: SimpleNamespace):
    thresholds = np.append(np.linspace(0, 3, 13), SCORES[0])  # the last ones meet a score exactly
    points, intervals = rliable.library.create_performance_profile({"x": SCORES}, thresholds, reps=RESAMPLES)
    ours = stats.performance_profile(SCORES, thresholds, samples=RESAMPLES)
    np.testing.assert_allclose(ours.mean, points["x"], rtol=0, atol=1e-12)
    one_run = 1.01 / SCORES.size  # shares are multiples of a run, so a quantile may fall on either of two neighbors
    np.testing.assert_allclose([ours.low, ours.high], intervals["x"], rtol=0, atol=one_run)


def test_curve_of_interquartile_means(rliable: SimpleNamespace):
    curves = np.cumsum(np.random.default_rng(2).normal(size=(10, 20)), axis=1)

    def theirs(scores: np.ndarray) -> np.ndarray:
        return np.array([rliable.metrics.aggregate_iqm(scores[..., time]) for time in range(scores.shape[-1])])

    points, intervals = rliable.library.get_interval_estimates({"x": curves[:, None]}, theirs, reps=1000)
    ours = stats.iqm_curve(curves, samples=RESAMPLES)
    np.testing.assert_allclose(ours.mean, points["x"], rtol=0, atol=1e-12)
    width = intervals["x"][1] - intervals["x"][0]
    assert np.all(np.abs(np.stack([ours.low, ours.high]) - intervals["x"]) < 0.12 * width)
