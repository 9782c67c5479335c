"""One game told twice: whether two trees are the same, and which information set of one is which of the other.

Two trees are the same where every history has its counterpart, moves and outcomes in the same order, with the same mover,
the same chances and payoffs, and where players can tell apart the same histories. Then a strategy of one is a strategy of the
other. Two known instances are our Kuhn poker and OpenSpiel's, and a strategy solved here that a program of theirs is to play.
"""

import numpy as np
from jaxtyping import Float, Int

from interplay.core.errors import InputError
from interplay.games.tree import Tree

CLOSE = 1e-9


def paired(tree: Tree, other: Tree) -> Int[np.ndarray, "information"]:
    """For every row of `tree` the row of `other` that is the same information set.

    Raises `InputError`, with the first thing in which they differ, where the two are not one game.

        >>> from interplay.games import tree as trees
        >>> paired(trees.make("kuhn"), trees.make("openspiel:kuhn_poker"))[:6].tolist()
        [0, 1, 2, 3, 4, 5]
    """
    mine, theirs = tree.record, other.record
    where = f"{tree.name} and {other.name} are not the same game"
    if mine.nodes != theirs.nodes:
        raise InputError(f"{where}: they have {mine.nodes:,} and {theirs.nodes:,} histories")
    columns = (("shapes", "parent"), ("movers", "mover"), ("chances", "chance"), ("payoffs", "payoffs"))
    for what, column in columns:
        if not np.allclose(getattr(mine, column), getattr(theirs, column), atol=CLOSE):
            raise InputError(f"{where}: their {what} differ")
    acting = mine.information >= 0
    pairs = np.unique(np.stack([mine.information[acting], theirs.information[acting]]), axis=1)
    if not tree.rows == other.rows == pairs.shape[1]:
        raise InputError(f"{where}: players know {tree.rows:,} and {other.rows:,} different things")
    return pairs[1]


def carried(
    tree: Tree, strategy: Float[np.ndarray, "information action"], other: Tree
) -> Float[np.ndarray, "information action"]:
    """A strategy of `tree` as one of `other`, the same game told otherwise. Raises `InputError` as `paired` does."""
    table = np.zeros(np.shape(strategy), np.asarray(strategy).dtype)
    table[paired(tree, other)] = strategy
    return table
