"""Every history of a finite game, written down once as flat arrays: what a tree is built from, drawn from and stepped on.

A node is a history; its row tells its parent, the move that led to it, who moves there and what the mover knows. Nothing
but numbers is kept per node. Two known instances of such listings are extensive-form files and the game trees that
counterfactual regret minimization walks. How large a game is can be guessed without listing it (`estimate`).
"""

import itertools
import math
import random
import time
from array import array
from collections.abc import Hashable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int, Int8

from interplay.core.errors import InputError
from interplay.games.sequential import CHANCE, TERMINAL, Sequential

LIMIT = 10_000_000  # nodes
BYTES = 200  # of memory per node while a tree is built, a safe guess: liar's dice with 8.4 million nodes took 117
PROBES = 400
SURE = 30.0
SECONDS = 2.0


class Histories:
    """All nodes of a game in preorder (a parent comes before its children, the first child right after it).

    `information` is the row of the mover's information set in the tree's tables, −1 where nobody or chance moves;
    `chance` the probability of the chance outcome that led to a node, 1 where a player moved. Terminal t is node
    `terminal[t]`; `reach[t]` is the product of chance on the way, `payoffs[i, t]` what player i gets, `sequence[i, t]` its
    last own choice. Compared by identity, so that it may stand beside a compiled program without being part of it.
    """

    game: Sequential
    parent: Int[np.ndarray, "node"]
    mover: Int8[np.ndarray, "node"]
    move: Int[np.ndarray, "node"]
    information: Int[np.ndarray, "node"]
    chance: Float[np.ndarray, "node"]
    terminal: Int[np.ndarray, "terminal"]
    reach: Float[np.ndarray, "terminal"]
    payoffs: Float[np.ndarray, "player terminal"]
    sequence: Int[np.ndarray, "player terminal"]
    sets: "Sets"

    def __init__(self, game: Sequential, **columns: Any):
        self.game = game
        self.__dict__.update(columns)

    @property
    def nodes(self) -> int:
        return len(self.parent)

    @property
    def bytes(self) -> int:
        """Memory of all columns."""
        return sum(column.nbytes for column in self.__dict__.values() if isinstance(column, np.ndarray))

    def path(self, node: int) -> list[int]:
        """The moves, chance included, that lead from the start to `node`."""
        moves = []
        while node > 0:
            moves.append(int(self.move[node]))
            node = int(self.parent[node])
        return moves[::-1]

    def state(self, node: int) -> Any:
        """The game's own state at `node`, by playing the moves that lead there."""
        state = self.game.start()
        for move in self.path(node):
            state = self.game.play(state, move)
        return state

    def children(self) -> Int[np.ndarray, "node move"]:
        """The node after every move, column k for the k-th move or outcome there; −1 where there is none."""
        order = np.argsort(self.parent[1:], kind="stable") + 1  # children of a node stay in order
        parents = self.parent[order]
        first = np.searchsorted(parents, parents)
        column = np.arange(len(order)) - first
        table = np.full((self.nodes, int(column.max(initial=0)) + 1), -1, np.int32)
        table[parents, column] = order
        return table


class Sets(NamedTuple):
    """Information sets in the order in which they were met.

    `player`, `depth` (own earlier decisions), `node` (one of its histories), `width` (number of moves), `base` (the number
    of its first sequence; a sequence is a set with a move, numbered in order), `before` (the mover's last sequence before
    it, −1: none), `moves` and `key` (what the mover knows).
    """

    player: Int[np.ndarray, "set"]
    depth: Int[np.ndarray, "set"]
    node: Int[np.ndarray, "set"]
    width: Int[np.ndarray, "set"]
    base: Int[np.ndarray, "set"]
    before: Int[np.ndarray, "set"]
    moves: list[tuple[int, ...]]
    key: list[Hashable]


