import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay.core.errors import InputError
from interplay.core.game import Box
from interplay.games.guessing import floor, optimum, sum_guessing

KEY = jax.random.key(0)


def test_contract(contract):
    contract(sum_guessing())


def test_reward_is_the_distance_to_the_sum():
    game = sum_guessing(agents=3)
    state, seen = game.reset(KEY)
    total = float(state.numbers.sum())
    assert seen.observation[:, 0].tolist() == seen.shared.tolist() == state.numbers.tolist()
    seen = game.step(state, jnp.array([[total], [total + 2], [total - 5]]), KEY)[1]
    assert np.allclose(seen.reward, [0, -2, -5], atol=1e-5)
    assert seen.terminated and not seen.truncated
    assert np.isclose(seen.reward[0], optimum(game), atol=1e-5)


def test_every_sum_can_be_named():
    game = sum_guessing(agents=5, scale=10.0)
    assert game.spec.action == Box(1, -50.0, 50.0)
    numbers = jax.jit(jax.vmap(game.reset))(jax.random.split(KEY, 1000))[0].numbers
    assert np.all(np.abs(numbers) <= 10) and np.abs(numbers).max() > 9.9


def test_floor_by_hand():
    assert floor(sum_guessing(agents=1)) == 0  # nothing is hidden
    assert np.isclose(floor(sum_guessing(agents=2, scale=10.0)), -5)  # E|U(−10, 10)|
    assert np.isclose(floor(sum_guessing(agents=3, scale=10.0)), -20 / 3)  # triangular on ±20
    assert np.isclose(floor(sum_guessing(agents=5, scale=10.0)), -28 / 3)


def test_floor_is_what_naming_your_own_number_gets():
    game = sum_guessing(agents=5)

    def one(key):
        state, seen = game.reset(key)
        return game.step(state, seen.observation, key)[1].reward

    rewards = jax.jit(jax.vmap(one))(jax.random.split(KEY, 40_000))
    assert np.isclose(rewards.mean(), floor(game), atol=0.1)


def test_bad_settings_say_what_to_do():
    with pytest.raises(InputError, match="give at least 1"):
        sum_guessing(agents=0)
    with pytest.raises(InputError, match="above 0"):
        sum_guessing(scale=0.0)
