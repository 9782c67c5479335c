"""Sum trees against plain sums, whatever is written and however often."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay.play import sums

KEY = jax.random.key(0)


@pytest.mark.parametrize(("size", "width"), [(1, 2), (2, 4), (3, 8), (5, 16), (8, 16), (9, 32)])
def test_trees_have_room_for_their_leaves(size, width):
    assert sums.nodes(size) == width


@pytest.mark.parametrize("size", [1, 2, 5, 8])
def test_every_node_is_the_sum_of_its_two(size):
    rng = np.random.default_rng(0)
    trees, plain = jnp.zeros((3, sums.nodes(size))), np.zeros((3, size), np.float32)
    for _ in range(20):
        lane, place = rng.integers(3, size=4), rng.integers(size, size=4)
        given, mass = rng.random(4) < 0.7, rng.random(4, np.float32)
        mass = mass[[np.flatnonzero((lane == a) & (place == b))[0] for a, b in zip(lane, place, strict=True)]]
        trees = sums.put(trees, *map(jnp.asarray, (lane, place, mass, given)))
        plain[lane[given], place[given]] = mass[given]
        row = int(rng.integers(size))
        trees, plain[:, row] = sums.filled(trees, jnp.array([row]), 0.5, jnp.array([True])), 0.5
        trees = sums.filled(trees, jnp.array([row]), 9.0, jnp.array([False]))
    half = trees.shape[1] // 2
    np.testing.assert_array_equal(trees[:, half : half + size], plain)
    np.testing.assert_allclose(trees[:, 1], plain.sum(1), rtol=1e-6)
    for node in range(1, half):
        np.testing.assert_allclose(trees[:, node], trees[:, 2 * node] + trees[:, 2 * node + 1], rtol=1e-6)


def test_leaves_are_found_in_proportion_and_in_order():
    masses = jnp.array([[1.0, 0.0, 3.0], [0.0, 0.0, 0.0], [0.0, 4.0, 0.0]])
    trees = jnp.zeros((3, sums.nodes(3)))
    for place in range(3):
        trees = sums.put(trees, jnp.arange(3), jnp.full(3, place), masses[:, place], jnp.ones(3, bool))
    lane, place = sums.find(trees, jnp.array([0.0, 0.12, 0.13, 0.49, 0.5, 0.99, 1.0]))
    assert list(zip(lane.tolist(), place.tolist(), strict=True)) == [
        (0, 0), (0, 0), (0, 2), (0, 2), (2, 1), (2, 1), (2, 1)
    ]  # fmt: skip
    assert sums.leaf(trees, lane, place).tolist() == [1, 1, 3, 3, 4, 4, 4]


def test_chance_never_ends_on_a_leaf_of_mass_zero():
    mass = jnp.where(jax.random.bernoulli(KEY, 0.3, (64,)), jax.random.uniform(KEY, (64,)) * 1e-3, 0.0)
    trees = sums.put(jnp.zeros((1, sums.nodes(64))), jnp.zeros(64, int), jnp.arange(64), mass, jnp.ones(64, bool))
    chance = jax.random.uniform(jax.random.key(1), (5000,))
    assert (sums.leaf(trees, *sums.find(trees, chance)) > 0).all()
