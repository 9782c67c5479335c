"""Mixers rise in every agent's value, tracks keep to their objective, joint actions are counted right."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay import games
from interplay.core.errors import InputError
from interplay.nets import mixing

KEY = jax.random.key(0)
AGENTS, STATE = 3, 5


def given(seed=1):
    first, second = jax.random.split(jax.random.key(seed))
    return jax.random.normal(first, (AGENTS,)), jax.random.normal(second, (STATE,))


def wild(mixer):
    """The mixer with weights so large that nothing about it is nearly linear."""
    return jax.tree.map(lambda leaf: leaf * 5 if eqx.is_inexact_array(leaf) else leaf, mixer)


def test_the_sum_is_the_sum_and_apart_changes_nothing():
    chosen, state = given()
    np.testing.assert_allclose(mixing.Sum()(chosen, state), jnp.full(AGENTS, chosen.sum()), rtol=1e-6)
    np.testing.assert_array_equal(mixing.Apart()(chosen, state), chosen)


def test_rewards_are_pooled_where_values_are():
    reward, marks = jnp.array([[1.0, 2.0, 6.0]]), jnp.array([[True, False, False]])
    assert mixing.Sum().pooled(reward).tolist() == [[3.0, 3.0, 3.0]]
    assert mixing.Apart().pooled(reward).tolist() == [[1.0, 2.0, 6.0]]
    assert mixing.Sum().together(marks).tolist() == [[True] * 3]
    assert mixing.Sum().together(marks, jnp.all).tolist() == [[False] * 3]
    assert mixing.Apart().together(marks).tolist() == marks.tolist()


@pytest.mark.parametrize("seed", range(10))
def test_monotone_rises_in_every_value_and_all_share_it(seed):
    mixer = wild(mixing.Monotone(AGENTS, STATE, jax.random.key(seed)))
    chosen, state = given(seed)
    mixed = mixer(chosen, state)
    assert (mixed == mixed[0]).all()
    slope = jax.grad(lambda chosen: mixer(chosen, state)[0])(chosen)
    assert (slope > 0).all()


def test_monotone_depends_on_the_state():
    mixer = wild(mixing.Monotone(AGENTS, STATE, KEY))
    chosen, state = given()
    assert abs(mixer(chosen, state)[0] - mixer(chosen, state + 1)[0]) > 1e-2


def test_monotone_with_weights_of_one_is_the_sum():
    mixer = mixing.Monotone(AGENTS, STATE, KEY, width=1)
    zero = jax.tree.map(lambda leaf: leaf * 0 if eqx.is_inexact_array(leaf) else leaf, mixer)
    ones = lambda mixer: (mixer.first.head.bias, mixer.second.head.bias)
    zero = eqx.tree_at(ones, zero, (-jnp.ones(AGENTS), jnp.ones(1)))  # |−1| counts, too
    chosen, state = jnp.array([0.5, 2.0, 1.0]), given()[1]
    np.testing.assert_allclose(zero(chosen, state), mixing.Sum()(chosen, state), rtol=1e-6)


@pytest.mark.parametrize("width", [8, 128])
def test_a_fresh_monotone_mixer_is_nearly_the_sum(width):
    keys, (chosen, state) = jax.random.split(KEY, 50), given()
    fresh = lambda key: mixing.Monotone(AGENTS, STATE, key, width=width)
    slope = jax.vmap(lambda key: jax.grad(lambda q: fresh(key)(q, state)[0])(chosen))(keys)
    np.testing.assert_allclose(slope.mean(0), jnp.ones(AGENTS), atol=0.4)
    assert abs(jax.vmap(lambda key: fresh(key)(jnp.zeros(AGENTS), state)[0])(keys)).max() < 0.2


def test_tracks_rise_in_their_own_objective_and_in_no_other():
    mixer = wild(mixing.Tracks(AGENTS, STATE, 2, KEY))
    chosen, state = jax.random.normal(KEY, (AGENTS, 2)), given()[1]
    slope = jax.jacobian(lambda chosen: mixer(chosen, state)[0])(chosen)  # [objective, agent, objective]
    for k in range(2):
        assert (slope[k, :, k] > 0).all()
        assert (slope[k, :, 1 - k] == 0).all()


def test_each_track_is_a_monotone_mixer_of_its_own():
    mixer = mixing.Tracks(AGENTS, STATE, 2, KEY)
    chosen, state = jax.random.normal(KEY, (AGENTS, 2)), given()[1]
    for k in range(2):
        np.testing.assert_allclose(mixer(chosen, state)[:, k], mixer.tracks.seat(k)(chosen[:, k], state), rtol=1e-5)
    one = mixing.Tracks(AGENTS, STATE, 1, KEY)
    np.testing.assert_allclose(one(chosen[:, :1], state)[:, 0], one.tracks.seat(0)(chosen[:, 0], state), rtol=1e-5)
    assert mixer.pooled(jnp.arange(6.0).reshape(3, 2)).tolist() == [[2.0, 3.0]] * 3


def test_joint_actions_are_counted_both_ways():
    spec = games.make("interplay.games.matrix:matrix(payoff=[[1,2,3],[4,5,6]])").spec
    joint = mixing.Joint(spec, KEY, width=8)
    numbers = jnp.arange(9)
    actions = joint.action(numbers)
    assert actions[:4].tolist() == [[0, 0], [0, 1], [0, 2], [1, 0]]
    np.testing.assert_array_equal(joint.number(actions), numbers)
    assert joint(jnp.zeros(1)).shape == (9,)
    legal = joint.legal(jnp.array([[True, True, False], [True, True, True]]))
    assert legal.tolist() == [True] * 6 + [False] * 3
    assert joint.legal(jnp.zeros((2, 3), bool)).all()


def test_too_many_joint_actions_are_refused():
    with pytest.raises(InputError, match="too many to tell apart"):
        mixing.Joint(games.make("spread(agents=10)").spec, KEY)
