"""Treasures: what a step pays, what can be had at all, and the same game with one reward."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay import check
from interplay.core.errors import InputError
from interplay.games.treasures import reachable, treasures
from interplay.games.weighed import weighed
from interplay.measure import pareto

KEY = jax.random.key(0)
NORTH, SOUTH, WEST, EAST = 1, 2, 3, 4


def test_it_keeps_the_contract():
    assert check.check_game(treasures(("g.c", "P.P"), horizon=3)) == []


def test_gold_is_for_one_and_a_chest_for_two():
    game = treasures(("g.c.", "P..P"), horizon=4)
    state, seen = game.reset(KEY)
    assert seen.reward.shape == (2, 2)
    assert seen.legal[0].tolist() == [True, True, False, False, True]
    state, seen = game.step(state, jnp.array([NORTH, WEST]), KEY)  # gold, and one alone beneath the chest
    assert seen.reward.tolist() == [[1, 0], [1, 0]]
    state, seen = game.step(state, jnp.array([EAST, 0]), KEY)  # now both are beside it
    assert seen.reward.tolist() == [[0, 1], [0, 1]]
    state, seen = game.step(state, jnp.array([WEST, 0]), KEY)  # what was taken is gone
    assert seen.reward.tolist() == [[0, 0], [0, 0]]
    assert not seen.terminated
    assert game.step(state, jnp.array([0, 0]), KEY)[1].terminated
    assert "gold 1 · chests 1" in game.draw(state)


def test_what_can_be_had_is_what_trying_everything_brings():
    game = treasures(("gPg", "c.P"), horizon=2)
    state, _ = game.reset(KEY)

    def play(actions):
        after, first = game.step(state, actions[0], KEY)
        return first.reward[0] + game.step(after, actions[1], KEY)[1].reward[0]

    joint = np.array(list(itertools.product(range(5), repeat=4))).reshape(-1, 2, 2)
    found = np.unique(np.asarray(jax.jit(jax.vmap(play))(jnp.asarray(joint))), axis=0)
    np.testing.assert_array_equal(reachable(game), found)


def test_two_treasures_of_one_step_are_two():
    found = reachable(treasures(("gPPg", "....", "cc.."), horizon=1))
    assert found.tolist() == [[0, 0], [1, 0], [2, 0]]


@pytest.mark.slow  # 1.3 million states, 7 times
def test_the_default_map_makes_one_choose():
    front = pareto.front(reachable(treasures()))
    assert front.tolist() == [[1, 4], [4, 3], [5, 2], [6, 1], [7, 0]]
    assert pareto.supported(front).tolist() == [
        [1, 4],
        [4, 3],
        [7, 0],
    ]  # the two between are on a line, and never best alone


def test_a_weighed_game_pays_the_weighted_sum():
    plain = treasures(("g.c", "P.P"), horizon=3)
    game = weighed(plain, (0.25, 0.75))
    assert check.check_game(game) == []
    state, _ = game.reset(KEY)
    _, seen = game.step(state, jnp.array([NORTH, 0]), KEY)
    assert seen.reward.tolist() == [0.25, 0.25]


@pytest.mark.parametrize(
    ("rows", "words"),
    [(("g.", "P"), "equal"), (("gx", "P."), "equal"), (("..", ".."), "mark at least one"), (("P.", ".."), "mark at")],
)
def test_maps_that_are_none_are_refused(rows, words):
    with pytest.raises(InputError, match=words):
        treasures(rows)


def test_games_without_objectives_cannot_be_weighed():
    with pytest.raises(InputError, match="no objectives to weigh"):
        weighed("climbing")
    with pytest.raises(InputError, match="1 weights for 2 objectives"):
        weighed(treasures(), (1.0,))
