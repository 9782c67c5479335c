import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay.core.errors import InputError
from interplay.games.iterated import chicken, iterated, prisoners_dilemma, stag_hunt

KEY = jax.random.key(0)


def test_contract(contract):
    contract(prisoners_dilemma(rounds=3))


def test_each_sees_its_own_choice_first_and_gets_what_the_table_says():
    game = prisoners_dilemma(rounds=2)
    state, seen = game.reset(KEY)
    assert np.argmax(seen.observation, 1).tolist() == [0, 0]
    state, seen = game.step(state, jnp.array([0, 1]), KEY)
    assert np.argmax(seen.observation, 1).tolist() == [2, 3]  # cooperated against a defector; the other way round
    assert seen.reward.tolist() == [0, 5] and not seen.terminated
    state, seen = game.step(state, jnp.array([1, 1]), KEY)
    assert np.argmax(seen.observation, 1).tolist() == [4, 4] and seen.reward.tolist() == [1, 1] and seen.terminated
    assert "<svg" in game.draw(state)


@pytest.mark.parametrize("game", [prisoners_dilemma(), stag_hunt(), chicken()])
def test_games_are_the_same_for_both_seats(game):
    np.testing.assert_array_equal(game.payoffs[0], game.payoffs[1].T)


def test_three_choices_have_ten_rows():
    assert iterated(np.zeros((2, 3, 3))).spec.observation == 10


@pytest.mark.parametrize("payoffs", [np.zeros((2, 2, 3)), np.zeros((3, 2, 2)), np.zeros((2, 2))])
def test_other_tables_are_refused(payoffs):
    with pytest.raises(InputError, match="give \\(2, n, n\\)"):
        iterated(payoffs)
