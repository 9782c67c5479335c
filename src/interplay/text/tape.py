"""Expressions as tapes of instructions over arrays: every different part once, in an order in which each finds its parts done.

A tape is interpreted: with numpy at once, so that a candidate costs no compiling, or under a JAX trace, where it becomes
part of a compiled program. Both give the same numbers. A stack machine and a computation graph are two known instances.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from interplay.text.expression import CONSTANT, NUMBER, REMEMBERING, ROW, TABLE, Leaves, Node, kind

Array = Any  # numpy's or JAX's
SPREAD = "spread"  # to a table: what stands for a table is one, even where its formula gives a number
STEEPEST = 8.0  # exponents beyond are cut


class Step(NamedTuple):
    """One instruction: do `op` on the places `reads` and put the result in the next place."""

    op: str
    reads: tuple[int, ...]
    value: float
    remembers: int  # the number of its memory, −1 for none


class Tape(NamedTuple):
    """Instructions, the places of the roots, the ranks of what is remembered, and the leaves that are read."""

    steps: tuple[Step, ...]
    roots: tuple[int, ...]
    memories: tuple[int, ...]
    leaves: frozenset[str]


def tape(roots: Sequence[Node], leaves: Leaves, bound: Mapping[str, int] | None = None) -> Tape:
    """The instructions for several expressions together, over leaves of those ranks.

    `bound` gives leaves that stand for an earlier root's result from there on: {"R": 0} says that R in roots 1, 2, … is
    what root 0 gives, while in root 0 itself it is the leaf. Raises `InputError` where something does not fit.

    >>> from interplay.text.expression import parse
    >>> leaves = {"R": 2, "r": 2}
    >>> len(tape([parse("R + r"), parse("(R + r) * 2")], leaves).steps)
    5
    """
    steps: list[Step] = []
    places: dict[tuple, int] = {}
    read: set[str] = set()
    done: list[int] = []
    memories: list[int] = []

    def add(op: str, reads: tuple[int, ...], value: float, rank: int = 0) -> int:
        key = (op, reads, value)
        if key not in places:
            number = -1
            if op in REMEMBERING:
                number = len(memories)
                memories.append(rank)
            places[key] = len(steps)
            steps.append(Step(op, reads, value, number))
        return places[key]

    def put(node: Node) -> int:
        if node.op == CONSTANT:
            return add(CONSTANT, (), node.value)
        if node.args:
            rank = kind(node, leaves).rank
            return add(node.op, tuple(put(part) for part in node.args), 0.0, rank)
        if bound and node.op in bound and bound[node.op] < len(done):
            return done[bound[node.op]]
        read.add(node.op)
        return add(node.op, (), 0.0)

    tables = {place for name, place in (bound or {}).items() if leaves[name] == TABLE}
    for at, root in enumerate(roots):
        narrow = at in tables and kind(root, leaves).rank < TABLE
        done.append(add(SPREAD, (put(root),), 0.0) if narrow else put(root))
    return Tape(tuple(steps), tuple(done), tuple(memories), frozenset(read))


Memories = tuple[Array, ...]
Run = Callable[[Mapping[str, Array], Memories, Any], tuple[list[Array], Memories]]


def interpreter(program: Tape, xp: ModuleType, legal: Array) -> Run:
    """`run(leaves, memories, first)` → what the roots give and the memories afterwards.

    `leaves` has an array or number for every leaf of the tape; `first` says that nothing is remembered yet. `xp` is numpy or
    jax.numpy; `legal` marks the moves of every row, of which alone maxima, sums and means of rows are made.
    """
    operations = _operations(xp, legal)
    code: list[tuple[Any, str, tuple[int, ...], float, int]] = [
        (operations.get(step.op), step.op, step.reads, step.value, step.remembers) for step in program.steps
    ]
    roots = program.roots

    def run(leaves, memories, first):
        places: list[Array] = []
        after = list(memories)
        for work, op, reads, value, remembers in code:
            if remembers >= 0:
                found, after[remembers] = work(places, reads, memories[remembers], first)
            elif work is None:
                found = value if op == CONSTANT else leaves[op]
            elif len(reads) == 2:
                found = work(places[reads[0]], places[reads[1]])
            elif len(reads) == 1:
                found = work(places[reads[0]])
            else:
                found = work(places[reads[0]], places[reads[1]], places[reads[2]])
            places.append(found)
        return [places[root] for root in roots], tuple(after)

    return run


def blank(program: Tape, legal: Array) -> Memories:
    """What a tape remembers before it first runs: zeros."""
    zeros = np.zeros if isinstance(legal, np.ndarray) else jnp.zeros
    shapes = {NUMBER: (), ROW: (legal.shape[0], 1), TABLE: legal.shape}
    return tuple(zeros(shapes[rank]) for rank in program.memories)


def _operations(xp: ModuleType, legal: Array) -> dict[str, Callable]:
    whole = xp is np and bool(legal.all())
    only = (lambda x, other: x) if whole else (lambda x, other: xp.where(legal, x, other))
    counts = legal.sum(1, keepdims=True)
    least = -np.inf
    power = _power_here if xp is np else functools.partial(_power, xp)
    return {
        "add": xp.add,
        "sub": xp.subtract,
        "mul": xp.multiply,
        "div": _divided_here if xp is np else functools.partial(_divided, xp),
        "neg": xp.negative,
        "pow": power,
        "max": xp.maximum,
        "min": xp.minimum,
        "abs": xp.abs,
        "relu": lambda x: xp.maximum(x, 0.0),
        "fade": lambda t, exponent: _kept(power(t, exponent)),
        "where": xp.where,
        "ge": xp.greater_equal,
        "gt": xp.greater,
        "rowmax": lambda x: only(x, least).max(1, keepdims=True),
        "rowsum": lambda x: only(x, 0.0).sum(1, keepdims=True),
        "rowmean": lambda x: only(x, 0.0).sum(1, keepdims=True) / counts,
        "pool": lambda x: x.mean() if x.shape[1] == 1 or whole else only(x, 0.0).sum() / counts.sum(),
        "normalise": lambda x: normalised(xp, x, legal),
        "softmax": lambda x: _softmax(xp, only(x, least)),
        "ema": functools.partial(_running, xp, True),
        "ema0": functools.partial(_running, xp, False),
        "before": _before,
        SPREAD: lambda x: xp.broadcast_to(xp.asarray(x), legal.shape),
    }


def normalised(xp: ModuleType, scores: Array, legal: Array) -> Array:
    """max(0, score) / Σ over legal moves, evenly where no score is positive: `update.matching.matched` for any arrays."""
    positive = xp.where(legal, xp.maximum(scores, 0.0), 0.0)
    total = positive.sum(1, keepdims=True)
    some = total > 0
    return xp.where(some, positive / xp.where(some, total, 1.0), legal / legal.sum(1, keepdims=True))


def _divided(xp, a, b):
    zero = b == 0
    return xp.where(zero, 0.0, a / xp.where(zero, 1.0, b))


def _power(xp, a, b):
    base, exponent = xp.maximum(a, 0.0), xp.clip(b, -STEEPEST, STEEPEST)
    lost = (base == 0) & (exponent < 0)
    return xp.where(lost, 0.0, xp.where(lost, 1.0, base) ** exponent)


def _divided_here(a, b):
    """`_divided` with numpy, without looking at every entry where the divisor is one number."""
    if not isinstance(b, float):
        return _divided(np, a, b)
    return a / b if b else np.zeros(np.shape(a))


def _power_here(a, b):
    """`_power` with numpy, in two steps where the exponent is one number of at least 0."""
    return np.maximum(a, 0.0) ** min(b, STEEPEST) if isinstance(b, float) and b >= 0 else _power(np, a, b)


def _kept(power):
    return power / (power + 1)


def _softmax(xp, x):
    shifted = xp.exp(x - x.max(1, keepdims=True))
    return shifted / shifted.sum(1, keepdims=True)


def _running(xp, from_first, places, reads, before, first):
    x, share = places[reads[0]], places[reads[1]]
    mean = share * x + (1 - share) * before
    mean = xp.where(first, x, mean) if from_first else mean
    return mean, mean


def _before(places, reads, before, first):
    return before, places[reads[0]]
