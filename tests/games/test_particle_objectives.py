"""Particles with several objectives: the contract, each objective by hand, and the law that ties them to `spread`."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay import check
from interplay.core.errors import InputError
from interplay.games.particle import spread
from interplay.games.particle_objectives import spread_objectives
from interplay.games.weighed import weighed

KEY = jax.random.key(0)


def test_contract():
    game = spread_objectives(2, 1, 3, objectives=("energy", "coverage"))
    assert check.check_game(game, 2) == []


def test_weighed_by_the_ratio_it_is_spread():
    """Law: (1 − ρ, ρ, 0) · reward is the reward of `spread(local_ratio=ρ)`, in the same worlds."""
    ratio = 0.3
    single, several = spread(local_ratio=ratio), weighed(spread_objectives(), (1 - ratio, ratio, 0.0))
    (one, seen), (two, also) = single.reset(KEY), several.reset(KEY)
    np.testing.assert_array_equal(seen.observation, also.observation)
    one, two = (replace(world, position=0.3 * world.position) for world in (one, two))  # crowded, so that some touch
    touched = 0.0
    left, right = (jax.jit(lambda *given, game=game: game.step(*given)) for game in (single, several))
    for step in range(25):
        action = jax.random.randint(jax.random.fold_in(KEY, step), (3,), 0, 5)
        (one, seen), (two, also) = left(one, action, KEY), right(two, action, KEY)
        np.testing.assert_array_equal(seen.observation, also.observation)
        np.testing.assert_allclose(seen.reward, also.reward, rtol=1e-6)
        assert bool(seen.truncated) == bool(also.truncated)
        touched += float(single.collisions(one).sum())
    assert touched > 0 and seen.truncated


def test_objectives_by_hand():
    """Two particles 0.2 apart touch; a landmark on the first and one 0.5 from the second, who pushes."""
    game = spread_objectives(2)
    world, _ = game.reset(KEY)
    world = replace(world, position=jnp.array([[0.0, 0.0], [0.2, 0.0]]), landmark=jnp.array([[0.0, 0.0], [0.2, 0.5]]))
    paid = game.paid(world, jnp.array([0, 4]))
    np.testing.assert_allclose(paid, [[-0.5, -1.0, 0.0], [-0.5, -1.0, -1.0]], rtol=1e-6)
    np.testing.assert_allclose(game.score(world)[:, 2], 0.0)
    apart = replace(world, position=jnp.array([[0.0, 0.0], [0.2, 0.5]]))
    np.testing.assert_allclose(game.paid(apart, jnp.array([1, 2]))[:, :2], 0.0)


def test_objectives_come_in_the_order_they_are_asked_for():
    every, two = spread_objectives(), spread_objectives(objectives=("energy", "coverage"))
    assert (every.spec.objectives, two.spec.objectives) == (3, 2)
    world, action = every.reset(KEY)[0], jnp.array([0, 1, 2])
    np.testing.assert_array_equal(two.paid(world, action), every.paid(world, action)[:, jnp.array([2, 0])])


def test_it_is_drawn_like_spread():
    world, _ = spread_objectives().reset(KEY)
    assert spread_objectives().draw(world) == spread().draw(world)


def test_what_is_out_of_range_is_one_line():
    for wrong in (("speed",), (), ("energy", "energy")):
        with pytest.raises(InputError, match="coverage, contact, energy"):
            spread_objectives(objectives=wrong)
    for numbers in ({"agents": 0}, {"horizon": 0}, {"noise": -1.0}):
        with pytest.raises(InputError, match="spread-objectives needs"):
            spread_objectives(**numbers)
