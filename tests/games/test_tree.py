"""Trees of games: counts worked by hand, arrays that agree with the game told move by move, and refusals that help."""

import itertools
import math

import jax
import numpy as np
import pytest

from interplay.core.errors import InputError
from interplay.games import tree as trees
from interplay.games.histories import explore
from interplay.games.random_tree import random_tree
from interplay.games.sequential import CHANCE, TERMINAL, Sequential
from interplay.play import walk


class Coin(Sequential):
    """A coin falls heads once in four times. Player 0 sees it and stops (gets 1) or goes on; player 1 guesses blindly."""

    name, players, actions = "coin", 2, 3

    def start(self):
        return ()

    def mover(self, state):
        return [CHANCE, 0, 1, TERMINAL][len(state)] if state[1:2] != (0,) else TERMINAL

    def legal(self, state):
        return (0, 1) if len(state) == 1 else (0, 2)

    def chances(self, state):
        return [(0, 0.25), (1, 0.75)]

    def play(self, state, move):
        return (*state, move)

    def payoffs(self, state):
        if state[1] == 0:
            return 1.0, -1.0
        return (-2.0, 2.0) if state[2] == 2 * state[0] else (3.0, -3.0)

    def information(self, state):
        return state[:1] if len(state) == 1 else "?"

    def word(self, state, move):
        return {0: "stop", 1: "go"}[move] if len(state) == 1 else {0: "heads", 2: "tails"}[move]


@pytest.fixture(scope="module")
def coin():
    return trees.build(Coin())


def test_a_tree_drawn_by_hand(coin):
    assert (coin.nodes, coin.rows, coin.first) == (11, 3, (0, 2, 3))
    assert coin.moves.tolist() == [[0, 1], [0, 1], [0, 2]] and coin.legal.all()
    assert coin.labels == ["(0,)", "(1,)", "?"]
    assert [coin.words(row) for row in range(3)] == [["stop", "go"], ["stop", "go"], ["heads", "tails"]]
    assert coin.chance.tolist() == [0.25, 0.25, 0.25, 0.75, 0.75, 0.75]
    assert coin.payoffs.tolist() == [[1, -2, 3, 1, 3, -2], [-1, 2, -3, -1, -3, 2]]
    assert coin.sequences.tolist() == [[0, 1, 1, 2, 3, 3], [-1, 0, 1, -1, 0, 1]]


def test_its_value_by_hand(coin):
    """Heads: stop. Tails: go half the time; heads is guessed a third of the time."""
    with jax.enable_x64(True):
        strategy = np.array([[1, 0], [0.5, 0.5], [1 / 3, 2 / 3]])
        value = float(walk.expected(coin, jax.numpy.asarray(strategy))[0])
    assert value == pytest.approx(0.25 * 1 + 0.75 * (0.5 * 1 + 0.5 * (3 / 3 - 2 * 2 / 3)), abs=1e-12)


def test_histories_can_be_walked_down_and_played(coin):
    record = coin.record
    assert record.path(5) == [0, 1, 2] and record.state(5) == (0, 1, 2)
    below = record.children()
    assert below[0].tolist() == [1, 6] and below[1].tolist() == [2, 3] and (below[2] < 0).all()
    assert [record.mover[node] for node in range(5)] == [CHANCE, 0, TERMINAL, 1, TERMINAL]


def listed(game: Sequential):
    """Every end by plain recursion: (chance, payoffs, each player's own (information, move) pairs in order)."""

    def below(state, chance, own):
        mover = game.mover(state)
        if mover == TERMINAL:
            yield chance, tuple(game.payoffs(state)), own
        elif mover == CHANCE:
            for outcome, share in game.chances(state):
                yield from below(game.play(state, outcome), chance * share, own)
        else:
            for move in game.legal(state):
                told = (*own[mover], (game.information(state), move))
                yield from below(game.play(state, move), chance, (*own[:mover], told, *own[mover + 1 :]))

    return list(below(game.start(), 1.0, ((),) * game.players))


def told(tree, player: int, sequence: int):
    """A sequence of the tree as (information, move) pairs in order."""
    pairs = []
    while sequence >= 0:
        row = sequence // tree.actions
        place = tree.first[player] + row
        pairs.append((tree.record.sets.key[place], int(tree.moves[place, sequence % tree.actions])))
        sequence = int(tree.seats[player].parent[row])
    return tuple(reversed(pairs))


SHAPES = [(2, 5, 3, 0), (2, 7, 2, 1), (3, 5, 3, 2), (4, 6, 2, 3), (2, 4, 5, 4)]


