"""Gems and the intersection: rules by hand, contract, pictures; listing all states finds what play finds."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay import check
from interplay.core.errors import InputError
from interplay.games import gems, intersection
from interplay.games.enumerated import enumerated, forgetting

STAY, NORTH, SOUTH, WEST, EAST = range(5)


@pytest.mark.parametrize("game", [gems.gems(size=4, doors=1), gems.gems_mini(size=3), intersection.intersection(3)])
def test_contract(game):
    assert check.check_game(game) == []


def placed(game, position, gem):
    state, _ = game.reset(jax.random.key(0))
    return gems.State(jnp.asarray(position, jnp.int32), jnp.asarray(gem, jnp.int32), state.taken, state.step)


def test_own_gems_pay_their_owner_and_shared_ones_two_at_once():
    game = gems.gems(size=3, own=1, together=2, shared_worth=6.0)  # gems: of agent 0, of agent 1, shared, shared
    step = lambda state, *action: game.step(state, jnp.array(action), jax.random.key(1))
    state = placed(game, (0, 8), (1, 7, 3, 5))
    _, after = step(state, EAST, WEST)
    np.testing.assert_allclose(after.reward, [1, 1])
    state, after = step(state, SOUTH, STAY)
    np.testing.assert_allclose(after.reward, [0, 0])  # on a shared gem alone
    state, after = step(state, STAY, NORTH)
    np.testing.assert_allclose(after.reward, [6, 6])
    assert int(state.taken) == 2
    free = set(range(9)) - {3, 5, 1, 7}
    assert set(np.asarray(state.gem[2:]).tolist()) <= free  # they lie elsewhere, not under anybody


def test_nobody_walks_through_walls_or_others():
    game = gems.gems(size=3, own=1, together=0, doors=1)
    assert game.open.reshape(3, 3)[1].tolist() == [False, True, False]
    state = placed(game, (0, 1), (7, 8))
    after, _ = game.step(state, jnp.array([SOUTH, STAY]), jax.random.key(0))
    assert after.position.tolist() == [0, 1]
    after, _ = game.step(state, jnp.array([EAST, SOUTH]), jax.random.key(0))
    assert after.position.tolist() == [0, 4]  # agent 0 moves first, and agent 1 stood there still


def test_gems_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="do not fit"):
        gems.gems(size=2, own=3)
    with pytest.raises(InputError, match="doors"):
        gems.gems(size=3, doors=2)


def test_cars_that_meet_crash_and_cars_that_wait_do_not():
    game = intersection.intersection(2, approach=1, hurry=(0.1, 0.2))
    state, _ = game.reset(jax.random.key(0))
    at = lambda place, speed: intersection.State(
        jnp.asarray(place, jnp.int32), jnp.asarray(speed, jnp.int32), state.left, state.crashed, state.step
    )
    both, after = game.step(at((0, 1), (1, 1)), jnp.array([1, 1]), jax.random.key(0))
    np.testing.assert_allclose(after.reward, [-4.1, -4.2], rtol=1e-6)
    assert bool(after.terminated) and both.crashed.all()
    one, after = game.step(at((0, 0), (1, 0)), jnp.array([2, 1]), jax.random.key(0))
    np.testing.assert_allclose(after.reward, [-0.1, -0.2], rtol=1e-6)
    one, after = game.step(one, jnp.array([1, 1]), jax.random.key(0))
    np.testing.assert_allclose(after.reward, [1.9, -0.2], rtol=1e-6)
    assert after.active.tolist() == [False, True] and not bool(after.observation[0].any())
    with pytest.raises(InputError, match="1 to 4 cars"):
        intersection.intersection(5)


def test_listing_agrees_with_playing():
    game = intersection.intersection(2, approach=1)
    listed = enumerated(game)
    known = np.asarray(listed.seen.observation).reshape(listed.states, -1)
    step = jax.jit(game.step)
    state, seen = game.reset(jax.random.key(3))
    rng = np.random.default_rng(0)
    for _ in range(8):
        here = int(np.flatnonzero((known == np.asarray(seen.observation).ravel()).all(1))[0])
        choice = int(rng.integers(len(listed.joint)))
        state, seen = step(state, listed.joint[choice], jax.random.key(0))
        np.testing.assert_allclose(listed.reward[:, here, choice], seen.reward, rtol=1e-6)
        if seen.terminated:
            break
        there = int(listed.following[here, choice])
        np.testing.assert_array_equal(known[there], np.asarray(seen.observation).ravel())
    assert float(listed.start.sum()) == pytest.approx(1.0)


def test_games_of_chance_and_large_ones_are_not_listed():
    with pytest.raises(InputError, match="left to chance"):
        enumerated(gems.gems(size=3, own=1, together=0), forgetting("step", "taken"))
    with pytest.raises(InputError, match="more than 20 states"):
        enumerated(intersection.intersection(2, approach=1), most=20)
