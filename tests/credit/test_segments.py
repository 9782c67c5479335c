"""Sums, means and maxima by label, on numpy and JAX arrays."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay.credit import segments

BOTH = pytest.mark.parametrize("xp", [np, jnp], ids=["numpy", "jax"])


@BOTH
def test_within(xp):
    values, segment = xp.asarray([1.0, 2.0, 4.0, 8.0]), xp.asarray([2, 0, 2, 1])
    assert segments.sum_within(values, segment).tolist() == [5, 2, 5, 8]
    assert segments.max_within(values, segment).tolist() == [4, 2, 4, 8]
    assert segments.mean_within(values, segment, xp.asarray([3.0, 1.0, 1.0, 0.0])).tolist() == [1.75, 2, 1.75, 0]


@BOTH
def test_shapes_are_kept(xp):
    values, segment = xp.asarray([[1.0, 2.0], [4.0, 8.0]]), xp.asarray([[0, 0], [1, 0]])
    assert segments.sum_within(values, segment).tolist() == [[11, 11], [4, 11]]
    assert segments.distinct(segment, xp.asarray([[5, 5], [5, 6]])).tolist() == [[0, 0], [2, 1]]


@BOTH
def test_distinct_numbers_pairs_of_labels(xp):
    first, second = xp.asarray([900, -3, 900, -3, -3]), xp.asarray([1, 1, 0, 1, 0])
    number = segments.distinct(first, second)
    assert number.tolist() == [3, 1, 2, 1, 0]
    assert segments.distinct(first).tolist() == [1, 0, 1, 0, 0]


def test_distinct_takes_names_and_nothing():
    assert segments.distinct(np.array(["solver", "verifier", "solver"])).tolist() == [0, 1, 0]
    assert segments.distinct(np.array([], int)).shape == (0,)


def test_namespace_prefers_what_is_not_numpy():
    assert segments.namespace(np.ones(1), jnp.ones(1)) is jnp
    assert segments.namespace(np.ones(1), 2.0) is np


def test_groups_of_other_sizes_compile_nothing():
    compiled = jax.jit(lambda values, labels: segments.sum_within(values, segments.distinct(labels)))
    values = jnp.arange(4.0)
    assert compiled(values, jnp.array([0, 0, 0, 1])).tolist() == [3, 3, 3, 3]
    assert compiled(values, jnp.array([7, 8, 9, 9])).tolist() == [0, 1, 5, 5]
    assert compiled._cache_size() == 1


def test_no_gradient_through_constants():
    slope = jax.grad(lambda x: (segments.constant(x) * x).sum())(jnp.array([3.0]))
    assert slope.tolist() == [3.0]


def test_credit_of_language_teams_loads_no_jax():
    names = "groups, turns, opponents"
    code = f"import sys; from interplay.credit import {names}; sys.exit(int('jax' in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
