"""Game trees as arrays: any finite game of perfect recall in sequence form, ready for one compiled walk (`play.walk`).

Per player only its own information sets and *sequences* (a set with a move chosen there) exist. How much a player
contributes to reaching an end of the game is the weight of its last sequence, so that an end is one sequence per player,
what chance contributes, and payoffs. Ends that agree in all sequences are one. Two known instances are Kuhn poker and
Leduc poker; `make("openspiel:leduc_poker(players=3)")` takes any game of OpenSpiel.

Source: von Stengel, "Efficient computation of behavior strategies" (1996).
"""

import importlib
import itertools

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from interplay.core.errors import InputError
from interplay.core.names import nearest
from interplay.games.blocks import Blocks, blocks
from interplay.games.histories import LIMIT, Estimate, Histories, Sets, estimate, explore
from interplay.games.sequential import Sequential

__all__ = ["OWN", "Estimate", "Seat", "Tree", "build", "estimate", "make", "paying", "sequential"]

OWN = {  # name -> maker of a `Sequential`, in interplay.games
    "kuhn": "kuhn:kuhn",
    "leduc": "leduc:leduc",
    "liars-dice": "liars_dice:liars_dice",
    "goofspiel": "goofspiel:goofspiel",
    "blotto": "blotto:blotto",
    "battleship": "battleship:battleship",
    "phantom-tic-tac-toe": "phantom:phantom_tic_tac_toe",
    "dark-hex": "phantom:dark_hex",
    "climbing": "simultaneous:climbing",
    "penalty": "simultaneous:penalty",
    "matching-pennies": "simultaneous:matching_pennies",
    "rock-paper-scissors": "simultaneous:rock_paper_scissors",
    "prisoners-dilemma": "simultaneous:prisoners_dilemma",
    "random-tree": "random_tree:random_tree",
}
PADDED = 2000  # entries of padding from which on sums are done without them and spread over rows afterwards
ADAPTERS = {"openspiel": ("openspiel", "openspiel")}  # prefix -> (module, the extra that installs it)


class Seat(eqx.Module):
    """One player's part of a tree.

    Its rows (information sets) are cut into `levels`: level d holds rows levels[d] … levels[d+1]−1, those with d own
    earlier decisions. `parent` is the own sequence before each row, −1 at the start; sequence (row, column) is number
    row · actions + column. `ends` sums merged ends into last own sequences, `root` lists ends before any own move;
    `seen[q]` and `weight` follow the layout of `ends.tables` + `root`: the last sequence of player q, and chance × payoff.
    `below[d]` sums the rows of level d+1, counted from its first, into the sequences of level d. Sums are over *places*: level
    d has places `cuts[d]` … `cuts[d+1]`−1, one per entry of its rows, padding included, where `spread` is None; otherwise one
    per legal move, and `spread` says for every entry of a row which of its level's places it is, the one after the last: 0.
    """

    levels: tuple[int, ...] = eqx.field(static=True)
    cuts: tuple[int, ...] = eqx.field(static=True)
    parent: Int[np.ndarray, "row"]
    spread: Int[np.ndarray, "row action"] | None
    ends: Blocks
    root: Int[np.ndarray, "end"]
    seen: dict[int, tuple[Int[np.ndarray, "..."], ...]]
    weight: tuple[Float[Array | np.ndarray, "..."], ...]
    below: tuple[Blocks, ...]


class Tree(eqx.Module):
    """A finite game in sequence form; leaves are arrays, so that a tree is an argument of compiled functions.

    Player p owns rows first[p] … first[p+1]−1 of every table, by number of own earlier decisions. Column k of a row is its
    k-th legal move, the game's move number `moves[row, k]`, −1 for padding. `payoffs` are those of every end of the
    game; `paying` puts others in their place. `record` lists all histories for pictures, play and export, and
    never enters a compiled program.
    """

    name: str = eqx.field(static=True)
    players: int = eqx.field(static=True)
    actions: int = eqx.field(static=True)
    first: tuple[int, ...] = eqx.field(static=True)
    rooted: tuple[bool, ...] = eqx.field(static=True)  # whether some end comes before any move of the player
    legal: Bool[np.ndarray, "information action"]
    moves: Int[np.ndarray, "information action"]
    payoffs: Float[Array | np.ndarray, "player terminal"]
    chance: Float[np.ndarray, "terminal"]
    merged: Int[np.ndarray, "terminal"] | None  # the end that each terminal is part of; None: itself
    sequences: Int[np.ndarray, "player end"]
    worth: Float[Array | np.ndarray, "player end"]  # Σ chance × payoff of the terminals that are one end
    seats: tuple[Seat, ...]
    record: Histories = eqx.field(static=True)

    @property
    def rows(self) -> int:
        """Information sets of all players."""
        return self.first[-1]

    @property
    def nodes(self) -> int:
        return self.record.nodes

    @property
    def labels(self) -> list[str]:
        """What the mover knows in every row, for people."""
        return [str(key) for key in self.record.sets.key]

    @property
    def bytes_per_node(self) -> float:
        """Memory of the record and of all arrays, per history."""
        own = sum(leaf.nbytes for leaf in _leaves(self) if not isinstance(leaf, float))
        return (own + self.record.bytes) / self.nodes

    def words(self, row: int) -> list[str]:
        """What people call the moves of a row."""
        state = self.record.state(int(self.record.sets.node[row]))
        return [self.record.game.word(state, int(move)) for move in self.moves[row] if move >= 0]