class Estimate(NamedTuple):
    """A guess at a game's size: mean over random probes, with the standard error of that mean, and the least it has."""

    nodes: float
    error: float
    terminals: float
    probes: int
    least: float

    @property
    def bytes(self) -> float:
        """Memory while the tree is built, by what building took per node on games of two to five players."""
        return BYTES * self.nodes


def estimate(game: Sequential, probes: int = PROBES, seconds: float = SECONDS, seed: int = 0) -> Estimate:
    """How many nodes and ends a game has, guessed by walking down at random.

    nodes ≈ mean over probes of Σ_d Π_{e<d} b_e, with b_e the number of moves at depth e of the probe: unbiased, though a
    few probes of a lopsided game may miss its large part. That the mean is `SURE` times too large happens less often than once
    in `SURE` games, by Markov's inequality, whatever the tail.

    Source: Knuth, "Estimating the efficiency of backtrack programs" (1975).
    """
    draw, until = random.Random(seed), time.monotonic() + seconds
    sizes: list[float] = []
    ends: list[float] = []
    while len(sizes) < probes and (time.monotonic() < until or not sizes):
        state, weight, total = game.start(), 1.0, 1.0
        while (mover := game.mover(state)) != TERMINAL:
            moves = [move for move, _ in game.chances(state)] if mover == CHANCE else game.legal(state)
            if not len(moves):
                raise InputError(
                    f"{game.name}: player {mover} has no move after {_short(state)}: give it one, e.g. pass"
                )
            weight *= len(moves)
            total += weight
            state = game.play(state, draw.choice(list(moves)))
        sizes.append(total)
        ends.append(weight)
    mean, spread = float(np.mean(sizes)), float(np.std(sizes) / math.sqrt(len(sizes)))
    return Estimate(mean, spread, float(np.mean(ends)), len(sizes), max(mean / SURE, mean - 4 * spread))


def explore(game: Sequential, limit: int = LIMIT) -> Histories:
    """List every history of `game`, depth first and without recursion.

    Raises `InputError` where the game has more than `limit` nodes, forgets what a player did (imperfect recall), pays
    something that is not a finite number, offers different moves in one information set, or has chances that do not
    sum to one.
    """
    guess = estimate(game)
    if guess.least > limit:
        raise InputError(_too_large(game, f"about {guess.nodes:.1e}", guess.nodes, limit))
    found = _Finder(game, limit)
    found.walk()
    return found.finished()


def _too_large(game: Sequential, size: str, nodes: float, limit: int) -> str:
    return (
        f"{game.name} has {size} histories, {BYTES * nodes / 2**30:,.1f} GB to build, and the limit is {limit:,}: solve it "
        "from samples, which hold no tree (--method mccfr-external), give it smaller parameters, or raise the limit"
    )


