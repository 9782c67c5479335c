"""Goofspiel, the game of pure strategy: bid cards for prizes, all at once; the highest bid takes the prize, ties nobody.

Each player bids every one of its cards once. Known instances are the game in which all bids are seen and the one in which
players are only told who won the prize, which solvers are compared on.

Source: Ross, "Goofspiel: the game of pure strategy" (1971).
"""

from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from interplay.core.errors import InputError
from interplay.core.names import chosen
from interplay.games.sequential import CHANCE, TERMINAL
from interplay.games.simultaneous import Round, Simultaneous

PLAYERS = range(2, 6)
NOBODY = -1
ORDERS = {"random": None, "ascending": 1, "descending": -1}  # what the next prize is to the last


class Settled(NamedTuple):
    """Prizes on the table so far, and the bids for each."""

    prizes: tuple[int, ...] = ()
    bids: tuple[tuple[int, ...], ...] = ()


def win_loss(points: Float[np.ndarray, "player"]) -> Float[np.ndarray, "player"]:
    """Winners share 1, the others share −1; 0 where all have the same number of points."""
    won = points == points.max()
    return np.zeros(len(points)) if won.all() else np.where(won, 1 / won.sum(), -1 / max((~won).sum(), 1))


def point_difference(points: Float[np.ndarray, "player"]) -> Float[np.ndarray, "player"]:
    """Points above the mean."""
    return points - points.mean()


def total_points(points: Float[np.ndarray, "player"]) -> Float[np.ndarray, "player"]:
    """Points as they are: not a zero-sum game."""
    return points


RETURNS = {"win-loss": win_loss, "point-difference": point_difference, "total-points": total_points}


class Goofspiel(Simultaneous):
    """Made by `goofspiel`. Card and prize c of 0 … cards−1 is worth c + 1; last cards play themselves."""

    def __init__(self, players: int, cards: int, step: int | None, hidden: bool, worth: Callable):
        self.players, self.actions, self.step, self.hidden, self.worth = players, cards, step, hidden, worth
        self.name = f"goofspiel(players={players}, cards={cards}, hidden={hidden})"

    def start(self) -> Round:
        first = () if self.step is None else (0 if self.step > 0 else self.actions - 1,)
        return Round(self._on(Settled(first)))

    def turn(self, settled: Settled) -> int:
        if len(settled.bids) == self.actions:
            return TERMINAL
        return 0 if len(settled.prizes) > len(settled.bids) else CHANCE

    def choices(self, settled: Settled, player: int) -> Sequence[int]:
        played = {bids[player] for bids in settled.bids}
        return [card for card in range(self.actions) if card not in played]

    def chances(self, state: Round) -> Sequence[tuple[int, float]]:
        left = [prize for prize in range(self.actions) if prize not in state.settled.prizes]
        return [(prize, 1 / len(left)) for prize in left]

    def dealt(self, settled: Settled, outcome: int) -> Settled:
        return settled._replace(prizes=(*settled.prizes, outcome))

    def after(self, settled: Settled, joint: tuple[int, ...]) -> Hashable:
        settled = settled._replace(bids=(*settled.bids, joint))
        if self.step is not None and len(settled.bids) < self.actions:
            settled = settled._replace(prizes=(*settled.prizes, settled.prizes[-1] + self.step))
        return self._on(settled)

    def payoffs(self, state: Round) -> Sequence[float]:
        points = np.zeros(self.players)
        for prize, bids in zip(state.settled.prizes, state.settled.bids, strict=True):
            if (winner := _winner(bids)) != NOBODY:
                points[winner] += prize + 1
        return self.worth(points).tolist()

    def known(self, settled: Settled, player: int) -> Hashable:
        prizes, bids = settled.prizes, settled.bids
        told = [_told(prize, bid, player, self.hidden) for prize, bid in zip(prizes[: len(bids)], bids, strict=True)]
        return "; ".join([*told, f"prize {prizes[-1] + 1}"])

    def features(self, state: Round) -> np.ndarray:
        """For every round: the prize, the own bid, the others' where they are seen, and who won, all as one-hots."""
        settled, player, cards = state.settled, len(state.chosen), self.actions
        seen = [player] if self.hidden else range(self.players)
        shown = np.zeros((cards, cards * (1 + len(seen)) + self.players + 1), np.float32)
        shown[np.arange(len(settled.prizes)), settled.prizes] = 1
        for at, bids in enumerate(settled.bids):
            shown[at, [cards * (1 + place) + bids[other] for place, other in enumerate(seen)]] = 1
            shown[at, _winner(bids) - self.players if _winner(bids) >= 0 else -self.players - 1] = 1
        return shown.reshape(-1)

    def word(self, state: Round, move: int) -> str:
        return str(move + 1)

    def _on(self, settled: Settled) -> Settled:
        """Nobody has a choice in the last round: it is played here, as soon as it comes."""
        if len(settled.bids) != self.actions - 1:
            return settled
        if len(settled.prizes) < self.actions:
            settled = self.dealt(settled, *(set(range(self.actions)) - set(settled.prizes)))
        last = tuple(self.choices(settled, player)[0] for player in range(self.players))
        return settled._replace(bids=(*settled.bids, last))


def goofspiel(
    players: int = 2, cards: int = 4, order: str = "descending", hidden: bool = True, returns: str = "win-loss"
) -> Goofspiel:
    """Goofspiel with `cards` prizes that come in `order` (random, ascending, descending); `hidden`: bids are not shown.

    `returns` is win-loss, point-difference or total-points. Raises `InputError` for anything else, and for a number of players
    other than two to five or less than two cards.

        >>> from interplay.games import tree
        >>> tree.build(goofspiel(cards=3)).rows
        16
    """
    if players not in PLAYERS or cards < 2:
        raise InputError(f"Goofspiel got {players=}, {cards=}: give 2 to 5 players and 2 cards or more")
    step, worth = chosen(ORDERS, "order", order), chosen(RETURNS, "returns", returns)
    return Goofspiel(players, cards, step, hidden, worth)


def _winner(bids: tuple[int, ...]) -> int:
    return bids.index(max(bids)) if bids.count(max(bids)) == 1 else NOBODY


def _told(prize: int, bids: tuple[int, ...], player: int, hidden: bool) -> str:
    """What a player remembers of one round."""
    winner = _winner(bids)
    won = "nobody" if winner == NOBODY else "you" if winner == player else f"player {winner}"
    shown = "" if hidden else f" of {' '.join(str(bid + 1) for bid in bids)}"
    return f"prize {prize + 1}: bid {bids[player] + 1}{shown}, won by {won}"
