"""CartPole against Gymnasium's on the same states and actions; the regulator and the random table against their arrays."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay import check
from interplay.core.errors import InputError
from interplay.games import cartpole, lqr, random_mdp


@pytest.mark.parametrize("game", [cartpole.cartpole(), lqr.lqr(), lqr.lqr(2), random_mdp.random_mdp(agents=2)])
def test_the_contract(game):
    assert check.check_game(game) == []


def test_cartpole_moves_as_gymnasiums_does():
    gymnasium = pytest.importorskip("gymnasium")
    theirs = gymnasium.make("CartPole-v1").unwrapped
    theirs.reset(seed=0)
    game, random = cartpole.cartpole(), np.random.default_rng(0)
    bodies = random.uniform(-1, 1, (300, 4)) * [2.6, 3.0, 0.25, 3.0]
    actions = random.integers(0, 2, 300)
    step = jax.vmap(
        lambda body, action: game.step(cartpole.State(body, jnp.zeros((), jnp.int32)), action[None], jax.random.key(0))
    )
    state, seen = jax.jit(step)(jnp.asarray(bodies, jnp.float32), jnp.asarray(actions, jnp.int32))
    ended = 0
    for row, (body, action) in enumerate(zip(bodies, actions, strict=True)):
        theirs.state, theirs.steps_beyond_terminated = body, None
        there, reward, terminated, _, _ = theirs.step(int(action))
        np.testing.assert_allclose(state.body[row], there, rtol=1e-4, atol=1e-5)
        assert seen.reward[row, 0] == reward
        assert bool(seen.terminated[row]) == terminated
        ended += terminated
    assert 30 < ended < 270


def test_cartpole_is_cut_and_not_ended_at_its_horizon():
    game = cartpole.cartpole(horizon=3)
    state, _ = game.reset(jax.random.key(0))
    flags = []
    for action in (0, 1, 0):
        state, seen = game.step(state, jnp.array([action]), jax.random.key(1))
        flags.append((bool(seen.terminated), bool(seen.truncated)))
    assert flags == [(False, False), (False, False), (False, True)]


def test_agents_of_the_regulator_set_one_force_each():
    one, two = lqr.lqr(), lqr.lqr(agents=2)
    state, _ = one.reset(jax.random.key(0))
    first, seen = one.step(state, jnp.array([[0.3, -0.7]]), jax.random.key(1))
    second, both = two.step(state, jnp.array([[0.3], [-0.7]]), jax.random.key(1))
    np.testing.assert_allclose(first.body, second.body)
    np.testing.assert_allclose(both.reward, seen.reward[0])
    body = np.asarray(state.body, float)
    cost = body[0] ** 2 + body[1] ** 2 + 0.1 * (body[2] ** 2 + body[3] ** 2) + 0.1 * (0.3**2 + 0.7**2)
    np.testing.assert_allclose(seen.reward[0], -cost, rtol=1e-5)


def test_the_table_is_played_as_it_is_written():
    game = random_mdp.random_mdp(states=4, actions=2, agents=2, horizon=5)
    arrays = game.markov
    action, joint = jnp.array([1, 0]), 2
    state = random_mdp.State(jnp.asarray(3, jnp.int32), jnp.zeros((), jnp.int32))
    keys = jax.random.split(jax.random.key(0), 20_000)
    after, seen = jax.jit(jax.vmap(lambda key: game.step(state, action, key)))(keys)
    share = np.bincount(after.state, minlength=4) / len(keys)
    np.testing.assert_allclose(share, arrays.transition[3, joint], atol=0.015)
    np.testing.assert_allclose(seen.reward, arrays.reward[0, 3, joint])
    np.testing.assert_array_equal(seen.observation[:, 0].argmax(-1), after.state)


@pytest.mark.parametrize("make", [lambda: cartpole.cartpole(0), lambda: lqr.lqr(3), lambda: random_mdp.random_mdp(0)])
def test_sizes_that_make_no_game(make):
    with pytest.raises(InputError, match="give"):
        make()
