"""The wiring of counterfactual regret minimization for many rules at once, none of which is compiled.

The walk of a game is compiled once, for a batch of strategies side by side; between two walks each rule turns its own regrets
into scores on the host. So a rule may be anything that works on numpy arrays: `text.rules.stepper` interprets a text, and a
function written by hand is as good. Players go one after the other, as in `methods.tables`, whose numbers these are.

Rules are measured by their *average* strategy after several numbers of iterations, and where a rule has not begun to average,
by the uniform strategy: nothing is gained by putting the average off beyond the last iteration that is looked at.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from interplay.games.tree import Tree
from interplay.measure import exploit
from interplay.methods.tables import regrets
from interplay.play import walk
from interplay.update.matching import matched

Advance = Callable[[Float[np.ndarray, "row action"], int], tuple[np.ndarray, np.ndarray | float]]
HostRule = Callable[[Bool[np.ndarray, "row action"]], Advance]


class Table(NamedTuple):
    """Every player's present rows, reach and weighed sum of reaches, a rule on the last axis."""

    rows: tuple[Float[Array, "row action rule"], ...]
    reaches: tuple[Float[Array, "row action rule"], ...]
    sums: tuple[Float[Array, "row action rule"], ...]


class Side(NamedTuple):
    """A game made ready for `lanes` rules side by side.

    `first` is the table before any move and player 0's regrets there, "rule row action"; `turns[p]` takes player p's scores and
    weights and gives the table and the next player's regrets; `gaps` is every rule's exploitability.
    """

    tree: Tree
    lanes: int
    first: Callable[[], tuple[Table, Array]]
    turns: tuple[Callable[[Table, np.ndarray, np.ndarray], tuple[Table, Array]], ...]
    gaps: Callable[[Table], Float[Array, "rule"]]


def prepared(tree: Tree, lanes: int) -> Side:
    """Compile a game's walk for `lanes` rules; in double precision where JAX has it enabled.

    >>> with jax.enable_x64(True):  # doctest: +SKIP
    ...     exploitabilities(prepared(tree, 8), [stepper(read(text)) for text in texts], (100, 1000))
    """

    def seen(table: Table, player: int) -> Array:
        return jnp.moveaxis(regrets(tree, table.reaches, table.rows[player], player), -1, 0)

    def first():
        rows = tuple(walk.rows(tree, walk.uniform(tree, lanes), player) for player in range(tree.players))
        reaches = tuple(walk.forward(tree, own, player) for player, own in enumerate(rows))
        table = Table(rows, reaches, tuple(map(jnp.zeros_like, rows)))
        return table, seen(table, 0)

    def turn(player: int):
        put = lambda parts, new: (*parts[:player], new, *parts[player + 1 :])

        def take(table: Table, scores, weights):
            sums = table.sums[player] + jnp.moveaxis(weights, 0, -1) * table.reaches[player]
            own = matched(jnp.moveaxis(scores, 0, -1), walk.legal_like(tree, table.rows[player], player))
            reach = walk.forward(tree, own, player)
            table = Table(put(table.rows, own), put(table.reaches, reach), put(table.sums, sums))
            return table, seen(table, (player + 1) % tree.players)

        return jax.jit(take)

    def gaps(table: Table):
        # without positive sums `matched` is even, too
        average = matched(jnp.concatenate(table.sums), jnp.asarray(tree.legal)[..., None])
        return exploit.gains(tree, average).sum(0) / tree.players

    return Side(tree, lanes, jax.jit(first), tuple(map(turn, range(tree.players))), jax.jit(gaps))


def exploitabilities(
    side: Side, rules: Sequence[HostRule], horizons: Sequence[int]
) -> Float[np.ndarray, "rule horizon"]:
    """Exploitability of every rule's average strategy after each number of iterations, not a number where a rule broke down.

    There may be more rules than lanes; horizons rise.
    """
    found = [_batch(side, rules[start : start + side.lanes], horizons) for start in range(0, len(rules), side.lanes)]
    return np.concatenate(found) if found else np.zeros((0, len(horizons)))


def _batch(side: Side, rules: Sequence[HostRule], horizons: Sequence[int]) -> np.ndarray:
    tree, count = side.tree, len(rules)
    legal = [tree.legal[start:stop] for start, stop in zip(tree.first, tree.first[1:], strict=False)]
    players = [[rule(own) for rule in rules] for own in legal]
    table, regret = side.first()
    scores = [np.zeros((side.lanes, *own.shape)) for own in legal]
    weights = [np.zeros((side.lanes, len(own), 1)) for own in legal]
    broken = np.zeros(count, bool)
    found = np.zeros((count, len(horizons)))
    with np.errstate(all="ignore"):
        for t in range(1, max(horizons) + 1):
            for player, advances in enumerate(players):
                at = np.asarray(regret)
                for lane, advance in enumerate(advances):
                    scores[player][lane], weights[player][lane] = advance(at[lane], t)
                table, regret = side.turns[player](table, scores[player], weights[player])
            if t in horizons:
                broken |= [not _sane(scores, weights, lane) for lane in range(count)]
                found[:, list(horizons).index(t)] = np.asarray(side.gaps(table))[:count]
    found[broken] = np.nan
    return np.where(np.isfinite(found), found, np.nan)


def _sane(scores: list[np.ndarray], weights: list[np.ndarray], lane: int) -> bool:
    """Whether a rule's last numbers are finite and its weights not negative."""
    finite = all(np.isfinite(each[lane]).all() for each in (*scores, *weights))
    return finite and all((each[lane] >= 0).all() for each in weights)
