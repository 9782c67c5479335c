import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay.core.errors import InputError
from interplay.games.assignment import assignment, expected_optimum, optimum, team_reward

KEY = jax.random.key(0)


def test_contract(contract):
    contract(assignment())


def test_reward_by_hand():
    worth = jnp.array([[0.5, 0.2, 0.1], [0.4, 0.8, 0.3], [0.9, 0.6, 0.7]])
    assert np.isclose(team_reward(worth, jnp.array([0, 1, 2])), (0.5 + 0.8 + 0.7) / 3)
    assert np.isclose(team_reward(worth, jnp.array([0, 1, 0])), 0.8 / 3)  # two on target 0 get nothing
    assert np.isclose(team_reward(worth, jnp.array([1, 1, 1])), 0)


def test_one_step_and_everyone_gets_the_same():
    game = assignment()
    state, seen = game.reset(KEY)
    assert np.array_equal(seen.observation, np.concatenate([np.eye(4), state.worth], axis=1))
    assert np.array_equal(seen.shared, state.worth.reshape(-1))
    seen = game.step(state, jnp.array([3, 2, 1, 0]), KEY)[1]
    assert np.allclose(seen.reward, np.mean(np.asarray(state.worth)[range(4), [3, 2, 1, 0]]))
    assert seen.terminated and not seen.truncated


def test_optimum_is_that_of_all_joint_actions():
    game = assignment(agents=4)
    joint = jnp.array(list(itertools.product(range(4), repeat=4)))
    for key in jax.random.split(KEY, 5):
        state, _ = game.reset(key)
        every = jax.vmap(lambda choice, worth=state.worth: team_reward(worth, choice))(joint)
        assert np.isclose(optimum(state), every.max())


def test_expected_optimum():
    assert np.isclose(expected_optimum(1, 4000), 0.5, atol=0.02)
    # Two agents: E max of two sums of two independent uniforms = 1 + 7/30, halved.
    assert np.isclose(expected_optimum(2, 20_000), (1 + 7 / 30) / 2, atol=0.01)
    assert expected_optimum(4, 50) == expected_optimum(4, 50)


def test_bad_settings_say_what_to_do():
    with pytest.raises(InputError, match="at least 1"):
        assignment(agents=0)
