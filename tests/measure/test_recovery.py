"""Reward recovery: what shifts and scales leave alone, and what it notices."""

import jax.numpy as jnp
import numpy as np

from interplay.measure import recovery

RNG = np.random.default_rng(0)


def test_correlation_ignores_scale_and_a_number_per_state():
    true = jnp.asarray(RNG.normal(size=(5, 3)), jnp.float32)
    legal = jnp.asarray(RNG.random((5, 3)) < 0.9).at[:, :2].set(True)
    weight = jnp.arange(5.0)
    shifted = 0.5 * true + jnp.arange(5.0)[:, None]
    np.testing.assert_allclose(recovery.correlation(shifted, true, legal, weight), 1.0, rtol=1e-5)
    np.testing.assert_allclose(recovery.correlation(-true, true, legal, weight), -1.0, rtol=1e-5)
    wrong = jnp.where(legal, true, 100.0)  # illegal actions and states of weight 0 do not count
    wrong = wrong.at[0].set(-true[0])
    np.testing.assert_allclose(recovery.correlation(wrong, true, legal, weight), 1.0, rtol=1e-5)
    assert float(recovery.correlation(jnp.zeros((5, 3)), true, legal, weight)) == 0.0