class _Finder:
    """The growing columns of one exploration."""

    def __init__(self, game: Sequential, limit: int):
        self.game, self.limit, self.players = game, limit, range(game.players)
        self.parent, self.mover, self.move = array("i"), array("b"), array("i")
        self.information, self.chance = array("i"), array("d")
        self.terminal, self.reach = array("i"), array("d")
        self.payoffs = [array("d") for _ in self.players]
        self.sequence = [array("i") for _ in self.players]
        self.numbers: list[dict[Hashable, int]] = [{} for _ in self.players]
        self.sets: list[tuple[int, int, int, int, int, int]] = []
        self.moves: list[tuple[int, ...]] = []
        self.known: dict[tuple[int, ...], tuple[int, ...]] = {}
        self.owner = array("i")  # of each sequence: its information set
        self.sequences = 0

    def walk(self) -> None:
        game, limit = self.game, self.limit
        # state, parent, move, chance of the last move, chance of the whole way, last sequence of every player
        stack: list[tuple] = [(game.start(), -1, -1, 1.0, 1.0, (-1,) * game.players)]
        while stack:
            state, parent, move, chance, reach, last = stack.pop()
            node = len(self.parent)
            if node >= limit:
                raise InputError(_too_large(game, f"more than {limit:,}", limit, limit))
            mover = game.mover(state)
            self.parent.append(parent)
            self.move.append(move)
            self.mover.append(mover)
            self.chance.append(chance)
            if mover >= 0:
                moves = game.legal(state)
                row = self.number(state, mover, moves, node, last[mover])
                self.information.append(row)
                base = self.sets[row][4]
                before, after = last[:mover], last[mover + 1 :]
                for column in range(len(moves) - 1, -1, -1):
                    choice = moves[column]
                    sequences = (*before, base + column, *after)
                    stack.append((game.play(state, choice), node, choice, 1.0, reach, sequences))
                continue
            self.information.append(-1)
            if mover == TERMINAL:
                self.end(state, node, reach, last)
                continue
            outcomes = game.chances(state)
            if abs(sum(share for _, share in outcomes) - 1) > 1e-6:
                raise InputError(f"{game.name}: chances after {_short(state)} do not sum to 1: mend `chances`")
            for outcome, share in reversed(outcomes):
                stack.append((game.play(state, outcome), node, outcome, share, reach * share, last))

    def number(self, state: Any, mover: int, moves: Any, node: int, before: int) -> int:
        """The information set of a node, a new one where the mover has not known this before."""
        key = self.game.information(state)
        row = self.numbers[mover].get(key)
        if row is None:
            return self.added(key, mover, tuple(moves), node, before)
        if self.sets[row][5] != before:
            raise InputError(
                f"{self.game.name} lets player {mover} forget what it did before {_short(key)}: trees need perfect recall; "
                "let `information` hold the player's own moves, or train on sampled episodes, e.g. with ippo"
            )
        if self.moves[row] != tuple(moves):
            raise InputError(
                f"{self.game.name}: moves differ within {_short(key)}: tell the states apart, or mend `legal`"
            )
        return row

    def added(self, key: Hashable, mover: int, moves: tuple[int, ...], node: int, before: int) -> int:
        if not moves:
            raise InputError(f"{self.game.name}: player {mover} has no move at {_short(key)}: give it one, e.g. pass")
        row = self.numbers[mover][key] = len(self.sets)
        depth = 0 if before < 0 else self.sets[self.owner[before]][1] + 1
        self.sets.append((mover, depth, node, len(moves), self.sequences, before))
        self.moves.append(self.known.setdefault(moves, moves))
        self.owner.extend(itertools.repeat(row, len(moves)))
        self.sequences += len(moves)
        return row

    def end(self, state: Any, node: int, reach: float, last: tuple[int, ...]) -> None:
        self.terminal.append(node)
        self.reach.append(reach)
        for player, paid in zip(self.players, self.game.payoffs(state), strict=True):
            if not math.isfinite(paid):
                raise InputError(f"{self.game.name} pays player {player} {paid} after {_short(state)}: mend `payoffs`")
            self.payoffs[player].append(paid)
            self.sequence[player].append(last[player])

    def finished(self) -> Histories:
        table = np.array(self.sets, np.int32).reshape(-1, 6).T
        keys: list[Hashable] = [None] * len(self.sets)
        for known in self.numbers:
            for key, row in known.items():
                keys[row] = key
        return Histories(
            self.game,
            parent=np.frombuffer(self.parent, np.int32),
            mover=np.frombuffer(self.mover, np.int8),
            move=np.frombuffer(self.move, np.int32),
            information=np.frombuffer(self.information, np.int32).copy(),
            chance=np.frombuffer(self.chance, np.float64),
            terminal=np.frombuffer(self.terminal, np.int32),
            reach=np.frombuffer(self.reach, np.float64),
            payoffs=np.stack([np.frombuffer(column, np.float64) for column in self.payoffs]),
            sequence=np.stack([np.frombuffer(column, np.int32) for column in self.sequence]),
            sets=Sets(*table, moves=self.moves, key=keys),
        )


def _short(what: Any) -> str:
    text = " ".join(str(what).split())
    return f"'{text[:60]}…'" if len(text) > 60 else f"'{text}'"
