"""Switching problems worked out by hand, and what tables learn of them."""

import jax.numpy as jnp
import numpy as np
import pytest

from interplay.core.errors import InputError
from interplay.games.markov import markov_game
from interplay.methods import mansa_tables
from interplay.methods.mansa_tables import Learning, best_switch, optimum, worth


def two_states(discount=0.5):
    """One agent is enough: in state 0 action 1 pays 1 and stays, 0 pays nothing and leads to state 1, where 0 pays 3."""
    move = np.zeros((2, 2, 2))
    move[0, 1, 0] = move[0, 0, 1] = move[1, :, 1] = 1.0
    reward = np.array([[[0.0, 1.0], [3.0, 0.0]]])
    return markov_game(move, reward, discount, (2,), np.array([1.0, 0.0]))


APART, CENTER = (
    jnp.array([1, 1]),
    jnp.array([0, 0]),
)  # alone: 1 for ever, and 0 in state 1; the center: 0, then 3 for ever


@pytest.mark.parametrize(
    ("price", "wanted"),
    [
        # in state 1 a call is worth 3 − c > 0; v(1) = (3 − c) / (1 − ½). In state 0 it is worth −c + ½ v(1) = 3 − 2c, and
        # leaving the agent alone 1 / (1 − ½) = 2: called for c < ½.
        (0.4, [1, 1]),
        (0.6, [0, 1]),
        (2.9, [0, 1]),
        (3.1, [0, 0]),
        (1e9, [0, 0]),
    ],
)
def test_the_best_switch(price, wanted):
    found = best_switch(two_states(), APART, CENTER, Learning(price=price))
    np.testing.assert_array_equal(found, [wanted])


def test_with_one_call_it_waits_for_where_it_matters():
    # v_0(0) = 2, v_0(1) = 0: a call in state 0 is worth 0 + ½ v_0(1) = 0, less than 2; in state 1 it is worth 3.
    found = best_switch(two_states(), APART, CENTER, Learning(price=0.0, budget=1))
    np.testing.assert_array_equal(found, [[0, 0], [0, 1]])


def test_what_a_switched_team_earns():
    game = two_states()
    told = lambda chance: [float(part) for part in worth(game, APART, CENTER, jnp.asarray(chance), 4)]
    assert told([[0.0, 0.0]]) == [4.0, 0.0]
    assert told([[1.0, 1.0]]) == [9.0, 1.0]
    assert told([[1.0, 0.0]]) == [0.0, 0.25]  # led to state 1 and left alone there
    assert told([[0.0, 0.0], [1.0, 1.0], [1.0, 1.0]]) == [3.0, 0.5]  # two calls, the second of them worth 3
    assert told([[0.5, 1.0]])[0] == pytest.approx(0.5 * (9 + 1 + 0.5 * (6 + 1 + 0.5 * (3 + 1 + 0.5 * 1))))
    assert float(optimum(game, 4)) == 9.0


@pytest.fixture(scope="module")
def tasks():
    return [mansa_tables.contextual(seed) for seed in range(4)]


def test_the_optimum_of_a_contextual_game_is_that_of_its_tables(tasks):
    game = tasks[0].game
    assert float(optimum(game, 1)) == pytest.approx(float(game.reward[0].max(-1).mean()), rel=1e-6)
    assert tasks[0].hard.tolist() == [True, True] + [False] * 8


def test_the_switch_finds_where_agents_must_agree(tasks):
    found = mansa_tables.study(tasks, Learning(steps=16_000))
    never = mansa_tables.study(tasks, Learning(steps=16_000), mansa_tables.at_random, 0.0)
    assert (never.calls == 0).all()
    assert found.share.mean() > never.share.mean() + 0.04
    assert found.easy.mean() < 0.2 < 0.5 < found.hard.mean()
    assert found.agreement.mean() > 0.8
    np.testing.assert_allclose(found.curve[:, 0], 0.5, atol=0.05)  # all curiosity at first


def test_at_a_high_price_nobody_calls(tasks):
    dear = mansa_tables.study(tasks, Learning(steps=2_000, price=1e6))
    assert (dear.calls == 0).all()
    assert (dear.hard == 0).all()


def test_a_budget_below_nothing_is_refused(tasks):
    with pytest.raises(InputError, match="give 0 or more calls"):
        mansa_tables.study(tasks, Learning(budget=-1))
