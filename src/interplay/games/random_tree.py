"""Random game trees: any number of players, chance, hidden moves, uneven choices, general sum, all from one seed.

Nobody has looked at these games before, so they show what was tuned to the usual ones, and they catch what a walk over trees
gets wrong on games less tidy than poker. Every fact about a history is a hash of it: nothing is stored, and a tree of millions
of histories costs no more to describe than one of ten. Two known instances of the idea are Knuth's random trees and P-games.
"""

from collections.abc import Sequence
from typing import NamedTuple

from interplay.core.errors import InputError
from interplay.games.sequential import TERMINAL, Sequential

MASK = (1 << 64) - 1


class Node(NamedTuple):
    """How many moves were made, a hash of all of them, and of what each player has seen."""

    depth: int
    whole: int
    seen: tuple[int, ...]


class RandomTree(Sequential):
    """Before each move chance or a player is drawn; others see whether the move was odd, or nothing; some ways end early."""

    def __init__(self, players: int, depth: int, actions: int, zero_sum: bool, seed: int):
        self.players, self.depth, self.actions, self.zero_sum = players, depth, actions, zero_sum
        self.name = f"random-tree(players={players},depth={depth},actions={actions},zero_sum={zero_sum},seed={seed})"
        self.seed = _mixed(seed, 0)
        turns = [_mixed(self.seed, at) % (players + 1) - 1 for at in range(depth)]
        self.turns = [at % players if at < players else turn for at, turn in enumerate(turns)]

    def start(self) -> Node:
        return Node(0, self.seed, tuple(_mixed(self.seed, player) for player in range(self.players)))

    def mover(self, state: Node) -> int:
        over = state.depth == self.depth or (state.depth > self.players and state.whole % 8 == 0)
        return TERMINAL if over else self.turns[state.depth]

    def legal(self, state: Node) -> Sequence[int]:
        return range(1 + state.seen[self.turns[state.depth]] % self.actions)

    def chances(self, state: Node) -> Sequence[tuple[int, float]]:
        shares = [1 + _mixed(state.whole, outcome) % 9 for outcome in range(1 + state.whole % self.actions)]
        return [(outcome, share / sum(shares)) for outcome, share in enumerate(shares)]

    def play(self, state: Node, move: int) -> Node:
        mover = self.turns[state.depth]
        told = lambda player: move if player == mover else move % 2 if _mixed(state.depth, player) % 2 else 0
        seen = (_mixed(_mixed(known, state.depth), told(player)) for player, known in enumerate(state.seen))
        return Node(state.depth + 1, _mixed(state.whole, move), tuple(seen))

    def payoffs(self, state: Node) -> Sequence[float]:
        paid = [_mixed(state.whole, 100 + player) % 2001 / 1000 - 1 for player in range(self.players)]
        return [each - sum(paid) / self.players for each in paid] if self.zero_sum else paid

    def information(self, state: Node) -> tuple[int, int]:
        return state.depth, state.seen[self.turns[state.depth]]


def random_tree(players: int = 2, depth: int = 6, actions: int = 3, zero_sum: bool = True, seed: int = 0) -> RandomTree:
    """A game of at most `depth` moves with 1 to `actions` choices each, all of it drawn by `seed`.

    Payoffs are between −1 and 1; where the game is `zero_sum`, less their mean. Raises `InputError` for fewer than two players,
    fewer moves than players, or no choices.

    >>> random_tree(players=3).players
    3
    """
    if players < 2 or depth < players or actions < 1:
        raise InputError(
            f"random-tree(players={players},depth={depth},actions={actions}): give at least two players, as many moves as "
            "players, and one action"
        )
    return RandomTree(players, depth, actions, zero_sum, seed)


def _mixed(value: int, other: int) -> int:
    """A hash of two whole numbers, the same on every machine (the finalizer of splitmix64)."""
    value = (value * 0x9E3779B97F4A7C15 + other + 0x632BE59BD9B4E019) & MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & MASK
    return value ^ (value >> 31)
