"""Leduc poker: two rounds of betting, a card each and one on the table, pairs win.

The deck has two cards of every rank, one rank more than players. Known instances are the two-player game of 936 information
sets (288 where suits are not told apart, which changes nothing but the size) and the three-player game.

Source: Southey et al., "Bayes' bluff: opponent modelling in poker" (2005).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from interplay.core.errors import InputError
from interplay.games.sequential import CHANCE, TERMINAL, Sequential

FOLD, CALL, RAISE = 0, 1, 2
WORDS = ("fold", "call", "raise")
RAISES = 2  # a round
AMOUNTS = (2, 4)  # chips of a raise in the first and in the second round
PLAYERS = range(2, 6)


class State(NamedTuple):
    """Cards (of the seats, then of the table), what was said in each round, chips paid, who folded, who is to speak.

    `called` counts calls since the last raise, `raised` the raises of this round; `speaker` is −1 where nobody is.
    """

    cards: tuple[int, ...]
    said: tuple[tuple[int, ...], ...]
    paid: tuple[int, ...]
    folded: tuple[bool, ...]
    speaker: int
    called: int
    raised: int


class Leduc(Sequential):
    """Made by `leduc`."""

    actions = 3

    def __init__(self, players: int, suits: bool):
        self.name, self.players, self.suits = f"leduc(players={players}, suits={suits})", players, suits
        self.ranks = players + 1

    def start(self) -> State:
        return State((), ((),), (1,) * self.players, (False,) * self.players, -1, 0, 0)

    def mover(self, state: State) -> int:
        if len(state.cards) < self.players:
            return CHANCE
        if state.speaker >= 0:
            return state.speaker
        return CHANCE if len(state.said) == 2 and len(state.cards) == self.players else TERMINAL

    def legal(self, state: State) -> Sequence[int]:
        pressed = max(state.paid) > state.paid[state.speaker]
        return [*([FOLD] if pressed else []), CALL, *([RAISE] if state.raised < RAISES else [])]

    def chances(self, state: State) -> Sequence[tuple[int, float]]:
        copies = 1 if self.suits else 2
        total = 2 * self.ranks - len(state.cards)
        left = {card: copies - state.cards.count(card) for card in range(2 * self.ranks // copies)}
        return [(card, count / total) for card, count in left.items() if count]

    def play(self, state: State, move: int) -> State:
        if state.speaker < 0:
            dealt = state._replace(cards=(*state.cards, move))
            return dealt if len(dealt.cards) < self.players else dealt._replace(speaker=self._after(dealt, -1))
        stake, player = max(state.paid), state.speaker
        said = (*state.said[:-1], (*state.said[-1], move))
        if move == FOLD:
            folded = (*state.folded[:player], True, *state.folded[player + 1 :])
            return self._on(state._replace(said=said, folded=folded))
        pays = stake + AMOUNTS[len(said) - 1] * (move == RAISE)
        paid = (*state.paid[:player], pays, *state.paid[player + 1 :])
        called, raised = (state.called + 1, state.raised) if move == CALL else (0, state.raised + 1)
        return self._on(state._replace(said=said, paid=paid, called=called, raised=raised))

    def payoffs(self, state: State) -> Sequence[float]:
        left = [player for player in range(self.players) if not state.folded[player]]
        strength = {player: self._strength(state, player) if len(left) > 1 else 0 for player in left}
        winners = [player for player in left if strength[player] == max(strength.values())]
        share = sum(state.paid) / len(winners)
        return [share * (player in winners) - state.paid[player] for player in range(self.players)]

    def information(self, state: State) -> str:
        table = f", table {self._card(state.cards[-1])}" if len(state.cards) > self.players else ""
        said = " | ".join(" ".join(WORDS[move] for move in part) or "you open" for part in state.said)
        return f"card {self._card(state.cards[state.speaker])}{table}: {said}"

    def features(self, state: State) -> np.ndarray:
        """The own card and the table's as one-hots, then for every turn of each round what was said, as one-hot."""
        deck, turns = 2 * self.ranks if self.suits else self.ranks, 3 * self.players - 2
        shown = np.zeros((2 * deck + 2 * turns * 3), np.float32)
        shown[state.cards[state.speaker]] = 1
        if len(state.cards) > self.players:
            shown[deck + state.cards[-1]] = 1
        for half, part in enumerate(state.said):
            for at, move in enumerate(part):
                shown[2 * deck + 3 * (half * turns + at) + move] = 1
        return shown

    def word(self, state: State, move: int) -> str:
        return WORDS[move]

    def _on(self, state: State) -> State:
        """Who speaks next; or the end of the round, or of the game."""
        left = self.players - sum(state.folded)
        if left == 1:
            return state._replace(speaker=-1)
        if state.called < left - (state.raised > 0):
            return state._replace(speaker=self._after(state, state.speaker))
        over = state._replace(speaker=-1, called=0, raised=0)
        return over if len(state.said) == 2 else over._replace(said=(*state.said, ()))

    def _after(self, state: State, player: int) -> int:
        """The first after `player` who has not folded."""
        around = ((player + step) % self.players for step in range(1, self.players + 1))
        return next(other for other in around if not state.folded[other])

    def _strength(self, state: State, player: int) -> tuple[int, int, int]:
        rank = (lambda card: card // 2) if self.suits else (lambda card: card)
        own, table = rank(state.cards[player]), rank(state.cards[-1])
        return (own == table, max(own, table), min(own, table))

    def _card(self, card: int) -> str:
        return f"{card // 2}{'ab'[card % 2]}" if self.suits else str(card)


def leduc(players: int = 2, suits: bool = True) -> Leduc:
    """Leduc poker for two to five players; without `suits` the two cards of a rank look alike, a third of the tree.

    Raises `InputError` for other numbers of players.

        >>> from interplay.games import tree
        >>> tree.build(leduc(suits=False)).rows
        288
    """
    if players not in PLAYERS:
        raise InputError(f"Leduc poker got players={players}: give 2 to 5")
    return Leduc(players, suits)
