"""Phantom games: a board game of two whose players do not see each other's stones.

Who tries an occupied cell is told so and tries another. Known instances are phantom tic-tac-toe and dark hex; on 3 × 3 cells
both have billions of histories, so that whole trees are for smaller boards and sampled episodes for the rest.

Source: Lanctot, "Monte Carlo sampling and regret minimization for equilibrium computation" (2013), section 3.1.
"""

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from interplay.core.errors import InputError
from interplay.games.sequential import TERMINAL, Sequential

EMPTY = -1
STONES = "xo"
Board = tuple[int, ...]  # whose stone is on every cell, `EMPTY`: nobody's
Won = Callable[[Board, int], bool]


class State(NamedTuple):
    """The true board, what each player tried, who moves, and how often both have tried.

    A try is a cell, whose stone is there now, and how many tries of both came before.
    """

    board: Board
    tried: tuple[tuple[tuple[int, int, int], ...], tuple[tuple[int, int, int], ...]] = ((), ())
    player: int = 0
    tries: int = 0


class Phantom(Sequential):
    """Made by `phantom_tic_tac_toe` and `dark_hex`. Move c tries cell c; `counted`: players hear every try of the other."""

    players = 2

    def __init__(self, name: str, rows: int, columns: int, won: Won, counted: bool):
        self.name, self.rows, self.columns, self.counted = name, rows, columns, counted
        self.actions = rows * columns
        self.won = functools.cache(won)

    def start(self) -> State:
        return State((EMPTY,) * self.actions)

    def mover(self, state: State) -> int:
        return TERMINAL if self.winner(state) != EMPTY or EMPTY not in state.board else state.player

    def legal(self, state: State) -> Sequence[int]:
        tried = {cell for cell, *_ in state.tried[state.player]}
        return [cell for cell in range(self.actions) if cell not in tried]

    def chances(self, state: State) -> Sequence[tuple[int, float]]:
        return ()

    def play(self, state: State, move: int) -> State:
        player, board = state.player, state.board
        free = board[move] == EMPTY
        if free:
            board = (*board[:move], player, *board[move + 1 :])
        own = (*state.tried[player], (move, board[move], state.tries))
        tried = (own, state.tried[1]) if player == 0 else (state.tried[0], own)
        return State(board, tried, 1 - player if free else player, state.tries + 1)

    def payoffs(self, state: State) -> Sequence[float]:
        winner = self.winner(state)
        return [0.0, 0.0] if winner == EMPTY else [1.0 - 2 * (winner != player) for player in range(2)]

    def information(self, state: State) -> str:
        when = (lambda before: f"{before + 1}. ") if self.counted else (lambda before: "")
        tries = ", ".join(
            f"{when(before)}{self.word(state, cell)} {STONES[owner]}"
            for cell, owner, before in state.tried[state.player]
        )
        return (
            f"you are {STONES[state.player]}{': ' if tries else ''}{tries}{self.counted * f', try {state.tries + 1}'}"
        )

    def features(self, state: State) -> np.ndarray:
        """Own tries, each at its number where they are counted: the cell and whose stone is there; and the next number."""
        shown = np.zeros((2 * self.actions, self.actions + 3), np.float32)
        for at, (cell, owner, before) in enumerate(state.tried[state.player]):
            shown[before if self.counted else at, [cell, self.actions + owner]] = 1
        shown[state.tries, -1] = self.counted
        return shown.reshape(-1)

    def word(self, state: State, move: int) -> str:
        return f"{'abcdefghij'[move % self.columns]}{move // self.columns + 1}"

    def winner(self, state: State) -> int:
        """Only who moved last can have won by it."""
        return next((player for player in range(2) if self.won(state.board, player)), EMPTY)


def phantom_tic_tac_toe(rows: int = 2, columns: int = 3, line: int = 2, counted: bool = False) -> Phantom:
    """Phantom tic-tac-toe: `line` stones in a row, a column or a diagonal win. Raises `InputError` for impossible lines.

    >>> from interplay.games import tree
    >>> tree.build(phantom_tic_tac_toe(2, 2)).rows
    22
    """
    _check(rows, columns)
    if not 2 <= line <= max(rows, columns):
        raise InputError(f"a line of {line} on {rows} x {columns} cells: give 2 to {max(rows, columns)}")
    lines = _lines(rows, columns, line)
    won = lambda board, player: any(all(board[cell] == player for cell in cells) for cells in lines)
    name = f"phantom-tic-tac-toe(rows={rows}, columns={columns}, line={line}, counted={counted})"
    return Phantom(name, rows, columns, won, counted)


def dark_hex(rows: int = 2, columns: int = 2, counted: bool = True) -> Phantom:
    """Dark hex: player 0 connects top and bottom, player 1 left and right. Raises `InputError` for boards without cells.

    >>> from interplay.games import tree
    >>> tree.build(dark_hex()).rows
    134
    """
    _check(rows, columns)
    name = f"dark-hex(rows={rows}, columns={columns}, counted={counted})"
    return Phantom(name, rows, columns, lambda board, player: _connected(board, player, rows, columns), counted)


def _check(rows: int, columns: int) -> None:
    if not (1 <= rows <= 10 and 1 <= columns <= 10 and rows * columns > 1):
        raise InputError(f"a board of {rows} x {columns}: give 1 to 10 of each, and more than one cell")


def _lines(rows: int, columns: int, line: int) -> list[list[int]]:
    ways = [(0, 1), (1, 0), (1, 1), (1, -1)]
    starts = [(row, column, *way) for row in range(rows) for column in range(columns) for way in ways]
    runs = [[(row + at * down, column + at * right) for at in range(line)] for row, column, down, right in starts]
    inside = lambda run: all(0 <= row < rows and 0 <= column < columns for row, column in run)
    return [[row * columns + column for row, column in run] for run in runs if inside(run)]


def _connected(board: Board, player: int, rows: int, columns: int) -> bool:
    """Whether the player's stones join its two sides; a cell has six neighbors."""
    along = (lambda cell: cell // columns) if player == 0 else (lambda cell: cell % columns)
    goal = (rows if player == 0 else columns) - 1
    reached = [cell for cell in range(len(board)) if board[cell] == player and along(cell) == 0]
    for cell in reached:
        if along(cell) == goal:
            return True
        row, column = divmod(cell, columns)
        for down, right in ((-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0)):
            near = (row + down) * columns + column + right
            inside = 0 <= row + down < rows and 0 <= column + right < columns
            if inside and board[near] == player and near not in reached:
                reached.append(near)
    return False
