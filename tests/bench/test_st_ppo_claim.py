"""What the claim of ST-PPO reads from histories: areas, collapses, and biases that warn of them."""

import numpy as np
import pytest

from interplay.claims import st_ppo

RISE, FALL = np.linspace(0.2, 0.9, 30), np.linspace(0.9, 0.2, 10)


def history(*parts, bias=None):
    values = np.concatenate(parts)
    return {"return": values, "bias": np.zeros(len(values)) if bias is None else bias}


def test_a_collapse_is_a_fall_by_half_that_lasts_to_the_end():
    assert st_ppo.collapsed(history(RISE, FALL, np.full(10, 0.2))) == 1
    assert st_ppo.collapsed(history(RISE, FALL, RISE)) == 0  # recovered
    assert st_ppo.collapsed(history(RISE)) == 0
    assert st_ppo.collapsed(history(np.full(20, -0.1))) == 0  # never rose


def test_a_bias_that_grows_before_a_fall_is_a_warning():
    flat = np.full(20, 0.5)
    values = (flat, FALL - 0.4, np.full(20, -0.2))
    early, late = np.zeros(50), np.zeros(50)
    early[14:26], late[32:44] = np.arange(1, 13), np.arange(1, 13)
    assert st_ppo.warning(history(*values, bias=early)) < -0.5
    assert st_ppo.warning(history(*values, bias=late)) > -0.1
    assert st_ppo.warning(history(*values)) == 0


def test_the_area_is_the_mean():
    assert st_ppo.area(history(RISE)) == pytest.approx(0.55)
