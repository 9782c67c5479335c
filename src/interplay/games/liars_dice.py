"""Liar's dice: everyone rolls in secret and bids how many dice of a face there are in all, until somebody doubts.

The highest face is wild: it counts as every other. Known instances are the game with one die of six sides each, for which
solvers are timed, and the bar game with five dice.

Source: Neller and Lanctot, "An introduction to counterfactual regret minimization" (2013), section 5.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from interplay.core.errors import InputError
from interplay.games.sequential import CHANCE, TERMINAL, Sequential

PLAYERS = range(2, 6)


class State(NamedTuple):
    """Rolls seat after seat, all of one seat together, and the bids; the bid of number `Dice.doubt` ends the game."""

    rolls: tuple[int, ...] = ()
    bids: tuple[int, ...] = ()


class Dice(Sequential):
    """Made by `liars_dice`. Bid b says that b // sides + 1 dice show face b % sides."""

    def __init__(self, players: int, dice: int, sides: int):
        self.name = f"liars-dice(players={players}, dice={dice}, sides={sides})"
        self.players, self.dice, self.sides = players, dice, sides
        self.doubt = players * dice * sides
        self.actions = self.doubt + 1

    def start(self) -> State:
        return State()

    def mover(self, state: State) -> int:
        if len(state.rolls) < self.players * self.dice:
            return CHANCE
        return TERMINAL if state.bids and state.bids[-1] == self.doubt else len(state.bids) % self.players

    def legal(self, state: State) -> Sequence[int]:
        return range(state.bids[-1] + 1, self.actions) if state.bids else range(self.doubt)

    def chances(self, state: State) -> Sequence[tuple[int, float]]:
        return [(face, 1 / self.sides) for face in range(self.sides)]

    def play(self, state: State, move: int) -> State:
        if len(state.rolls) < self.players * self.dice:
            return state._replace(rolls=(*state.rolls, move))
        return state._replace(bids=(*state.bids, move))

    def payoffs(self, state: State) -> Sequence[float]:
        doubter = (len(state.bids) - 1) % self.players
        bidder = (doubter - 1) % self.players
        count, face = divmod(state.bids[-2], self.sides)
        there = sum(roll in (face, self.sides - 1) for roll in state.rolls)
        loser = doubter if there > count else bidder
        return [-1.0 if player == loser else 1 / (self.players - 1) for player in range(self.players)]

    def information(self, state: State) -> str:
        rolled = " ".join(str(face + 1) for face in self._own(state))
        said = ", ".join(self.word(state, bid) for bid in state.bids)
        return f"dice {rolled}: {said or 'you open'}"

    def features(self, state: State) -> np.ndarray:
        """How many own dice show each face, divided by their number, then which bids were made, then whose turn it is.

        With three or more players two different tables may have the same bids, so turns are told apart by their number.
        """
        shown = np.zeros(self.sides + self.doubt + self.players, np.float32)
        for face in self._own(state):
            shown[face] += 1 / self.dice
        shown[[self.sides + bid for bid in state.bids]] = 1
        shown[self.sides + self.doubt + self.mover(state)] = 1
        return shown

    def word(self, state: State, move: int) -> str:
        return "liar" if move == self.doubt else f"{move // self.sides + 1}x{move % self.sides + 1}"

    def _own(self, state: State) -> list[int]:
        """The mover's dice, sorted: it does not matter which one showed what."""
        first = self.mover(state) * self.dice
        return sorted(state.rolls[first : first + self.dice])


def liars_dice(players: int = 2, dice: int = 1, sides: int = 6) -> Dice:
    """Liar's dice; whoever is wrong loses 1, shared out evenly among the others.

    Raises `InputError` for other than two to five players, or less than one die or side.

        >>> from interplay.games import tree
        >>> tree.build(liars_dice(sides=3)).rows
        192
    """
    if players not in PLAYERS or dice < 1 or sides < 1:
        raise InputError(f"liar's dice got {players=}, {dice=}, {sides=}: give 2 to 5 players, a die and a side")
    return Dice(players, dice, sides)
