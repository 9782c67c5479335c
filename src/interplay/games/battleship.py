"""Battleship on a small board: both hide their ships, then shoot in turn until the shots, or somebody's ships, are gone.

What was sunk counts, for the one who sank it, and against the other by `loss`. With a loss of 1 it is zero-sum; with more,
both would rather not fight, and signals pay. Two known instances are the 2 × 2 and 3 × 2 boards of the source.

Source: Farina et al., "Correlation in extensive-form games: saddle-point formulation and benchmarks" (2019), section 5.
"""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from interplay.core.errors import InputError
from interplay.games.sequential import TERMINAL, Sequential

WATER, HIT, SUNK = 0, 1, 2
WORDS = ("water", "hit", "sunk")


class State(NamedTuple):
    """Where each player's ships are, as moves in the order of the ships, and the cells each has shot at."""

    placed: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())
    shots: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())


class Sea(NamedTuple):
    """A board and the lengths of the ships that each player hides on one."""

    rows: int
    columns: int
    ships: tuple[int, ...]


@functools.cache
def covered(sea: Sea, ship: int, move: int) -> frozenset[int]:
    """The cells that ship number `ship` lies on after `move`; none where it does not fit on the board."""
    direction, cell = divmod(move, sea.rows * sea.columns)
    row, column = divmod(cell, sea.columns)
    more = sea.ships[ship] - 1
    end = (row + more * (direction == 2), column + more * (direction == 1))
    if direction == 0 or end[0] >= sea.rows or end[1] >= sea.columns or (direction == 2 and not more):
        return frozenset()
    return frozenset(cell + at * (1 if direction == 1 else sea.columns) for at in range(more + 1))


@functools.cache
def room(sea: Sea, placed: tuple[int, ...]) -> tuple[int, ...]:
    """How the next ship can be laid so that the ones after it still find room."""
    ship, moves = len(placed), range(3 * sea.rows * sea.columns)
    taken = frozenset().union(*(covered(sea, at, move) for at, move in enumerate(placed)))
    clear = [move for move in moves if (on := covered(sea, ship, move)) and not on & taken]
    return tuple(move for move in clear if ship + 1 == len(sea.ships) or room(sea, (*placed, move)))


class Battleship(Sequential):
    """Made by `battleship`. Moves: shoot at cell c; then lay a ship to the right of cell c; then down from cell c."""

    players = 2

    def __init__(self, rows: int, columns: int, ships: tuple[int, ...], shots: int, loss: float, repeated: bool):
        self.name = f"battleship(rows={rows}, columns={columns}, ships={ships}, shots={shots}, loss={loss:g})"
        self.sea, self.ships, self.shots = Sea(rows, columns, ships), ships, shots
        self.loss, self.repeated, self.cells = loss, repeated, rows * columns
        self.actions = 3 * self.cells

    def start(self) -> State:
        return State()

    def mover(self, state: State) -> int:
        (mine, theirs), (shot, answered) = state.placed, state.shots
        if len(theirs) < len(self.ships):
            return len(mine) - len(theirs)
        if len(answered) == self.shots or self.sunk(state, 0) == self.ships or self.sunk(state, 1) == self.ships:
            return TERMINAL
        return len(shot) - len(answered)

    def legal(self, state: State) -> Sequence[int]:
        player = self.mover(state)
        if len(state.placed[player]) < len(self.ships):
            return room(self.sea, state.placed[player])
        return [cell for cell in range(self.cells) if self.repeated or cell not in state.shots[player]]

    def chances(self, state: State) -> Sequence[tuple[int, float]]:
        return ()

    def play(self, state: State, move: int) -> State:
        player = self.mover(state)
        grown = lambda both: tuple((*own, move) if who == player else own for who, own in enumerate(both))
        if len(state.placed[player]) < len(self.ships):
            return state._replace(placed=grown(state.placed))
        return state._replace(shots=grown(state.shots))

    def payoffs(self, state: State) -> Sequence[float]:
        lost = [sum(self.sunk(state, player)) for player in range(2)]
        return [lost[1] - self.loss * lost[0], lost[0] - self.loss * lost[1]]

    def information(self, state: State) -> str:
        player = self.mover(state)
        ships = " ".join(self.word(state, move) for move in state.placed[player])
        own = " ".join(
            f"{self._cell(cell)}:{WORDS[met]}"
            for cell, met in zip(state.shots[player], self.met(state, player), strict=True)
        )
        theirs = " ".join(self._cell(cell) for cell in state.shots[1 - player])
        parts = (("ships ", ships), ("you shot ", own), ("they shot ", theirs))
        return "; ".join(name + part for name, part in parts if part) or "no ship yet"

    def features(self, state: State) -> np.ndarray:
        """The own ships, every own shot with what it met, and every shot of the other, as one-hots."""
        player = self.mover(state)
        placed = np.zeros((len(self.ships), 3 * self.cells), np.float32)
        placed[np.arange(len(state.placed[player])), state.placed[player]] = 1
        own = np.zeros((self.shots, self.cells + 3), np.float32)
        for at, (cell, met) in enumerate(zip(state.shots[player], self.met(state, player), strict=True)):
            own[at, [cell, self.cells + met]] = 1
        theirs = np.zeros((self.shots, self.cells), np.float32)
        theirs[np.arange(len(state.shots[1 - player])), state.shots[1 - player]] = 1
        return np.concatenate([placed.reshape(-1), own.reshape(-1), theirs.reshape(-1)])

    def word(self, state: State, move: int) -> str:
        return ("", "right-from-", "down-from-")[move // self.cells] + self._cell(move % self.cells)

    def met(self, state: State, player: int) -> list[int]:
        """What each of the player's shots met: water, a ship, or the last part of one."""
        lying = [covered(self.sea, ship, move) for ship, move in enumerate(state.placed[1 - player])]
        found, hit = [], set()
        for cell in state.shots[player]:
            hit.add(cell)
            ship = next((on for on in lying if cell in on), None)
            found.append(WATER if ship is None else SUNK if ship <= hit else HIT)
        return found

    def sunk(self, state: State, player: int) -> tuple[int, ...]:
        """Lengths of the player's ships that are sunk."""
        lying = [covered(self.sea, ship, move) for ship, move in enumerate(state.placed[player])]
        return tuple(len(on) for on in lying if on <= set(state.shots[1 - player]))

    def _cell(self, cell: int) -> str:
        return f"{'abcdefghij'[cell % self.sea.columns]}{cell // self.sea.columns + 1}"


def battleship(
    rows: int = 2,
    columns: int = 2,
    *,
    ships: Sequence[int] = (1,),
    shots: int = 2,
    loss: float = 1.0,
    repeated: bool = False,
) -> Battleship:
    """Battleship with ships of those lengths, each worth its length, and `shots` for each player.

    Raises `InputError` where ships do not fit, or there are more shots than cells to shoot at.

        >>> from interplay.games import tree
        >>> tree.build(battleship()).rows
        162
    """
    if not (1 <= rows <= 10 and 1 <= columns <= 10 and ships and min(ships) >= 1 and shots >= 1):
        raise InputError(
            f"battleship got {rows=}, {columns=}, {ships=}, {shots=}: give 1 to 10 rows, a ship and a shot"
        )
    if not repeated and shots > rows * columns:
        raise InputError(f"battleship got shots={shots} for {rows * columns} cells: give fewer, or repeated=True")
    game = Battleship(rows, columns, tuple(ships), shots, loss, repeated)
    if not room(game.sea, ()):
        raise InputError(f"ships of lengths {tuple(ships)} find no room on {rows} x {columns} cells: give smaller ones")
    return game
