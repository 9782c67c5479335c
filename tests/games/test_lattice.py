"""The lattice: payoffs worked by hand, who sees whom, and what it means to be drawn from a random graph."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay import check
from interplay.core.errors import InputError
from interplay.games import lattice as lattices
from interplay.games.lattice import bits, lattice, payoffs

KEY = jax.random.key(0)


@pytest.mark.parametrize("graph", ["torus", "random"])
def test_contract(graph):
    assert check.check_game(lattice(4, 5, graph=graph, horizon=6)) == []


def test_one_defector_on_a_torus_of_three_by_three():
    game = lattice(3, 3, dilemma=0.2)
    state, _ = game.reset(KEY)
    action = jnp.zeros(9, jnp.int32).at[4].set(1)  # the middle one
    state, seen = game.step(state, action, KEY)
    expected = np.array([1, 0.7, 1, 0.7, 1.2, 0.7, 1, 0.7, 1])  # (3 · 1 − 0.2) / 4 beside it
    np.testing.assert_allclose(seen.reward, expected, rtol=1e-6)
    up, right, down, left = 1, 5, 7, 3
    for agent, place in ((up, 2), (right, 3), (down, 0), (left, 1)):  # the middle lies below the one above it
        np.testing.assert_array_equal(seen.observation[agent], np.eye(5)[place])
    np.testing.assert_array_equal(seen.observation[4], [0, 0, 0, 0, 1])
    np.testing.assert_allclose(seen.shared, [8 / 9], rtol=1e-6)


def test_rewards_are_means_of_the_payoff_table():
    game = lattice(5, 6, dilemma=0.3, graph="random")
    state, _ = game.reset(KEY)
    action = jax.random.bernoulli(KEY, 0.5, (30,)).astype(int)
    _, seen = game.step(state, action, KEY)
    table = np.array([[1.0, -0.3], [1.3, 0.0]])
    one, others = np.asarray(action), np.asarray(action)[np.asarray(game.neighbors)]
    np.testing.assert_allclose(seen.reward, table[one[:, None], others].mean(1), rtol=1e-5)
    np.testing.assert_array_equal(seen.observation, np.concatenate([others, one[:, None]], 1))
    np.testing.assert_array_equal(bits(game.codes(action.astype(jnp.uint8))), seen.observation)


def test_defecting_pays_whatever_the_neighbors_do_and_cooperating_pays_all():
    table = payoffs(0.25)
    assert (table[16:] > table[:16]).all()
    assert table[0] > table[-1]


@pytest.mark.parametrize(("graph", "same"), [("torus", True), ("random", False)])
def test_everybody_is_a_neighbor_of_four_others(graph, same):
    around = np.asarray(lattice(7, 8, graph=graph).neighbors)
    assert (np.bincount(around.ravel()) == 4).all()
    assert all(len({*row, one}) == 5 for one, row in enumerate(around.tolist()))  # no loops, no double edges
    assert all(one in around[other] for one, row in enumerate(around) for other in row)  # both ways
    assert (around == lattices.torus(7, 8, 0)).all() == same


def test_random_graphs_forget_the_torus_and_differ_by_seed():
    first, second = (lattices.regular(10, 10, seed) for seed in (0, 1))
    edges = lambda around: {frozenset((one, int(other))) for one, row in enumerate(around) for other in row}
    plain = edges(lattices.torus(10, 10, 0))
    assert len(edges(first) & plain) < 0.15 * len(plain)  # 4 of 99 would be chance
    assert len(edges(first) & edges(second)) < 0.15 * len(plain)


def test_pictures_count_the_cooperators():
    game = lattice(3, 4)
    state, _ = game.reset(KEY)
    state, _ = game.step(state, jnp.array([0, 0, 0, 0, 1, 1, 0, 0, 0, 1, 0, 0]), KEY)
    picture = game.draw(state)
    assert "75% cooperate" in picture
    assert picture.count("#0072B2") == 4  # runs of cooperators: one, one and two a row


@pytest.mark.parametrize("wrong", [{"rows": 2}, {"horizon": 0}, {"graph": "rings"}])
def test_what_cannot_be_is_refused(wrong):
    with pytest.raises(InputError):
        lattice(**wrong)
