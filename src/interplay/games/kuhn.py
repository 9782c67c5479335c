"""Kuhn poker: one card each, one chip in the pot, one chance to bet. The smallest game in which bluffing pays.

With two players the first loses 1/18 of a chip per game if both play perfectly; with three or four no such single value
exists. Known instances are Kuhn's own two-player game and the three-player game of the poker competitions.

Source: Kuhn, "A simplified two-person poker" (1950).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from interplay.core.errors import InputError
from interplay.games.sequential import CHANCE, TERMINAL, Sequential

PASS, BET = 0, 1
WORDS = ("pass", "bet")
PLAYERS = range(2, 6)


class State(NamedTuple):
    """Cards in the order of seats, and what was said so far."""

    cards: tuple[int, ...] = ()
    said: tuple[int, ...] = ()


class Kuhn(Sequential):
    """Made by `kuhn`. Cards are 0 … players; to pass after a bet is to fold."""

    actions = 2

    def __init__(self, players: int):
        self.name, self.players = f"kuhn(players={players})", players

    def start(self) -> State:
        return State()

    def mover(self, state: State) -> int:
        if len(state.cards) < self.players:
            return CHANCE
        opened = state.said.index(BET) if BET in state.said else 0
        return TERMINAL if len(state.said) == self.players + opened else len(state.said) % self.players

    def legal(self, state: State) -> Sequence[int]:
        return (PASS, BET)

    def chances(self, state: State) -> Sequence[tuple[int, float]]:
        left = [card for card in range(self.players + 1) if card not in state.cards]
        return [(card, 1 / len(left)) for card in left]

    def play(self, state: State, move: int) -> State:
        if len(state.cards) < self.players:
            return state._replace(cards=(*state.cards, move))
        return state._replace(said=(*state.said, move))

    def payoffs(self, state: State) -> Sequence[float]:
        bettors = [at % self.players for at, move in enumerate(state.said) if move == BET]
        paid = [1.0 + (player in bettors) for player in range(self.players)]
        winner = max(bettors or range(self.players), key=lambda player: state.cards[player])
        return [sum(paid) * (player == winner) - paid[player] for player in range(self.players)]

    def information(self, state: State) -> str:
        card = state.cards[self.mover(state)]
        return f"card {card}: {', '.join(WORDS[move] for move in state.said) or 'you open'}"

    def features(self, state: State) -> np.ndarray:
        """The own card as one-hot, then for every turn whether it was passed or bet, zeros where it is still to come."""
        turns = 2 * self.players - 1
        shown = np.zeros(self.players + 1 + 2 * turns, np.float32)
        shown[state.cards[self.mover(state)]] = 1
        for at, move in enumerate(state.said):
            shown[self.players + 1 + 2 * at + move] = 1
        return shown

    def word(self, state: State, move: int) -> str:
        return WORDS[move]


def kuhn(players: int = 2) -> Kuhn:
    """Kuhn poker for two to five players with one card more than players. Raises `InputError` for other numbers.

    >>> from interplay.games import tree
    >>> tree.build(kuhn(3)).rows
    48
    """
    if players not in PLAYERS:
        raise InputError(f"Kuhn poker got players={players}: give 2 to 5")
    return Kuhn(players)
