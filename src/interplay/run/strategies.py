"""Strategies on the disk: a table of a tree game as safetensors with a manifest, written wholly or not at all.

The manifest names the game, so that a directory is all that is needed to play, judge or hand on a strategy. Two known instances
are what `interplay solve GAME --out DIR` leaves, and a policy of OpenSpiel taken over by `from_openspiel`.
"""

import hashlib
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from interplay.core.errors import InputError
from interplay.games import pairing
from interplay.games import tree as trees
from interplay.games.tree import Tree
from interplay.run import folder, state

KIND = "strategy"


class Kept(NamedTuple):
    """A strategy with the tree it belongs to and what else was noted."""

    tree: Tree
    strategy: Float[np.ndarray, "information action"]
    about: dict[str, Any]


def save(
    directory: Path | str, name: str, tree: Tree, strategy: Float[np.ndarray, "information action"], **about
) -> Path:
    """Write a strategy of the game called `name`; `about` is small JSON kept with it. Returns the directory.

    Beside the checkpoint stands `strategy.json`, for people only: player → what it knows → move → how likely.

    Raises `InputError` for a table of another shape, and where there is something else under that name.

        >>> save("kuhn-strategy", "kuhn", tree, strategy, method="cfr-plus")  # doctest: +SKIP
    """
    strategy = np.asarray(strategy)
    if strategy.shape != tree.legal.shape:
        raise InputError(f"a strategy of {name} has shape {tree.legal.shape}, this one {strategy.shape}: solve again")
    noted = {"kind": KIND, "game": name, "information_sets": tree.rows, "labels": _digest(tree), **about}
    kept = state.save(directory, {KIND: strategy}, noted)
    folder.write_json_atomic(kept / f"{KIND}.json", told(tree, strategy))
    return kept


def told(tree: Tree, strategy: Float[np.ndarray, "information action"]) -> dict[str, dict[str, dict[str, float]]]:
    """The strategy in words: player → what it knows → move → how likely.

    >>> tree = trees.make("matching-pennies")
    >>> told(tree, np.full((2, 2), 0.5))["player 1"]
    {'round 1': {'0': 0.5, '1': 0.5}}
    """
    words = [dict(zip(tree.words(row), map(float, strategy[row]), strict=False)) for row in range(tree.rows)]
    bounds = list(zip(tree.first, tree.first[1:], strict=False))
    labels = tree.labels
    return {
        f"player {player}": {labels[row]: words[row] for row in range(start, stop)}
        for player, (start, stop) in enumerate(bounds)
    }


def load(directory: Path | str) -> Kept:
    """Read a strategy and build its game's tree.

    Raises `InputError` where there is none, where it is damaged, or where the game has changed since it was made.

        >>> kept = load("kuhn-strategy")  # doctest: +SKIP
    """
    directory = (
        inner if (inner := Path(directory) / KIND).is_dir() else Path(directory)
    )  # what `solve` keeps has it inside
    if not directory.is_dir():
        raise InputError(f"there is no strategy in '{directory}': make one with `interplay solve GAME --out DIR`")
    manifest = state.check(directory)
    about, entry = manifest["about"], manifest["paths"].get(KIND)
    if about.get("kind") != KIND or entry is None:
        raise InputError(f"'{directory}' holds no strategy: make one with `interplay solve GAME --out DIR`")
    tree = trees.make(about["game"])
    if about["labels"] != _digest(tree):
        raise InputError(f"{about['game']} has changed since '{directory}' was made: solve it again")
    like = jax.ShapeDtypeStruct(tuple(entry["shape"]), np.dtype(entry["dtype"]))
    return Kept(tree, state.restore(directory, {KIND: like})[KIND], about)


def to_openspiel(kept: Kept, name: str) -> Any:
    """The strategy as a `TabularPolicy` of the game that OpenSpiel calls `name`, which must be the same game.

    Raises `InputError` as `pairing.paired` does.

        >>> to_openspiel(load("kuhn-strategy"), "kuhn_poker").action_probabilities(state)  # doctest: +SKIP
    """
    from interplay.games.adapters import openspiel

    theirs = trees.build(openspiel.make(name))
    return openspiel.to_policy(theirs, pairing.carried(kept.tree, kept.strategy, theirs))


def from_openspiel(tree: Tree, policy: Any, name: str) -> Float[np.ndarray, "information action"]:
    """Any policy of OpenSpiel for the game it calls `name` as a table of `tree`, which must be the same game."""
    from interplay.games.adapters import openspiel

    theirs = trees.build(openspiel.make(name))
    return pairing.carried(theirs, openspiel.from_policy(theirs, policy), tree)


def _digest(tree: Tree) -> str:
    """Changes where rows mean something else than they did."""
    told = [f"{label} -> {moves[moves >= 0].tolist()}" for label, moves in zip(tree.labels, tree.moves, strict=True)]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()
