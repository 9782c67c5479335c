"""Our tree games are OpenSpiel's, history by history; so they have as many information sets, ends, and the same values."""

import random

import numpy as np
import pytest

from interplay.core.errors import InputError
from interplay.games import pairing, phantom, tree
from interplay.games.sequential import TERMINAL

pytest.importorskip("pyspiel")
from interplay.games.adapters import openspiel

PAIRS = [  # ours, OpenSpiel's, information sets, ends
    ("kuhn", "kuhn_poker", 12, 30),
    ("kuhn(players=3)", "kuhn_poker(players=3)", 48, 312),
    ("leduc(suits=False)", "leduc_poker(suit_isomorphism=True)", 288, 1116),
    ("liars-dice(sides=3)", "liars_dice(dice_sides=3)", 192, 567),
    ("goofspiel(order='random', cards=3)", "goofspiel(imp_info=True,num_cards=3)", 90, 216),
    ("goofspiel", "goofspiel(imp_info=True,points_order=descending,num_cards=4)", 162, 576),
    ("goofspiel(order='random', cards=3, hidden=False)", "goofspiel(num_cards=3)", 114, 216),
    (
        "goofspiel(players=3, cards=3, returns='total-points')",
        "goofspiel(imp_info=True,points_order=descending,num_cards=3,players=3,returns_type=total_points)",
        30,
        216,
    ),
    ("blotto", "blotto(coins=5,fields=3)", 2, 441),
    ("blotto(players=3, coins=3, fields=2)", "blotto(coins=3,fields=2,players=3)", 3, 64),
    (
        "battleship",
        "battleship(board_width=2,board_height=2,ship_sizes=[1],ship_values=[1],num_shots=2,allow_repeated_shots=False)",
        162,
        1072,
    ),
    (
        "battleship(rows=1, columns=3, ships=(2, 1), loss=2.0, repeated=True)",
        "battleship(board_width=3,board_height=1,ship_sizes=[2;1],ship_values=[2;1],num_shots=2,loss_multiplier=2.0)",
        134,
        324,
    ),
    ("dark-hex", "dark_hex(num_cols=2,num_rows=2,obstype=reveal-numturns)", 134, 216),
    ("matching-pennies", "matrix_mp", 2, 4),
    ("rock-paper-scissors", "matrix_rps", 2, 9),
    ("prisoners-dilemma", "matrix_pd", 2, 4),
]
LARGE = [
    ("liars-dice(dice=2, sides=2)", "liars_dice(numdice=2,dice_sides=2)", 768, 4080),
    (
        "goofspiel(order='ascending', returns='point-difference')",
        "goofspiel(imp_info=True,points_order=ascending,num_cards=4,returns_type=point_difference)",
        162,
        576,
    ),
    ("kuhn(players=4)", "kuhn_poker(players=4)", 160, 3960),
    ("leduc", "leduc_poker", 936, 5520),
    ("liars-dice", "liars_dice", 24576, 147420),
    (
        "battleship(ships=(1, 2), loss=2.0, repeated=True)",
        "battleship(board_width=2,board_height=2,ship_sizes=[1;2],ship_values=[1;2],num_shots=2,loss_multiplier=2.0)",
        1970,
        16384,
    ),
]


@pytest.mark.parametrize(
    ("ours", "theirs", "sets", "ends"), [*PAIRS, *(pytest.param(*one, marks=pytest.mark.slow) for one in LARGE)]
)
def test_same_game_as_openspiels(ours, theirs, sets, ends):
    own, other = tree.make(ours), tree.make(f"openspiel:{theirs}")
    rows = pairing.paired(own, other)
    assert own.rows == other.rows == sets
    assert len(own.record.terminal) == len(other.record.terminal) == ends
    assert sorted(rows) == list(range(sets))
    np.testing.assert_array_equal(own.legal, other.legal[rows])
    np.testing.assert_allclose(own.payoffs * own.chance, other.payoffs * other.chance, atol=1e-12)


@pytest.mark.slow
def test_leduc_for_three_along_random_plays():
    alongside("leduc(players=3)", "leduc_poker(players=3)", 300)


def test_phantom_tic_tac_toe_along_random_plays():
    """The whole tree of 3 x 3 has 18 billion histories: random ones have to do."""
    alongside("phantom-tic-tac-toe(rows=3, columns=3, line=3)", "phantom_ttt", 120)
    counted = "phantom-tic-tac-toe(rows=3, columns=3, line=3, counted=True)"
    alongside(counted, "phantom_ttt(obstype=reveal-numturns)", 60)
    alongside("dark-hex(rows=3, columns=3)", "dark_hex(obstype=reveal-numturns)", 60)


