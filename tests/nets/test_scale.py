"""The running scale of values, by hand."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay.nets.scale import ValueScale

TARGET, WEIGHT = jnp.array([1.0, 5.0, 100.0]), jnp.array([1.0, 1.0, 0.0])


def test_before_anything_was_seen_it_is_the_identity():
    scale = ValueScale(0.9)
    assert scale.normalize(TARGET).tolist() == scale.denormalize(TARGET).tolist() == TARGET.tolist()


def test_the_first_update_is_debiased_to_the_batch():
    scale = ValueScale(0.9).update(TARGET, WEIGHT)
    np.testing.assert_allclose(scale.normalize(jnp.array([1.0, 3.0, 5.0])), [-1, 0, 1], atol=1e-4)
    np.testing.assert_allclose(scale.denormalize(scale.normalize(TARGET)), TARGET, rtol=1e-5)


def test_two_updates_by_hand():
    scale = ValueScale(0.9).update(TARGET, WEIGHT).update(jnp.array([7.0]), jnp.array([2.0]))
    count = 0.1 + 0.9 * 0.1
    mean = (0.9 * 0.1 * 3 + 0.1 * 7) / count
    variance = (0.9 * 0.1 * 13 + 0.1 * 49) / count - mean**2
    np.testing.assert_allclose(scale.denormalize(jnp.array([0.0, 1.0])), [mean, mean + np.sqrt(variance)], rtol=1e-5)


def test_decay_one_never_scales():
    scale = ValueScale(1.0).update(TARGET, WEIGHT)
    assert scale.normalize(TARGET).tolist() == TARGET.tolist()


def test_constant_targets_and_no_rows_stay_finite():
    scale = ValueScale(0.5).update(jnp.full(3, 4.0), jnp.ones(3))
    assert float(scale.normalize(jnp.array(4.0))) == pytest.approx(0)
    assert np.isfinite(ValueScale(0.5).update(TARGET, jnp.zeros(3)).normalize(TARGET)).all()


def test_no_gradient_passes_into_the_statistics():
    scale = ValueScale(0.9).update(TARGET, WEIGHT)
    slope = eqx.filter_grad(lambda scale: (scale.normalize(TARGET) + scale.denormalize(TARGET)).sum())(scale)
    assert not any(leaf.any() for leaf in jax.tree.leaves(slope))
