"""The keyed bijection is one, and its orders are as uniform as those of a sort of random numbers."""

import jax
import numpy as np
import pytest
from scipy import stats

from interplay.core.keys import FEW, permutation, uniform

MANY = 20_000
QUICK = {"xla_backend_optimization_level": 3, "xla_cpu_use_fusion_emitters": True}  # here it is running that takes time


def orders(function, size, count=MANY):
    draw = jax.jit(jax.vmap(lambda key: function(key, size)), compiler_options=QUICK)
    return np.asarray(draw(jax.random.split(jax.random.key(2), count)))


def surprise(counts):
    """How likely counts at least as uneven as these are, if all were equally probable."""
    return stats.chisquare(np.ravel(counts)).pvalue


def positions(order):
    size = order.shape[1]
    return np.stack([np.bincount(column, minlength=size) for column in order.T])


def neighbors(order):
    """How often b follows a, for every a ≠ b."""
    size = order.shape[1]
    pairs = np.bincount((order[:, :-1] * size + order[:, 1:]).ravel(), minlength=size * size).reshape(size, size)
    return pairs[~np.eye(size, dtype=bool)]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 63, FEW, FEW + 1, 100, 255, 256, 257, 1000, 4096, 6144])
def test_every_order_holds_every_item_once(size):
    order = orders(permutation, size, 20)
    np.testing.assert_array_equal(np.sort(order, axis=1), np.broadcast_to(np.arange(size), order.shape))
    assert order.dtype == np.int32
    assert size < 10 or len(np.unique(order, axis=0)) == 20


@pytest.mark.parametrize("size", [2, 3, 5, 16, 65, 80])
def test_items_and_neighbors_are_spread_as_evenly_as_by_a_sort(size):
    ours, sorts = orders(permutation, size), orders(jax.random.permutation, size)
    for count in (positions, neighbors):
        assert surprise(count(sorts)) > 1e-4, "the test itself"
        assert surprise(count(ours)) > 1e-4


@pytest.mark.parametrize("size", [2, 3, 4, 5])
def test_whole_orders_of_few_agents_are_equally_likely(size):
    order = orders(permutation, size, 5 * MANY)
    assert surprise(np.unique(order, axis=0, return_counts=True)[1]) > 1e-4
    assert len(np.unique(order, axis=0)) == np.prod(np.arange(1, size + 1))


def test_where_the_first_three_of_many_go_is_spread_evenly():
    places = orders(permutation, 68, 4 * MANY)[:, :3] // 17  # in which quarter each of the first three items lies
    counts = np.bincount(places @ [16, 4, 1], minlength=64).reshape(4, 4, 4)
    same = np.array([[[17 - (a == b) for b in range(4)] for a in range(4)]]).reshape(4, 4)
    chance = np.array(
        [[[17 * same[a, b] * (17 - (a == c) - (b == c)) for c in range(4)] for b in range(4)] for a in range(4)]
    )
    expected = chance / chance.sum() * counts.sum()
    assert stats.chisquare(counts.ravel(), expected.ravel()).pvalue > 1e-4


def test_the_same_key_gives_the_same_order():
    key = jax.random.key(4)
    np.testing.assert_array_equal(permutation(key, 300), jax.jit(permutation, static_argnums=1)(key, 300))


def test_uniform_numbers_are_uniform_and_know_nothing_of_each_other():
    rows = np.asarray(jax.jit(jax.vmap(lambda key: uniform(key, (64,))))(jax.random.split(jax.random.key(3), 4000)))
    assert rows.min() >= 0
    assert rows.max() < 1
    assert surprise(np.histogram(rows, 256, (0, 1))[0]) > 1e-4
    cells = (rows * 16).astype(int)
    for first, second in ((cells[:, :-1], cells[:, 1:]), (cells[:-1], cells[1:])):  # next position, next key
        assert surprise(np.bincount((16 * first + second).ravel(), minlength=256)) > 1e-4
    assert stats.kstest(rows.sum(1), stats.norm(32, np.sqrt(64 / 12)).cdf).pvalue > 1e-4
    assert len(np.unique(uniform(jax.random.key(0), (2, 500)))) > 990
