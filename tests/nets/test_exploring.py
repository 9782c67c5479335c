"""Chances of exploring agents, worked out by hand; schedules count environment steps."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay.nets import exploring

VALUES, ZERO = jnp.array([1.0, 3.0, 2.0]), jnp.zeros((), jnp.int32)


def chances(explore, legal, steps=ZERO):
    return np.exp(explore(VALUES, jnp.array(legal), steps).log_probs)


@pytest.mark.parametrize(
    ("legal", "expected"),
    [
        ([True, True, True], [0.1, 0.8, 0.1]),
        ([True, False, True], [0.15, 0.0, 0.85]),
        ([False, False, False], [0.1, 0.8, 0.1]),
    ],
)
def test_epsilon_greedy(legal, expected):
    explore = exploring.epsilon_greedy(exploring.linear(0.3, 0.3, 0))
    np.testing.assert_allclose(chances(explore, legal), expected, rtol=1e-5)


def test_without_epsilon_the_best_is_certain_and_with_one_all_are_equal():
    explore = exploring.epsilon_greedy(exploring.linear(1.0, 0.0, 10))
    assert chances(explore, [True] * 3, jnp.array(10)).tolist() == [0.0, 1.0, 0.0]
    np.testing.assert_allclose(chances(explore, [True] * 3), [1 / 3] * 3, rtol=1e-5)


def test_boltzmann():
    explore = exploring.boltzmann(exploring.linear(2.0, 0.5, 10))
    for steps, temperature in ((0, 2.0), (5, 1.25), (100, 0.5)):
        expected = np.exp(np.array([1.0, 3.0]) / temperature)
        found = chances(explore, [True, True, False], jnp.array(steps))
        np.testing.assert_allclose(found, [*expected / expected.sum(), 0.0], rtol=1e-5)


def test_boltzmann_at_no_temperature_is_greedy():
    explore = exploring.boltzmann(exploring.linear(0.0, 0.0, 0))
    np.testing.assert_allclose(chances(explore, [True, False, True]), [0, 0, 1], atol=1e-6)


def test_never_takes_the_best_legal_action():
    assert int(exploring.NEVER(VALUES, jnp.array([True, False, True]), ZERO).mode()) == 2


def test_exploration_has_no_gradient_at_its_edges():
    explore = exploring.epsilon_greedy(exploring.linear(0.0, 0.0, 0))
    slope = jax.grad(lambda values: explore(values, jnp.ones(3, bool), ZERO).log_probs[1])(VALUES)
    assert np.isfinite(slope).all()