def alongside(ours, theirs, plays):
    """Play both games at random side by side; knowing the same in one must be knowing the same in the other."""
    own, other, draw = tree.sequential(ours), openspiel.make(theirs), random.Random(0)
    there, back = {}, {}
    for _ in range(plays):
        mine, their = own.start(), other.start()
        while (mover := own.mover(mine)) != TERMINAL:
            assert mover == other.mover(their)
            if mover >= 0:
                moves, answers = own.legal(mine), other.legal(their)
                known, told = (mover, own.information(mine)), (mover, other.information(their))
                assert there.setdefault(known, told) == told and back.setdefault(told, known) == known
            else:
                (moves, chances), (answers, likely) = (
                    zip(*game.chances(state), strict=True) for game, state in ((own, mine), (other, their))
                )
                assert chances == pytest.approx(likely)
            assert len(moves) == len(answers)
            at = draw.randrange(len(moves))
            mine, their = own.play(mine, moves[at]), other.play(their, answers[at])
        assert other.mover(their) == TERMINAL
        assert own.payoffs(mine) == pytest.approx(other.payoffs(their))


def test_different_games_are_told_apart():
    with pytest.raises(InputError, match="58 and 617 histories"):
        pairing.paired(tree.make("kuhn"), tree.make("openspiel:kuhn_poker(players=3)"))
    with pytest.raises(InputError, match="players know 16 and 20"):
        pairing.paired(tree.make("goofspiel(cards=3)"), tree.make("goofspiel(cards=3, hidden=False)"))
    with pytest.raises(InputError, match="payoffs differ"):
        pairing.paired(tree.make("matching-pennies"), tree.make("prisoners-dilemma"))


@pytest.mark.parametrize(
    "game",
    [
        "kuhn",
        "leduc(suits=False)",
        "liars-dice(sides=2)",
        "goofspiel",
        "goofspiel(hidden=False)",
        "battleship",
        "dark-hex",
    ],
)
def test_features_tell_all_information_sets_apart(game):
    built = tree.make(game)
    told = np.array([built.record.game.features(built.record.state(int(node))) for node in built.record.sets.node])
    for player in range(built.players):
        rows = slice(built.first[player], built.first[player + 1])
        assert len(np.unique(told[rows], axis=0)) == rows.stop - rows.start


def test_every_move_has_a_word_of_its_own_and_everything_known_is_text():
    for name in ("kuhn", "leduc(suits=False)", "liars-dice(sides=2)", "goofspiel", "blotto", "dark-hex", "climbing"):
        built = tree.make(name)
        assert all(isinstance(label, str) for label in built.labels)
        for row in range(0, built.rows, 7):
            words = built.words(row)
            assert len(set(words)) == len(words) == built.legal[row].sum()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("kuhn(players=9)", "give 2 to 5"),
        ("leduc(players=1)", "give 2 to 5"),
        ("liars-dice(sides=0)", "a die and a side"),
        ("goofspiel(order='up')", "order is 'up'"),
        ("goofspiel(returns='win_loss')", "did you mean win-loss"),
        ("blotto(coins=0)", "a coin and a field"),
        ("battleship(ships=(3,))", "find no room"),
        ("battleship(shots=5)", "give fewer, or repeated=True"),
        ("phantom-tic-tac-toe(line=4)", "give 2 to 3"),
        ("dark-hex(rows=0)", "give 1 to 10"),
        ("kun", "did you mean kuhn"),
    ],
)
def test_impossible_parameters_are_refused(name, message):
    with pytest.raises(InputError, match=message):
        tree.make(name)


def test_doubts_of_three_are_zero_sum():
    game = tree.make("liars-dice(players=3, sides=2)")
    np.testing.assert_allclose(game.payoffs.sum(0), 0.0, atol=1e-12)
    assert set(np.unique(game.payoffs)) == {-1.0, 0.5}


def test_a_line_wins_and_a_full_board_ends():
    game = phantom.phantom_tic_tac_toe(2, 2)
    state = game.start()
    for cell in (0, 3, 1):
        state = game.play(state, cell)
    assert game.mover(state) == TERMINAL and game.payoffs(state) == [1.0, -1.0]