def build(game: Sequential, limit: int = LIMIT) -> Tree:
    """The tree of `game`. Raises `InputError` as `histories.explore` does, first of all where it is too large.

    >>> from interplay.games.adapters import openspiel
    >>> build(openspiel.make("kuhn_poker")).rows
    12
    """
    record = explore(game, limit)
    first, rows = _ordered(record)
    sets, actions = record.sets, int(record.sets.width.max(initial=1))
    moves = np.full((len(sets.width), actions), -1, np.int32)
    for row, chosen in enumerate(sets.moves):
        moves[row, : len(chosen)] = chosen
    number = _numbers(record, first, rows, actions)
    sequence = np.where(record.sequence < 0, -1, number[record.sequence])
    ends, merged = np.unique(sequence, axis=1, return_inverse=True)
    if ends.shape[1] == sequence.shape[1]:
        ends, merged = sequence, None
    parent = np.where(sets.before < 0, -1, number[sets.before]).astype(np.int32)
    seats = tuple(_seat(first, sets, moves >= 0, parent, ends, player) for player in range(game.players))
    tree = Tree(
        name=game.name,
        players=game.players,
        actions=actions,
        first=first,
        rooted=tuple(bool((row < 0).any()) for row in ends),
        legal=moves >= 0,
        moves=moves,
        payoffs=record.payoffs,
        chance=record.reach,
        merged=None if merged is None else merged.reshape(-1).astype(np.int32),
        sequences=ends.astype(np.int32),
        worth=np.zeros(ends.shape),
        seats=seats,
        record=record,
    )
    return _paying(tree, record.payoffs, np)


def paying(tree: Tree, payoffs: Float[Array, "player terminal"]) -> Tree:
    """The same game with other payoffs; `jax.vmap` over `payoffs` gives many variants of one game.

    >>> jax.vmap(lambda payoffs: walk.expected(paying(tree, payoffs), strategy))(variants)  # doctest: +SKIP
    """
    return _paying(tree, payoffs, jnp)


def make(name: str, limit: int = LIMIT, **parameters) -> Tree:
    """The tree of a game by name: one of `OWN`, or `openspiel:NAME(parameters)`.

    Raises `InputError` with the nearest names where there is none.

        >>> make("openspiel:kuhn_poker(players=3)").rows
        48
    """
    return build(sequential(name, **parameters), limit)


def sequential(name: str, **parameters) -> Sequential:
    """The game called `name`, told move by move; `make` builds its tree. MODULE:CLASS is one of the user's own."""
    from interplay.games import parse, users

    prefix, colon, rest = name.partition(":")
    if colon and "(" not in prefix:
        if prefix not in ADAPTERS:
            head, written = parse(rest)
            own = users(prefix, head, name)(**{**written, **parameters})
            if not isinstance(own, Sequential):
                raise InputError(f"'{name}' has no tree to solve: subclass interplay.games.sequential.Sequential")
            return own
        module, extra = ADAPTERS[prefix]
        try:
            return importlib.import_module(f"interplay.games.adapters.{module}").make(rest, **parameters)
        except ModuleNotFoundError as missing:
            raise InputError(f"'{name}' needs the package {missing.name}: pip install 'interplay[{extra}]'") from None
    head, written = parse(name)
    if head not in OWN:
        raise InputError(f"no tree game is called '{head}': {nearest(head, [*OWN, 'openspiel:'])}")
    module, function = OWN[head].split(":")
    try:
        return getattr(importlib.import_module(f"interplay.games.{module}"), function)(**{**written, **parameters})
    except TypeError as wrong:
        raise InputError(f"cannot make '{name}': {wrong}") from None


