"""Colonel Blotto: soldiers are sent to battlefields in secret, and whoever wins most fields wins the war.

A field goes to whoever sent most, to nobody on a tie. Known instances are the two-player game of Borel and the one of three
colonels, in which shares of winning and losing are split.

Source: Borel, "The theory of play and integral equations with skew symmetric kernels" (1921, English 1953).
"""

import itertools
from collections.abc import Hashable, Sequence

import numpy as np

from interplay.core.errors import InputError
from interplay.games.goofspiel import win_loss
from interplay.games.sequential import TERMINAL
from interplay.games.simultaneous import Round, Simultaneous

PLAYERS = range(2, 6)


class Blotto(Simultaneous):
    """Made by `blotto`. Move k is `plans[k]`, soldiers per field, in lexicographic order. Settled is what all sent, once."""

    def __init__(self, players: int, coins: int, fields: int):
        self.name = f"blotto(players={players}, coins={coins}, fields={fields})"
        every = itertools.product(range(coins + 1), repeat=fields)
        self.plans = [plan for plan in every if sum(plan) == coins]
        self.players, self.actions = players, len(self.plans)

    def start(self) -> Round:
        return Round(())

    def turn(self, settled: tuple[int, ...]) -> int:
        return TERMINAL if settled else 0

    def choices(self, settled: tuple[int, ...], player: int) -> Sequence[int]:
        return range(self.actions)

    def after(self, settled: tuple[int, ...], joint: tuple[int, ...]) -> Hashable:
        return joint

    def known(self, settled: tuple[int, ...], player: int) -> Hashable:
        return f"player {player} sends all at once"

    def payoffs(self, state: Round) -> Sequence[float]:
        sent = np.array([self.plans[move] for move in state.settled])
        most = sent == sent.max(0)
        return win_loss((most & (most.sum(0) == 1)).sum(1).astype(float)).tolist()

    def word(self, state: Round, move: int) -> str:
        return "-".join(map(str, self.plans[move]))


def blotto(players: int = 2, coins: int = 5, fields: int = 3) -> Blotto:
    """Blotto with `coins` soldiers each. Raises `InputError` for other than two to five players, or less than one of each.

    >>> blotto().actions
    21
    """
    if players not in PLAYERS or coins < 1 or fields < 1:
        raise InputError(f"Blotto got {players=}, {coins=}, {fields=}: give 2 to 5 players, a coin and a field")
    return Blotto(players, coins, fields)
