"""α-rank against OpenSpiel's and against chains solved by hand."""

import numpy as np
import pytest

from interplay.core.errors import InputError
from interplay.measure import rank


def test_a_strictly_dominant_combination_takes_all_the_time():
    table = np.array([[[1.0, 1.0], [0.0, 0.0]], [[1.0, 0.0], [1.0, 0.0]]])
    share = rank.stationary(table, 1e-9)
    np.testing.assert_allclose(share, [[1.0, 0.0], [0.0, 0.0]], atol=1e-6)
    assert [mixture.round(6).tolist() for mixture in rank.marginals(share)] == [[1.0, 0.0], [1.0, 0.0]]


def test_a_cycle_is_visited_evenly():
    rock = np.array([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]])
    for mixture in rank.marginals(rank.stationary(np.stack([rock, -rock]))):
        np.testing.assert_allclose(mixture, 1 / 3, atol=1e-9)


@pytest.mark.parametrize("shape", [(3, 4), (2, 3, 2)])
def test_the_distribution_is_openspiels(shape):
    alpharank = pytest.importorskip("open_spiel.python.egt.alpharank")
    rng = np.random.default_rng(0)
    tables = [rng.normal(size=shape) for _ in shape]
    theirs = alpharank.compute(tables, use_inf_alpha=True, inf_alpha_eps=1e-4)[2]
    np.testing.assert_allclose(rank.stationary(np.stack(tables), 1e-4).ravel(), theirs, atol=1e-9)


def test_one_policy_each_is_all_there_is():
    assert rank.stationary(np.zeros((2, 1, 1))).tolist() == [[1.0]]


def test_too_many_combinations_are_refused():
    with pytest.raises(InputError, match="combinations"):
        rank.stationary(np.zeros((2, 200, 200)))
