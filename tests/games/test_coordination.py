import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay.core.errors import InputError
from interplay.games.coordination import best_return, bits, coordination, optimum, reward, transition

KEY = jax.random.key(0)


def test_contract(contract):
    contract(coordination(agents=5))


@pytest.mark.parametrize(
    ("agents", "by_ones"),
    [
        (2, [3, 0, 2]),
        (3, [3, 0, 1, 2]),
        (5, [3, 3, 0, 1, 2, 2]),  # |z − o| is 5, 3, 1, 1, 3, 5, the margin 2
        (10, [3, 3, 3, 3, 0, 0, 1, 2, 2, 2, 2]),  # the margin is 3
    ],
)
def test_reward_table(agents, by_ones):
    game = coordination(agents=agents)
    assert reward(game).tolist() == [by_ones[ones] for ones in bits(agents).sum(1)]


def test_transition_by_hand():
    chance = transition(coordination(agents=2, noise=0.1))
    assert chance.shape == (4, 4, 4)
    assert np.allclose(chance[3, 1], [0.09, 0.81, 0.01, 0.09])  # from any state, choosing 0 and 1
    assert np.allclose(chance.sum(-1), 1)


def test_play_agrees_with_the_arrays():
    game = coordination(agents=3, noise=0.2)
    state, _ = game.reset(KEY)
    joint = jnp.array([0, 1, 1])
    states, seen = jax.jit(jax.vmap(lambda key: game.step(state, joint, key)))(jax.random.split(KEY, 20_000))
    index = np.asarray(states.bits @ jnp.array([4, 2, 1]))
    assert np.allclose(np.bincount(index, minlength=8) / 20_000, transition(game)[0, 3], atol=0.015)
    assert np.array_equal(seen.reward, np.repeat(reward(game)[index][:, None], 3, axis=1))
    assert np.array_equal(seen.observation[:, 1], states.bits)


def test_starts_are_uniform():
    game = coordination(agents=2)
    state, _ = jax.jit(jax.vmap(game.reset))(jax.random.split(KEY, 8000))
    assert np.allclose(np.bincount(np.asarray(state.bits @ jnp.array([2, 1]))) / 8000, 0.25, atol=0.02)


def value(chance, paid, policy, discount):
    """Exact mean value of a deterministic joint policy [state] → joint action."""
    walk = chance[np.arange(len(paid)), policy]
    return np.linalg.solve(np.eye(len(paid)) - discount * walk, paid).mean()


@pytest.mark.parametrize("noise", [0.0, 0.1, 0.3])
def test_optimum_is_that_of_all_policies(noise):
    game = coordination(agents=2, noise=noise)
    chance, paid = transition(game), reward(game)
    best = max(value(chance, paid, list(policy), 0.95) for policy in itertools.product(range(4), repeat=4))
    assert np.isclose(optimum(game, 0.95), best, atol=1e-7)


@pytest.mark.parametrize("agents", [2, 3, 5])
def test_optimum_in_closed_form(agents):
    # Nothing carries over, so the best joint action is the same everywhere: J* = mean r + γ/(1 − γ) max_a E r.
    game = coordination(agents=agents)
    step = np.max(transition(game)[0] @ reward(game))
    assert np.isclose(optimum(game, 0.95), reward(game).mean() + 0.95 / 0.05 * step, atol=1e-7)
    assert np.argmax(transition(game)[0] @ reward(game)) == 0  # all zeros
    assert np.isclose(best_return(game), 25 * step)


def test_best_step_by_hand():
    # All zeros stay with 0.729 and pay 3; one flip pays 0, two (3 ways, 0.009 each) pay 1, three (0.001) pay 2.
    assert np.isclose(best_return(coordination(agents=3, horizon=1)), 0.729 * 3 + 3 * 0.009 * 1 + 0.001 * 2)


def test_time_runs_out():
    game = coordination(horizon=2)
    state, _ = game.reset(KEY)
    state, seen = game.step(state, jnp.zeros(3, int), KEY)
    assert not seen.truncated
    seen = game.step(state, jnp.zeros(3, int), KEY)[1]
    assert seen.truncated and not seen.terminated


def test_bad_settings_say_what_to_do():
    with pytest.raises(InputError, match="at least 2"):
        coordination(agents=1)
    with pytest.raises(InputError, match=r"noise=0\.7"):
        coordination(noise=0.7)
    with pytest.raises(InputError, match="discount=1"):
        optimum(coordination(), 1.0)
    with pytest.raises(InputError, match="at most 12"):
        transition(coordination(agents=13))
