"""A person in the terminal: asked until it names a move, told what came of it, and let go politely when the input ends."""

import io
import json

import numpy as np
import pytest

from interplay import cli
from interplay.commands import playing  # registers the command
from interplay.games import tree
from interplay.run import strategies

assert playing


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Strategies of Kuhn poker: `bets` always bets, `passes` always passes."""
    root, built = tmp_path_factory.mktemp("strategies"), tree.make("kuhn")
    for column, name in enumerate(("passes", "bets")):
        strategies.save(root / name, "kuhn", built, np.eye(2)[np.full(12, column)])
    return root


def said(monkeypatch, capsys, typed, *words):
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    with pytest.raises(SystemExit) as leaving:
        cli.main(["play", *map(str, words)])
    return leaving.value.code, capsys.readouterr()


def test_a_game_is_played_asked_again_and_won(monkeypatch, capsys, folder):
    typed = "fold\n\nB\n"  # no such move, nothing, and the beginning of one
    code, out = said(monkeypatch, capsys, typed, "kuhn", "--strategy", folder / "passes", "--seed", 1)
    assert code == 0
    assert out.out.count("your move: ") == 3 and out.out.count("is not one move here, type one of: pass, bet") == 2
    assert "you open" in out.out and "you bet, player 1 pass" in out.out and out.out.strip().endswith("you win 1")


def test_the_other_seat_and_several_games(monkeypatch, capsys, folder):
    words = ("kuhn", "--strategy", folder / "bets", "--seat", 1, "--games", 3, "--seed", 0)
    code, out = said(monkeypatch, capsys, "pass\n" * 3, *words)
    assert code == 0 and out.out.count("you lose 1") == 3 and "after 3 games you have -3, -1.000 a game" in out.out


def test_one_json_object_and_nothing_else(monkeypatch, capsys, folder):
    words = ("kuhn", "--strategy", folder / "passes", "--games", 2, "--json")
    code, out = said(monkeypatch, capsys, "bet\nbet\n", *words)
    assert code == 0 and json.loads(out.out) == {"game": "kuhn", "seat": 0, "games": 2, "returns": [1.0, -1.0]}
    assert "your move" in out.err


def test_the_same_game_told_by_openspiel(monkeypatch, capsys, folder):
    pytest.importorskip("pyspiel")
    words = ("openspiel:kuhn_poker", "--strategy", folder / "passes", "--seed", 1)
    code, out = said(monkeypatch, capsys, "Bet\n", *words)
    assert code == 0 and "you win 1" in out.out


@pytest.mark.parametrize(
    ("typed", "words", "message"),
    [
        ("", ("kuhn",), "the input ended before the game did"),
        ("nonsense\n", ("kuhn",), "the input ended before the game did"),
        ("", ("kuhn", "--seat", "2"), "seats 0 to 1"),
        ("", ("kuhn", "--games", "0"), "give 1 or more"),
        ("", ("kunh",), "did you mean kuhn"),
        ("", ("kuhn(players=3)",), "not the same game"),
    ],
)
def test_what_cannot_be_played_gets_one_line(monkeypatch, capsys, folder, typed, words, message):
    code, out = said(monkeypatch, capsys, typed, *words, "--strategy", folder / "passes")
    assert code == 2 and message in out.err and len(out.err.strip().splitlines()) == 1


def test_no_strategy_there(monkeypatch, capsys, tmp_path):
    code, out = said(monkeypatch, capsys, "", "kuhn", "--strategy", tmp_path / "none")
    assert code == 2 and "there is no strategy in" in out.err
