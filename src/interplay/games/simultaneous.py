"""Games in which all choose at once, told move by move: players choose one after the other without seeing each other.

What is new each round is a table that pays, a bid or an army; that nobody sees the others' choices is said here, once. Two
known instances are matrix games, repeated or not, and Goofspiel (`interplay.games.goofspiel`).
"""

import abc
from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from interplay.games import matrix
from interplay.games.sequential import TERMINAL, Sequential


class Round(NamedTuple):
    """What is settled, and what those who have chosen in this round chose."""

    settled: Any
    chosen: tuple[int, ...] = ()


class Simultaneous(Sequential):
    """Subclasses speak of `settled` only: what there is between rounds."""

    @abc.abstractmethod
    def turn(self, settled: Any) -> int:
        """0 where players choose, else `CHANCE` or `TERMINAL`."""

    @abc.abstractmethod
    def choices(self, settled: Any, player: int) -> Sequence[int]:
        """What a player may choose."""

    @abc.abstractmethod
    def after(self, settled: Any, joint: tuple[int, ...]) -> Hashable:
        """What is settled once all have chosen."""

    @abc.abstractmethod
    def known(self, settled: Any, player: int) -> Hashable:
        """What a player knows between rounds, its own choices included."""

    def dealt(self, settled: Any, outcome: int) -> Hashable:
        """What is settled after an outcome of chance; games without chance need none."""
        raise NotImplementedError(f"{type(self).__name__} has chances: define dealt()")

    def mover(self, state: Round) -> int:
        turn = self.turn(state.settled)
        return turn if turn < 0 else len(state.chosen)

    def legal(self, state: Round) -> Sequence[int]:
        return self.choices(state.settled, len(state.chosen))

    def chances(self, state: Round) -> Sequence[tuple[int, float]]:
        return ()

    def play(self, state: Round, move: int) -> Round:
        if self.turn(state.settled) < 0:
            return Round(self.dealt(state.settled, move))
        joint = (*state.chosen, move)
        return Round(self.after(state.settled, joint)) if len(joint) == self.players else Round(state.settled, joint)

    def information(self, state: Round) -> Hashable:
        return self.known(state.settled, len(state.chosen))


class Table(Simultaneous):
    """A matrix game as one told move by move; made by `of_matrix`. Settled are the joint actions so far."""

    def __init__(self, payoffs: Float[np.ndarray, "agent *choices"], rounds: int, name: str):
        self.payoff, self.rounds, self.name = payoffs, rounds, name
        self.players, self.actions = len(payoffs), max(payoffs.shape[1:])

    def start(self) -> Round:
        return Round(())

    def turn(self, settled: tuple[tuple[int, ...], ...]) -> int:
        return 0 if len(settled) < self.rounds else TERMINAL

    def choices(self, settled: tuple[tuple[int, ...], ...], player: int) -> Sequence[int]:
        return range(self.payoff.shape[1 + player])

    def after(self, settled: tuple[tuple[int, ...], ...], joint: tuple[int, ...]) -> Hashable:
        return (*settled, joint)

    def known(self, settled: tuple[tuple[int, ...], ...], player: int) -> Hashable:
        past = "; ".join(" ".join(map(str, joint)) for joint in settled)
        return f"round {len(settled) + 1}{': ' if past else ''}{past}"

    def payoffs(self, state: Round) -> Sequence[float]:
        return np.sum([self.payoff[(slice(None), *joint)] for joint in state.settled], 0).tolist()


def of_matrix(game: matrix.Matrix, name: str = "matrix") -> Table:
    """A matrix game move by move. Where it is repeated, players remember all joint actions, not just the last.

    >>> of_matrix(matrix.climbing()).payoffs(Round(((0, 0),)))
    [11.0, 11.0]
    """
    return Table(game.payoffs, game.spec.horizon, name)


def _named(name: str, make: Callable[..., matrix.Matrix]) -> Callable[..., Table]:
    return lambda **parameters: of_matrix(make(**parameters), name)


def _against(name: str, payoff: ArrayLike, other: ArrayLike) -> Callable[..., Table]:
    """A game of two from the payoffs of the row player and of the column player."""
    return _named(name, lambda horizon=1: matrix.general_sum(np.stack([payoff, other]), horizon))


PENNIES = np.array([[1, -1], [-1, 1]])
SCISSORS = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]])
DILEMMA = np.array([[5, 0], [10, 1]])

climbing = _named("climbing", matrix.climbing)
penalty = _named("penalty", matrix.penalty)
matching_pennies = _against("matching-pennies", PENNIES, -PENNIES)
rock_paper_scissors = _against("rock-paper-scissors", SCISSORS, -SCISSORS)
prisoners_dilemma = _against("prisoners-dilemma", DILEMMA, DILEMMA.T)
