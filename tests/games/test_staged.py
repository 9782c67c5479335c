"""Trees played step by step: the same histories, the same chances, the same payoffs as the tree they come from."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay import check
from interplay.core.errors import InputError
from interplay.games import staged, tree
from interplay.games.sequential import CHANCE, TERMINAL, Sequential


@pytest.mark.parametrize("name", ["kuhn(players=3)", pytest.param("leduc", marks=pytest.mark.slow)])
def test_contract(name):
    assert check.check_game(staged.make(name)) == []


@pytest.mark.parametrize("name", ["leduc(suits=False)", "climbing(horizon=2)"])
def test_every_step_is_the_trees(name):
    """Random episodes, every state compared with the `Sequential` game that the tree was made of."""
    game = staged.make(name)
    told = game.record.game
    reset, step = jax.jit(game.reset), jax.jit(game.step)
    for seed in range(20):
        state, seen = reset(jax.random.key(seed))
        for turn in range(game.spec.horizon + 1):
            known = game.record.state(int(state.node))
            mover = told.mover(known)
            assert mover != CHANCE and bool(seen.terminated) == (mover == TERMINAL)
            if mover == TERMINAL:
                np.testing.assert_allclose(seen.reward, told.payoffs(known))
                break
            assert np.flatnonzero(seen.active).tolist() == [mover] and not np.any(seen.reward)
            assert np.flatnonzero(seen.legal[mover]).tolist() == list(told.legal(known))
            row = int(game.record.information[int(state.node)])
            assert game.record.sets.key[row] == told.information(known)
            np.testing.assert_array_equal(seen.observation[mover], game.known[row])
            choice = told.legal(known)[(seed + turn) % len(told.legal(known))]
            state, seen = step(state, jnp.full(game.spec.agents, choice), jax.random.key(100 * seed + turn))
        assert seen.terminated


def test_chance_falls_as_it_should():
    """Cards of Leduc without suits: pairs are rarer than the others, and the table's card knows what is gone."""
    game = staged.make("leduc(suits=False)")
    state, _ = jax.jit(jax.vmap(game.reset))(jax.random.split(jax.random.key(0), 30_000))
    node, count = np.unique(state.node, return_counts=True)
    cards = [tuple(game.record.path(int(at))) for at in node]
    chance = {cards: (1 if cards[0] == cards[1] else 2) / 15 for cards in cards}
    assert len(cards) == 9
    np.testing.assert_allclose(count / 30_000, [chance[pair] for pair in cards], atol=0.008)
    kings = node[cards.index((2, 2))]
    both_call = [jnp.full(2, 1)] * 2
    state = jax.tree.map(
        lambda leaf: jnp.broadcast_to(leaf, (2_000, *leaf.shape)), staged.State(jnp.asarray(kings), jnp.array([-1, -1]))
    )
    for turn, action in enumerate(both_call):
        keys = jax.random.split(jax.random.key(turn), 2_000)
        state, _ = jax.jit(jax.vmap(game.step, in_axes=(0, None, 0)))(state, action, keys)
    tables = np.array([game.record.path(int(at))[-1] for at in state.node])
    np.testing.assert_allclose(np.bincount(tables, minlength=3) / 2_000, [0.5, 0.5, 0.0], atol=0.05)


class Silent(Sequential):
    """One player has many information sets that nothing tells apart by numbers."""

    def __init__(self, outcomes, moves):
        self.name, self.players, self.actions, self.outcomes = "silent", 2, 2, outcomes
        self.moves = moves

    def start(self):
        return ()

    def mover(self, state):
        return CHANCE if not state else 0 if len(state) <= self.moves else TERMINAL

    def legal(self, state):
        return (0, 1)

    def chances(self, state):
        return [(outcome, 1 / self.outcomes) for outcome in range(self.outcomes)]

    def play(self, state, move):
        return (*state, move)

    def payoffs(self, state):
        return (1.0, -1.0)

    def information(self, state):
        return state


def test_what_cannot_be_staged_is_refused():
    with pytest.raises(InputError, match="define features"):
        staged.staged(Silent(3000, 1))


def test_information_sets_without_numbers_are_numbered():
    game = staged.staged(Silent(5, 1))
    assert game.spec.observation == 5 and np.array_equal(game.known, np.eye(5))
    seen = game.seen(jnp.arange(5))
    assert seen.active[:, 0].all() and np.array_equal(seen.observation[:, 0], np.eye(5))


def test_pictures_tell_the_moves():
    game = staged.make("kuhn")
    state, _ = game.reset(jax.random.key(0))
    state, _ = game.step(state, jnp.array([1, 0]), jax.random.key(1))
    state, _ = game.step(state, jnp.array([0, 0]), jax.random.key(1))
    assert ">bet<" in game.draw(state) and "player 0 +1" in game.draw(state)


def test_a_tree_already_built_is_staged_row_for_row():
    built = tree.make("goofspiel(cards=3)")
    game = staged.of_tree(built)
    assert len(game.known) == built.rows and game.spec.horizon == 4
    assert np.array_equal(np.sort(game.column, 1)[:, ::-1][:, 0] + 1, built.legal.sum(1))
