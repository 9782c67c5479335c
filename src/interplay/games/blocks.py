"""Sums over groups of unequal size without scatters: groups of about the same size are rows of one padded table.

`sum over the items of group g` is then a few gathers added up, which the compiler turns into one loop; a scatter or a
segment sum costs many times as much on a processor. How groups share tables is chosen to cost least: every table costs a
call, every padded place a wasted read. Two known instances are sliced ELLPACK matrices and bucketed batches.
"""

import functools
import itertools
import operator
from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

CALL = 400  # reads that could be done in the time one more table costs
LANES = 32  # x


class Blocks(NamedTuple):
    """`tables[b][:, k]` are the items of the k-th group in table b, −1: padding; a third axis holds what exceeds `LANES`. Group
    g is entry `place[g]` of the sums of all tables one after the other and a zero; `place` is None where there is one table
    with group g at g.
    """

    tables: tuple[Int[np.ndarray, "lane count *rest"], ...]
    place: Int[np.ndarray, "group"] | None


def blocks(groups: Int[np.ndarray, "item"], count: int, call: int = CALL) -> Blocks:
    """Tables for summing items by `groups`, numbers from 0 to `count` − 1.

    >>> blocks(np.array([1, 0, 1]), 2).tables[0].tolist()
    [[1, 0], [-1, 2]]
    """
    order = np.argsort(groups, kind="stable").astype(np.int32)
    sizes = np.bincount(groups, minlength=count)
    starts = np.concatenate([[0], np.cumsum(sizes)])[:-1]
    widths = _widths(sizes, call)
    if len(widths) == 1 and count * widths[0] <= widths[0] * np.count_nonzero(sizes) + call:
        return Blocks((_table(order, starts, sizes, np.arange(count), widths[0]),), None)
    tables, place, before = [], np.full(count, np.count_nonzero(sizes), np.int32), 0
    for least, width in itertools.pairwise([0, *widths]):
        members = np.flatnonzero((sizes > least) & (sizes <= width))
        place[members] = before + np.arange(len(members))
        before += len(members)
        tables.append(_table(order, starts, sizes, members, width))
    return Blocks(tuple(tables), place)


def _table(order, starts, sizes, members, width: int) -> Int[np.ndarray, "lane count *rest"]:
    item = np.arange(width if width <= LANES else -(-width // LANES) * LANES)[:, None]
    at = np.minimum(starts[members][None] + item, len(order) - 1)
    table = np.where(item < sizes[members][None], order[at], -1).astype(np.int32)
    return table if width <= LANES else np.ascontiguousarray(table.reshape(LANES, -1, len(members)).swapaxes(1, 2))


def _widths(sizes: Int[np.ndarray, "group"], call: int) -> list[int]:
    """Largest sizes of the tables: the cheapest way to cut the sorted sizes into classes, each padded to its largest."""
    kinds, counts = np.unique(sizes[sizes > 0], return_counts=True)
    if not len(kinds):
        return []
    best, cut = np.zeros(len(kinds) + 1), np.zeros(len(kinds) + 1, int)
    total = np.concatenate([[0], np.cumsum(counts)])
    for end in range(1, len(kinds) + 1):
        costs = best[:end] + call + (total[end] - total[:end]) * kinds[end - 1]
        cut[end] = int(np.argmin(costs))
        best[end] = costs[cut[end]]
    widths, end = [], len(kinds)
    while end > 0:
        widths.append(int(kinds[end - 1]))
        end = cut[end]
    return widths[::-1]


def zero_ended(parts: Sequence[Array]) -> Array:
    """Parts one after the other and a zero. Reading from it costs less than from a sum, which would be done anew per read."""
    return jnp.concatenate([*parts, jnp.zeros_like(parts[0], shape=(1, *parts[0].shape[1:]))])


def total(lanes: Sequence[Array], wide: bool) -> Array:
    """Sum of a table's lanes, one after the other: reducing along the first axis is many times slower on a processor.

    Where the table is `wide`, each lane holds several items of every group along its second axis.
    """
    whole = functools.reduce(operator.add, lanes)
    return whole.sum(1) if wide else whole