@pytest.mark.parametrize(("players", "depth", "actions", "seed"), SHAPES)
def test_arrays_hold_what_the_game_tells(players, depth, actions, seed):
    game = random_tree(players, depth, actions, zero_sum=False, seed=seed)
    tree, ends = trees.build(game), listed(game)
    record = tree.record
    assert len(ends) == len(record.terminal)
    for at, (chance, payoffs, own) in enumerate(ends):
        assert record.reach[at] == pytest.approx(chance) and record.payoffs[:, at].tolist() == list(payoffs)
        end = at if tree.merged is None else tree.merged[at]
        assert own == tuple(told(tree, player, int(tree.sequences[player, end])) for player in range(players))


@pytest.mark.parametrize(("players", "depth", "actions", "seed"), SHAPES)
def test_rows_stand_by_player_and_by_number_of_earlier_decisions(players, depth, actions, seed):
    tree = trees.build(random_tree(players, depth, actions, seed=seed))
    for player, seat in enumerate(tree.seats):
        assert seat.levels[-1] == tree.first[player + 1] - tree.first[player]
        for level, (start, stop) in enumerate(itertools.pairwise(seat.levels)):
            before = seat.parent[start:stop]
            inside = (before >= 0) & (before // tree.actions >= seat.levels[level - 1]) if level else before < 0
            assert inside.all() and (before < start * tree.actions).all()
    widths = tree.legal.sum(1)
    assert (tree.legal == (np.arange(tree.actions) < widths[:, None])).all() and (widths > 0).all()
    assert ((tree.moves >= 0) == tree.legal).all()


def test_ends_that_nobody_tells_apart_are_one():
    tree = trees.build(random_tree(2, 7, 2, seed=1))
    assert tree.merged is not None and tree.sequences.shape[1] < len(tree.record.terminal)
    for end in range(tree.sequences.shape[1]):
        held = tree.merged == end
        np.testing.assert_allclose(tree.worth[:, end], (tree.payoffs * tree.chance)[:, held].sum(1), atol=1e-12)


def test_other_payoffs_give_the_tree_of_the_other_game():
    tree = trees.build(random_tree(2, 7, 2, seed=1))
    twice = trees.paying(tree, jax.numpy.asarray(2 * tree.payoffs))
    np.testing.assert_allclose(twice.worth, 2 * tree.worth, rtol=1e-6)
    for new, old in zip(twice.seats, tree.seats, strict=True):
        for after, before in zip(new.weight, old.weight, strict=True):
            np.testing.assert_allclose(after, 2 * before, rtol=1e-6)


def test_random_trees_are_the_same_everywhere_and_zero_sum():
    tree = trees.make("random-tree(players=3,depth=8,actions=3)")
    assert (tree.nodes, tree.first) == (341, (0, 13, 20, 74))
    np.testing.assert_allclose(tree.payoffs.sum(0), 0.0, atol=1e-12)


def test_an_estimate_comes_near_the_size():
    game = random_tree(2, 6, 3, seed=1)
    guess, true = trees.estimate(game, probes=1000, seconds=9), trees.build(game)
    assert abs(guess.nodes - true.nodes) < 4 * guess.error + 1
    assert abs(guess.terminals / len(true.record.terminal) - 1) < 0.25 and guess.bytes == 200 * guess.nodes


def changed(**functions) -> Sequential:
    return type("Changed", (Coin,), functions)()


def forgets(self, state):
    return state if len(state) == 1 else "?"


def alone(self, state):
    return [CHANCE, 0, 0, TERMINAL][len(state)]


REFUSED = [
    ({"payoffs": lambda self, state: (math.nan, 0.0)}, "pays player 0 nan .*mend `payoffs`"),
    ({"chances": lambda self, state: [(0, 0.5), (1, 0.6)]}, "do not sum to 1"),
    ({"legal": lambda self, state: ()}, "no move"),
    ({"legal": lambda self, state: (0, 1 + (state == (0, 1)))}, "moves differ within '\\?'"),
    ({"information": forgets, "mover": alone}, "forget.*perfect recall"),
]


@pytest.mark.parametrize(("functions", "complaint"), REFUSED)
def test_games_that_are_none_are_refused(functions, complaint):
    with pytest.raises(InputError, match=complaint):
        trees.build(changed(**functions))


def test_games_too_large_are_refused_before_they_are_listed():
    with pytest.raises(InputError, match=r"about [0-9.e+]+ histories, .* GB to build.*mccfr-external"):
        trees.make("random-tree(depth=60,actions=4)")


def test_the_limit_holds_where_the_estimate_fails():
    with pytest.raises(InputError, match="more than 50 "):
        explore(random_tree(2, 6, 3), 50)


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("random-trie", "did you mean random-tree"),
        ("openspeil:kuhn_poker", "did you mean openspiel"),
        ("random-tree(depths=3)", "depths"),
        ("random-tree(players=1)", "at least two players"),
    ],
)
def test_names_that_do_not_exist(name, complaint):
    with pytest.raises(InputError, match=complaint):
        trees.make(name)
