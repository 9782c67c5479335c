"""Social metrics worked out by hand."""

import jax.numpy as jnp
import pytest

from interplay.measure import social

REWARD = jnp.array([[1.0, 0.0, 0.0], [1.0, 0.0, -1.0], [0.0, 2.0, 0.0], [1.0, 0.0, 0.0]])
ACTIVE = jnp.array([[True, True, True], [True, False, True], [True, False, True], [True, True, True]])


def test_all_of_one_episode():
    found = social.metrics(REWARD, ACTIVE)
    assert found.efficiency == pytest.approx(4 / 4)
    # returns 3, 2, -1: Σ_ij |R_i − R_j| = 2 (1 + 4 + 3) = 16, over 2 · 3 · 4
    assert found.equality == pytest.approx(1 - 16 / 24)
    assert found.shifted_equality == pytest.approx(1 - 16 / (6 * 7))
    assert found.sustainability == pytest.approx(((0 + 1 + 3) / 3 + 2) / 2)  # the third never earns
    assert found.peace == pytest.approx((12 - 2) / 4)


def test_equality_of_totals_that_are_not_positive_is_one_as_published():
    assert social.equality(jnp.array([-5.0, 1.0])) == 1.0
    assert social.shifted_equality(jnp.array([-5.0, 1.0])) == pytest.approx(0.5)
    assert social.shifted_equality(jnp.array([-2.0, -2.0])) == 1.0


def test_nobody_who_earns_sustains_nothing():
    assert social.sustainability(jnp.zeros((3, 2))) == 0.0
