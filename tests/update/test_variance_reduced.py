"""Schedules, points, moves and the recursion itself, on arithmetic done by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay.objectives.policy_gradient import Estimator
from interplay.update import variance_reduced as vr
from interplay.update.variance_reduced import Sample

# J(θ) = E[record · θ]: a record is a row of slopes, and the gradient is that row
LINEAR = Estimator(lambda theta, record: (record["action"] @ theta["a"])[None, None], lambda record: record["worth"])


def sample(theta, slope):
    return Sample(theta, {"action": jnp.asarray(slope), "worth": jnp.ones((1, 1))})


def test_schedules_start_at_one_and_fall():
    steps = jnp.array([0, 2, 6])
    np.testing.assert_allclose(vr.power(1.0, 3.0)(steps), [3.0, 1.5, 0.75])
    np.testing.assert_allclose(vr.power(0)(steps), 1.0)
    np.testing.assert_allclose(vr.power(4 / 5)(steps)[1], 0.5**0.8)


def test_the_recursion_by_hand():
    optimizer = vr.averaging(LINEAR, vr.power(1), vr.power(1, 0.5), move=vr.whole, point=vr.extrapolated())
    key, theta = jax.random.key(0), {"a": jnp.array([1.0, 0.0])}
    state = optimizer.init(theta)
    slopes = [np.array([2.0, 0.0]), np.array([0.0, 4.0]), np.array([1.0, 1.0])]
    now, before, direction = np.array([1.0, 0.0]), np.array([1.0, 0.0]), np.zeros(2)
    for t, slope in enumerate(slopes):
        share = 2 / (t + 2)
        [(point, role)] = optimizer.query_points(state, key)
        assert role == "grad"
        np.testing.assert_allclose(point["a"], now + (1 - share) / share * (now - before), rtol=1e-6)
        theta, state = optimizer.update(state, [sample(point, slope)], key)
        direction = (1 - share) * direction + share * slope
        now, before = now + 0.5 * share * direction, now
        np.testing.assert_allclose(theta["a"], now, rtol=1e-6)
        np.testing.assert_allclose(state.direction["a"], direction, rtol=1e-6)


def test_the_weighted_mean_of_the_points_played_at_is_where_the_parameters_are():
    """What extrapolation is for: weigh points as the direction weighs their gradients."""
    optimizer, key = vr.igt(LINEAR, 1.0), jax.random.key(0)
    state, mean = optimizer.init({"a": jnp.array([1.0, 0.0])}), np.zeros(2)
    for t in range(12):
        [(point, _)] = optimizer.query_points(state, key)
        share = float(vr.power(4 / 5)(jnp.asarray(t)))
        mean = (1 - share) * mean + share * np.asarray(point["a"])
        np.testing.assert_allclose(mean, state.parameters["a"], atol=1e-5)
        _, state = optimizer.update(state, [sample(point, jax.random.normal(jax.random.key(t), (2,)))], key)


def test_moves_have_the_norm_of_all_parameters_together_and_zero_stays_zero():
    direction = {"a": jnp.array([3.0, 0.0]), "b": jnp.array([[4.0]]), "none": None}
    moved = vr.unit(LINEAR, direction, sample(None, [0.0]))
    np.testing.assert_allclose(moved["a"], [0.6, 0.0])
    np.testing.assert_allclose(moved["b"], 0.8)
    nothing = vr.unit(LINEAR, {"a": jnp.zeros(2)}, sample(None, [0.0]))
    assert not nothing["a"].any()


def test_curvature_is_asked_for_between_the_last_two_points():
    optimizer = vr.harpg(LINEAR, 1.0)
    assert optimizer.roles == ("grad", "hvp")
    state = optimizer.init({"a": jnp.zeros(2)})
    state = vr.Progress({"a": jnp.array([1.0, 2.0])}, state.before, state.direction, jnp.asarray(5))
    parts = []
    for seed in range(200):
        (first, _), (between, role) = optimizer.query_points(state, jax.random.key(seed))
        assert role == "hvp"
        np.testing.assert_array_equal(first["a"], [1.0, 2.0])
        np.testing.assert_allclose(between["a"][1], 2 * between["a"][0], rtol=1e-6)
        parts.append(float(between["a"][0]))
    assert 0 <= min(parts) < 0.1 < 0.9 < max(parts) <= 1
    assert abs(np.mean(parts) - 0.5) < 0.08


def test_the_natural_step_does_not_depend_on_how_parameters_are_scaled():
    """With λ → 0, x = F⁻¹ g: scaling a parameter by c scales its step by 1 / c."""
    actions, worth = jax.random.normal(jax.random.key(0), (6, 2)), jnp.arange(6.0)[:, None]

    def step(scale):
        log_probs = lambda theta, record: (record @ (theta * scale))[:, None]
        estimator = Estimator(log_probs, lambda record: worth)
        theta = jnp.array([0.3, -0.2]) / scale
        slope = jax.grad(lambda theta: (worth * log_probs(theta, actions)).sum())(theta)
        return vr.natural(damping=1e-6)(estimator, slope, Sample(theta, actions)) * scale

    np.testing.assert_allclose(step(jnp.array([1.0, 1.0])), step(jnp.array([1.0, 2.0])), rtol=2e-3)


def test_wrong_numbers_of_samples_are_no_update():
    optimizer = vr.harpg(LINEAR, 1.0)
    theta = {"a": jnp.zeros(2)}
    with pytest.raises(IndexError):
        optimizer.update(optimizer.init(theta), [sample(theta, [1.0, 0.0])], jax.random.key(0))
