"""Batteries that anybody can run on a game, a team or a method of their own, told in plain words.

Each `check_…` returns a list of sentences, each saying what is wrong and what to do about it; an empty list is a pass.
Each `assert_…` raises `InputError` with all of them, for use in a test.

    >>> from interplay import check, games
    >>> check.check_game(games.make("climbing"))
    []
"""

from interplay.check.game import assert_game, check_game
from interplay.check.method import assert_method, check_method
from interplay.check.team import assert_team, check_team

__all__ = ["assert_game", "assert_method", "assert_team", "check_game", "check_method", "check_team"]
