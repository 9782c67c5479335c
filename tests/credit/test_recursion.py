"""The recursion gives the same on numpy and JAX arrays, along any axis."""

import jax.numpy as jnp
import numpy as np

from interplay.credit import recursion

RNG = np.random.default_rng(0)


def test_by_hand():
    rows = recursion.accumulate(np.array([1.0, 2.0, 3.0]), np.array([0.5, 0.0, 2.0]), 10.0)
    assert rows.tolist() == [2.0, 2.0, 23.0]


def test_numpy_is_jax():
    delta, decay, last = RNG.normal(size=(7, 3)), RNG.uniform(size=(7, 3)), RNG.normal(size=3)
    ours = recursion.accumulate(delta, decay, last)
    theirs = recursion.accumulate(jnp.asarray(delta), jnp.asarray(decay), jnp.asarray(last))
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    turned = recursion.accumulate(delta.T, decay.T, last, axis=-1)
    np.testing.assert_array_equal(turned, ours.T)


def test_precision_of_the_input_is_kept():
    single = np.ones(3, np.float32)
    assert recursion.accumulate(single, single).dtype == np.float32
    assert recursion.accumulate(np.ones(3), np.ones(3)).dtype == np.float64
