import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay.core.errors import InputError
from interplay.games.matrix import climbing, general_sum, matrix, optimum, penalty

KEY = jax.random.key(0)
DILEMMA = [[[3, 0], [5, 1]], [[3, 5], [0, 1]]]


@pytest.mark.parametrize(
    "game",
    [climbing(), matrix(np.arange(12.0).reshape(2, 3, 2), horizon=3)],
    ids=["climbing", "three agents, repeated"],
)
def test_contract(contract, game):
    contract(game)


def play(game, *joint):
    state, _ = game.reset(KEY)
    return game.step(state, jnp.array(joint), KEY)


def test_climbing_pays_its_table():
    table = [[11, -30, 0], [-30, 7, 6], [0, 0, 5]]
    for row, column in itertools.product(range(3), range(3)):
        seen = play(climbing(), row, column)[1]
        assert seen.reward.tolist() == [table[row][column]] * 2
        assert seen.terminated and not seen.truncated


def test_known_optima():
    assert optimum(climbing()) == 11.0
    assert optimum(climbing(horizon=5)) == 55.0
    assert optimum(penalty()) == 10.0
    assert optimum(penalty(k=-1000.0)) == 10.0
    assert optimum(general_sum(DILEMMA)) == 3.0


def test_penalty_by_hand():
    game = penalty(k=-50.0)
    assert [float(play(game, *joint)[1].reward[0]) for joint in [(0, 0), (1, 1), (2, 2), (0, 2), (2, 0), (0, 1)]] == [
        10,
        2,
        10,
        -50,
        -50,
        0,
    ]


def test_general_sum_pays_each_his_own():
    assert play(general_sum(DILEMMA), 0, 1)[1].reward.tolist() == [0, 5]
    assert play(general_sum(DILEMMA), 1, 0)[1].reward.tolist() == [5, 0]


def test_three_agents_with_unequal_choices():
    game = matrix(np.arange(12.0).reshape(2, 3, 2))
    assert game.spec.action.width == 3 and game.spec.action_sizes == (2, 3, 2)
    assert play(game, 1, 2, 0)[1].reward.tolist() == [10.0] * 3
    legal = game.reset(KEY)[1].legal
    assert legal.tolist() == [[True, True, False], [True, True, True], [True, True, False]]


def test_repeated_form_shows_the_last_joint_action():
    game = climbing(horizon=2)
    state, seen = game.reset(KEY)
    assert seen.observation.tolist() == [[1, 0, 1, 0, 0, 0, 0, 0, 0], [0, 1, 1, 0, 0, 0, 0, 0, 0]]
    state, seen = game.step(state, jnp.array([0, 2]), KEY)
    assert seen.observation[1].tolist() == [0, 1, 0.5, 1, 0, 0, 0, 0, 1]
    assert seen.shared.tolist() == [0.5, 1, 0, 0, 0, 0, 1]
    assert not seen.terminated
    assert game.step(state, jnp.array([0, 0]), KEY)[1].terminated


def test_bad_tables_say_what_to_do():
    with pytest.raises(InputError, match="one axis for each"):
        matrix([1.0, 2.0])
    with pytest.raises(InputError, match="one axis for each"):
        general_sum([[[1, 2], [3, 4]]])
    with pytest.raises(InputError, match="not a finite number"):
        matrix([[1.0, float("nan")], [0.0, 0.0]])
    with pytest.raises(InputError, match="horizon=0"):
        climbing(horizon=0)
    with pytest.raises(InputError, match="not above 0"):
        penalty(k=1.0)
