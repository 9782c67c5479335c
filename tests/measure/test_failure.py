"""Probes of failure against numbers worked by hand and against their definitions."""

import jax.numpy as jnp
import numpy as np
import pytest

from interplay.core.errors import InputError
from interplay.measure import failure


def test_value_gap_counts_what_was_seen():
    values = jnp.array([[1.0, 3.0], [5.0, 4.0], [0.0, 9.0]])
    np.testing.assert_allclose(failure.value_gap(values), 4.0)
    np.testing.assert_allclose(failure.value_gap(values, jnp.array([3.0, 1.0, 0.0])), (3 * 2 + 1) / 4)
    np.testing.assert_allclose(failure.value_gap(jnp.array([[1.0, 7.0, 4.0]])), 3.0)  # to the second best
    np.testing.assert_allclose(failure.value_gap(values, jnp.zeros(3).at[2].set(5)), 9.0)


def slowly(features, label):
    """The silhouette by its definition, one row after another."""
    scores = []
    for one in range(len(label)):
        distance = np.linalg.norm(features - features[one], axis=1)
        same = (label == label[one]) & (np.arange(len(label)) != one)
        if not same.any():
            scores.append(0.0)
            continue
        b = min(distance[label == kind].mean() for kind in set(label) - {label[one]})
        a = distance[same].mean()
        scores.append((b - a) / max(a, b))
    return np.mean(scores)


def test_feature_separation_is_the_mean_silhouette():
    random = np.random.default_rng(0)
    features, label = random.normal(size=(12, 3)), random.integers(3, size=12)
    label[0] = 7  # alone
    np.testing.assert_allclose(failure.feature_separation(features, label), slowly(features, label), rtol=1e-9)


def test_visits_count_rows_so_many_times():
    random = np.random.default_rng(1)
    features, label, visits = random.normal(size=(6, 2)), np.array([0, 0, 1, 1, 1, 0]), np.array([3, 1, 2, 0, 1, 4])
    many = slowly(np.repeat(features, visits, 0), np.repeat(label, visits))
    np.testing.assert_allclose(failure.feature_separation(features, label, visits), many, rtol=1e-9)


def test_feature_separation_of_far_and_of_mixed_and_of_one_kind():
    near = np.array([[0.0], [0.1], [10.0], [10.1]])
    assert failure.feature_separation(near, np.array([0, 0, 1, 1])) > 0.95
    assert failure.feature_separation(near, np.array([0, 1, 0, 1])) < 0
    assert np.isnan(failure.feature_separation(near, np.zeros(4, int)))


def test_seeds_of_two_kinds_and_of_one():
    assert failure.polarization([0, 0, 1]) == pytest.approx(1.0)
    assert failure.polarization([0.4, 0.4]) == pytest.approx(0.0)
    assert failure.polarization([1.0, 1.0]) == 0.0
    low, between, high = failure.shares([0.1, 0.95, 0.92, 0.5, 0.5])
    np.testing.assert_allclose([low, between, high], [0.2, 0.4, 0.4])
    with pytest.raises(InputError, match="from 0 to 1"):
        failure.polarization([0.5, 1.5])
    with pytest.raises(InputError, match="one number per seed"):
        failure.shares([])


def test_cooperation_and_flicker():
    board = np.indices((4, 4)).sum(0).ravel() % 2
    flicker = jnp.array([board, 1 - board, board, 1 - board])
    np.testing.assert_allclose(failure.cooperation(flicker), 0.5)
    assert float(failure.repetition(flicker, 1)) == 0.0
    assert float(failure.repetition(flicker, 2)) == 1.0
    with pytest.raises(InputError, match="from 1 to 3"):
        failure.repetition(flicker, 4)
