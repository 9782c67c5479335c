"""The walk over trees against plain recursion over the game, and the algebra that values of sequences obey."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay.games import tree as trees
from interplay.games.random_tree import random_tree
from interplay.games.sequential import CHANCE, TERMINAL
from interplay.play import walk

SHAPES = [(2, 5, 3, 0), (2, 7, 2, 1), (3, 5, 3, 2), (4, 6, 2, 3), (2, 4, 5, 4)]


@pytest.fixture(autouse=True)
def precise():
    with jax.enable_x64(True):
        yield


@functools.cache
def known(shape):
    return trees.build(random_tree(*shape[:3], zero_sum=False, seed=shape[3]))


def drawn(tree, seed=0, *batch):
    """A random strategy, some of its moves never played."""
    scores = np.random.default_rng(seed).random((*tree.legal.shape, *batch))
    legal = tree.legal.reshape(*tree.legal.shape, *(1,) * len(batch))
    scores = np.where(legal & (scores > 0.25), scores, 0.0) + 1e-300 * legal
    return jnp.asarray(scores / scores.sum(1, keepdims=True))


def recursion(tree, strategy):
    """u_p, and v_p(I, a): sums over histories of what chance and the others do, times values below, by the definition."""
    game, strategy = tree.record.game, np.asarray(strategy)
    number = [{} for _ in range(tree.players)]
    for row, key in enumerate(tree.record.sets.key):
        number[tree.record.sets.player[row]][key] = row
    values = np.zeros(strategy.shape)

    def below(state, others):
        mover = game.mover(state)
        if mover == TERMINAL:
            return np.array(game.payoffs(state))
        if mover == CHANCE:
            return sum(share * below(game.play(state, at), share * others) for at, share in game.chances(state))
        row = number[mover][game.information(state)]
        worth = np.zeros(tree.players)
        for column, move in enumerate(game.legal(state)):
            share = strategy[row, column]
            weighed = np.where(np.arange(tree.players) == mover, others, others * share)
            after = below(game.play(state, move), weighed)
            values[row, column] += others[mover] * after[mover]
            worth += share * after
        return worth

    return below(game.start(), np.ones(tree.players)), jnp.asarray(values)


@pytest.mark.parametrize("shape", SHAPES)
def test_values_are_those_of_recursion(shape):
    tree = known(shape)
    strategy = drawn(tree)
    wanted, table = recursion(tree, strategy)
    np.testing.assert_allclose(walk.expected(tree, strategy), wanted, atol=1e-12)
    reaches = walk.reaches(tree, strategy)
    for player in range(tree.players):
        values, worth = walk.action_values(tree, reaches, strategy, player)
        np.testing.assert_allclose(values, walk.rows(tree, table, player), atol=1e-12)
        assert float(worth) == pytest.approx(wanted[player], abs=1e-12)


def test_values_are_those_of_recursion_where_rows_are_filled_from_places(monkeypatch):
    """Trees with much padding sum without it and spread the sums over rows afterwards: the same numbers."""
    monkeypatch.setattr(trees, "PADDED", 1)
    tree = trees.build(random_tree(2, 6, 4, zero_sum=False, seed=5))
    assert all(seat.spread is not None for seat in tree.seats)
    strategy = drawn(tree)
    wanted, table = recursion(tree, strategy)
    for player in range(2):
        values, worth = walk.action_values(tree, walk.reaches(tree, strategy), strategy, player)
        np.testing.assert_allclose(values, walk.rows(tree, table, player), atol=1e-12)
        assert float(worth) == pytest.approx(wanted[player], abs=1e-12)


def arriving(tree, strategy, player):
    """r_p(parent(I)) of every own row."""
    reach = walk.flat(walk.own_reach(tree, strategy, player))
    parent = tree.seats[player].parent
    return np.where(parent < 0, 1.0, np.asarray(reach)[parent])[:, None]


@pytest.mark.parametrize("shape", [SHAPES[1], SHAPES[2]])
def test_derivatives_of_the_value_are_reach_times_counterfactual_values(shape):
    """∂u_p / ∂σ(I, a) = r_p(parent(I)) · v_p(I, a), entries of σ taken as free."""
    tree = known(shape)
    strategy = drawn(tree)
    reaches = walk.reaches(tree, strategy)
    for player in range(tree.players):
        slope = jax.grad(lambda free, player=player: walk.expected(tree, free)[player])(strategy)
        values, _ = walk.action_values(tree, reaches, strategy, player)
        before = arriving(tree, strategy, player)
        np.testing.assert_allclose(walk.rows(tree, slope, player), before * values, atol=1e-12)


def test_reach_is_the_product_of_own_moves():
    tree = known(SHAPES[1])
    strategy = drawn(tree)
    for player, seat in enumerate(tree.seats):
        own, reach = walk.rows(tree, strategy, player), walk.own_reach(tree, strategy, player)
        for row in range(len(own)):
            at, product = row * tree.actions, 1.0
            while (parent := int(seat.parent[at // tree.actions])) >= 0:
                product *= float(walk.flat(own)[parent])
                at = parent
            np.testing.assert_allclose(reach[row], product * own[row], rtol=1e-12)


@pytest.mark.parametrize("shape", [SHAPES[0], SHAPES[2]])
def test_a_batch_of_strategies_is_as_good_as_one_by_one(shape):
    tree, count = known(shape), 3
    many = drawn(tree, 1, count)
    reaches = walk.reaches(tree, many)
    together = walk.action_values(tree, reaches, many, 0)[0], walk.expected(tree, many), walk.best(tree, reaches, 0)[1]
    for at in range(count):
        one = many[..., at]
        alone = walk.reaches(tree, one)
        np.testing.assert_allclose(together[0][..., at], walk.action_values(tree, alone, one, 0)[0], atol=1e-12)
        np.testing.assert_allclose(together[1][..., at], walk.expected(tree, one), atol=1e-12)
        np.testing.assert_allclose(together[2][..., at], walk.best(tree, alone, 0)[1], atol=1e-12)


def test_variants_of_payoffs_are_a_mapped_axis():
    tree = known(SHAPES[0])
    strategy, variants = drawn(tree), np.stack([tree.payoffs, -2 * tree.payoffs, tree.payoffs + 1])
    found = jax.vmap(lambda payoffs: walk.expected(trees.paying(tree, payoffs), strategy))(jnp.asarray(variants))
    one = np.asarray(walk.expected(tree, strategy))
    np.testing.assert_allclose(found, [one, -2 * one, one + 1], atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES[:3])
def test_no_strategy_beats_the_best_one(shape):
    tree = known(shape)
    strategy = drawn(tree)
    reaches = walk.reaches(tree, strategy)
    for player in range(tree.players):
        chosen, worth = walk.best(tree, reaches, player)
        with_it = strategy.at[tree.first[player] : tree.first[player + 1]].set(chosen)
        assert float(walk.expected(tree, with_it)[player]) == pytest.approx(float(worth), abs=1e-12)
        for seed in range(6):
            other = walk.rows(tree, drawn(tree, seed + 1), player)
            tried = strategy.at[tree.first[player] : tree.first[player + 1]].set(other)
            assert walk.expected(tree, tried)[player] <= worth + 1e-12


def test_precision_is_the_strategy_s():
    tree = known(SHAPES[0])
    single = drawn(tree).astype(jnp.float32)
    values, worth = walk.action_values(tree, walk.reaches(tree, single), single, 0)
    assert values.dtype == worth.dtype == walk.expected(tree, single).dtype == jnp.float32
