"""Finite games told move by move, for building their whole tree: who moves, what may be done, what chance does, who knows what.

A `Sequential` game is plain Python over immutable states: a state is any hashable value, and all knowledge about it is in the
game's functions. `games/tree.py` walks such a game once and keeps it as arrays, on which everything else works. Two known
instances are Kuhn poker (`interplay.games.kuhn`) and, through its adapter, every turn-based game of OpenSpiel.
"""

import abc
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

CHANCE = -1  # `mover` where nature moves
TERMINAL = -2  # `mover` where the game is over


class Sequential(abc.ABC):
    """A finite game with chance, hidden information and perfect recall, for `players` players.

    Moves are whole numbers 0 … `actions` − 1 that mean the same wherever a player knows the same. Players who move at the
    same time move one after the other without seeing each other. `information(state)` is everything the mover knows,
    its own past moves included: states that it cannot tell apart, and only those, give the same value.
    """

    name: str
    players: int
    actions: int

    @abc.abstractmethod
    def start(self) -> Hashable:
        """The state before the first move."""

    @abc.abstractmethod
    def mover(self, state: Any) -> int:
        """The player who moves next, `CHANCE` or `TERMINAL`."""

    @abc.abstractmethod
    def legal(self, state: Any) -> Sequence[int]:
        """The mover's moves, in rising order; the same for all states of one information set."""

    @abc.abstractmethod
    def chances(self, state: Any) -> Sequence[tuple[int, float]]:
        """Outcomes of a chance move and their probabilities, which sum to one."""

    @abc.abstractmethod
    def play(self, state: Any, move: int) -> Hashable:
        """The state after a move of the mover, or after an outcome of chance."""

    @abc.abstractmethod
    def payoffs(self, state: Any) -> Sequence[float]:
        """What each player gets where the game is over."""

    @abc.abstractmethod
    def information(self, state: Any) -> Hashable:
        """What the mover knows. Its `str` is what people read."""

    def features(self, state: Any) -> np.ndarray | None:
        """The mover's knowledge as numbers for a network, one vector per information set; None: the tree numbers them."""
        return None

    def word(self, state: Any, move: int) -> str:
        """What people call a move, for pictures and tables: "bet", "fold"."""
        return str(move)
