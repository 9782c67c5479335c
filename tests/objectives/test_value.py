"""Critic terms worked by hand, on the critic's own scale where there is one."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from interplay.nets.scale import ValueScale
from interplay.objectives import value

# values 2, 1.5 and 1 against targets 3, 3 and 0; the old value was 1 everywhere; agent 1 of row 1 did not act
close = lambda mine, theirs: np.testing.assert_allclose(mine, theirs, rtol=1e-4)


def loss(objective, seen, batch, team):
    return objective.terms[0][1](team, seen, batch)


def test_penalties():
    assert value.half_square(jnp.array([2.0, -3.0])).tolist() == [2.0, 4.5]
    assert value.huber(1.0)(jnp.array([0.5, -1.0, 3.0, -3.0])).tolist() == [0.125, 0.5, 2.5, 2.5]


def test_squared(seen, batch, team):
    close(loss(value.squared(), seen, batch, team)[0], 0.5 * (1 + 1.5**2 + 1) / 3)
    close(loss(value.squared(value.huber(1.0)), seen, batch, team)[0], (0.5 + 1 + 0.5) / 3)


def test_clipped(seen, batch, team):
    # towards the target the clipped error is the larger one: 1.2 against 3, 1.2 against 3, 1 against 0
    close(loss(value.clipped(0.2), seen, batch, team)[0], 0.5 * (1.8**2 + 1.8**2 + 1) / 3)
    close(loss(value.clipped(100.0), seen, batch, team)[0], loss(value.squared(), seen, batch, team)[0])


def test_errors_are_measured_on_the_critics_scale(seen, batch, team):
    scale = ValueScale(0.9).update(jnp.array([0.0, 4.0]), jnp.ones(2))  # mean 2, deviation 2
    scaled = dataclasses.replace(team, scale=scale)
    close(loss(value.squared(), seen, batch, scaled)[0], loss(value.squared(), seen, batch, team)[0] / 4)
    # old values 1 are −0.5 there; 2, 1.5 and 1 are 0, −0.25 and −0.5; targets 0.5, 0.5 and −1
    close(loss(value.clipped(0.2), seen, batch, scaled)[0], 0.5 * (0.8**2 + 0.8**2 + 0.5**2) / 3)


@pytest.mark.parametrize("objective", [value.squared(), value.clipped(0.2)])
def test_explained_variance(objective, seen, batch, team):
    error, target = np.array([1, 1.5, -1]), np.array([3, 3, 0])
    close(loss(objective, seen, batch, team)[1]["explained_variance"], 1 - error.var() / target.var())


def test_temporal_difference_is_the_squared_error_of_those_who_moved(team, seen, batch):
    loss, told = terms_of(value.temporal_difference(), team, seen, batch)
    plain, _ = terms_of(value.squared(), team, seen, batch)
    assert float(loss) == float(plain) == float(told["td_loss"])
    assert float(told["value"]) == pytest.approx((2 + 1.5 + 1) / 3)


def terms_of(loss, team, seen, batch):
    ((_, term),) = loss.terms
    return term(team, seen, batch)