def _leaves(tree: Tree) -> list:
    import jax

    return jax.tree.leaves(tree)


def _ordered(record: Histories) -> tuple[tuple[int, ...], np.ndarray]:
    """Put information sets in the order of the tables: by player, own depth, sequence before them. Returns old → new."""
    sets, players = record.sets, record.game.players
    order = np.lexsort((np.arange(len(sets.player)), sets.before, sets.depth, sets.player))
    rows = np.empty(len(order), np.int32)
    rows[order] = np.arange(len(order))
    moved = [column[order] for column in sets[:6]]
    record.sets = sets._replace(
        **dict(zip(sets._fields, moved, strict=False)),
        moves=[sets.moves[at] for at in order],
        key=[sets.key[at] for at in order],
    )
    known = record.information >= 0
    record.information[known] = rows[record.information[known]]
    counts = np.bincount(sets.player, minlength=players)
    return tuple(int(at) for at in np.concatenate([[0], np.cumsum(counts)])), rows


def _numbers(record: Histories, first: tuple[int, ...], rows: np.ndarray, actions: int) -> np.ndarray:
    """From sequences in order of discovery to row · actions + column, rows counted from the player's first."""
    sets = record.sets
    owner = np.repeat(np.arange(len(sets.width)), sets.width)
    column = np.arange(len(owner)) - np.repeat(np.cumsum(sets.width) - sets.width, sets.width)
    number = np.empty(len(owner), np.int32)
    own = owner - np.asarray(first)[sets.player[owner]]
    number[sets.base[owner] + column] = own * actions + column
    return number


def _seat(first: tuple[int, ...], sets: Sets, legal: np.ndarray, parent, ends, player: int) -> Seat:
    rows = slice(first[player], first[player + 1])
    depth, parent, legal = sets.depth[rows], parent[rows], legal[rows]
    levels = tuple(int(at) for at in np.searchsorted(depth, np.arange(int(depth.max(initial=-1)) + 2)))
    cuts, place, spread = _places(legal, levels)
    below = []
    for level, (middle, stop) in enumerate(itertools.pairwise(levels[1:])):
        start, end = cuts[level], cuts[level + 1]
        below.append(blocks(place[parent[middle:stop]] - start, end - start))
    own = ends[player]
    inside, root = np.flatnonzero(own >= 0).astype(np.int32), np.flatnonzero(own < 0).astype(np.int32)
    grouped = blocks(place[own[inside]], cuts[-1])
    tables = tuple(np.where(table < 0, -1, inside[table]).astype(np.int32) for table in grouped.tables)
    seen = {
        other: tuple(np.where(table < 0, 0, ends[other][table]).astype(np.int32) for table in (*tables, root))
        for other in range(len(ends))
        if other != player
    }
    return Seat(levels, cuts, parent, spread, Blocks(tables, grouped.place), root, seen, (), tuple(below))


def _places(legal: np.ndarray, levels: tuple[int, ...]) -> tuple[tuple[int, ...], np.ndarray, np.ndarray | None]:
    """Where sums of every level stand, the place of every sequence, and how rows are filled from places."""
    width, flat = legal.shape[1], legal.reshape(-1)
    if np.count_nonzero(~flat) < PADDED:
        return tuple(at * width for at in levels), np.arange(len(flat)), None
    place = np.cumsum(flat) - flat
    cuts = tuple(int(flat[: at * width].sum()) for at in levels)
    spread = np.empty(legal.shape, np.int32)
    for level, (start, stop) in enumerate(itertools.pairwise(levels)):
        own = place.reshape(legal.shape)[start:stop] - cuts[level]
        spread[start:stop] = np.where(legal[start:stop], own, cuts[level + 1] - cuts[level])
    return cuts, place, spread


def _paying(tree: Tree, payoffs, array) -> Tree:
    worth = payoffs * tree.chance
    if tree.merged is not None:
        size = tree.sequences.shape[1]
        if array is np:
            worth = np.stack([np.bincount(tree.merged, row, size) for row in worth])
        else:
            worth = jnp.zeros((tree.players, size), worth.dtype).at[:, tree.merged].add(worth)
    seats = []
    for player, seat in enumerate(tree.seats):
        tables = (*seat.ends.tables, seat.root)
        weight = tuple(array.where(table < 0, 0.0, worth[player][table]) for table in tables)
        seats.append(eqx.tree_at(lambda s: s.weight, seat, weight, is_leaf=lambda leaf: isinstance(leaf, tuple)))
    changed = lambda t: (t.payoffs, t.worth, t.seats)
    return eqx.tree_at(changed, tree, (payoffs, worth, tuple(seats)))
