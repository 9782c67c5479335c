"""Acceptance: what a search keeps of all that it tried, and from what it goes on.

An `Acceptance` takes entries in one after the other and picks a parent and mates from what it kept; its state is made of
tuples, so that the same entries in the same order always give the same state. `best` is the population of an evolution
strategy, `grid` that of MAP-Elites; `islands` keeps several of either apart; `everything` selects nothing and is a search's
control.

Sources: Mouret and Clune, "Illuminating search spaces by mapping elites" (2015) for the grid; Tanese, "Distributed genetic
algorithms" (1989) for islands; Deb et al., "A fast and elitist multiobjective genetic algorithm: NSGA-II" (2002) for dominance.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from interplay.core.errors import InputError

Generator = np.random.Generator
State = Any


class Entry(NamedTuple):
    """What acceptance knows of a candidate: its name, its score, its scores on single tasks, what it is like in numbers, and
    its kind, of which `best` keeps one (none: it is like no other)."""

    name: str
    score: float
    scores: tuple[float, ...] = ()
    features: tuple[float, ...] = ()
    kind: str = ""


class Picked(NamedTuple):
    """A parent, mates, and the place (the number of an island) to which the child goes."""

    parent: Entry
    mates: tuple[Entry, ...]
    place: int = 0


class Acceptance(NamedTuple):
    """`init()` → state; `accept(state, entry, place)` → state; `pick(state, rng)` → `Picked`; `members(state)` → entries."""

    init: Callable[[], State]
    accept: Callable[[State, Entry, int], State]
    pick: Callable[[State, Generator], Picked]
    members: Callable[[State], tuple[Entry, ...]]


Draw = Callable[[Sequence[Entry], Generator], Entry]


def tournament(count: int = 3) -> Draw:
    """The best of `count` entries drawn with replacement, by the score or by one of the single tasks', each as likely.

    Source: Li et al., "Discovering multiagent learning algorithms with large language models" (2026), section 3, for the
    choice of the task.
    """

    def draw(entries: Sequence[Entry], rng: Generator) -> Entry:
        task = int(rng.integers(len(entries[0].scores) + 1)) if len(entries[0].scores) > 1 else 0
        some = [entries[int(at)] for at in rng.integers(len(entries), size=count)]
        return max(some, key=lambda entry: entry.scores[task - 1] if task else entry.score)

    return draw


def evenly(entries: Sequence[Entry], rng: Generator) -> Entry:
    """Any entry."""
    return entries[int(rng.integers(len(entries)))]


def _acceptance(keep: Callable[[tuple[Entry, ...], Entry], tuple[Entry, ...]], draw: Draw, mates: int) -> Acceptance:
    """What is a tuple of entries and draws parents and mates from all of it."""

    def pick(state, rng):
        return Picked(draw(state, rng), tuple(draw(state, rng) for _ in range(mates)))

    return Acceptance(lambda: (), lambda state, entry, place: keep(state, entry), pick, lambda state: state)


def best(size: int, draw: Draw | None = None, mates: int = 1) -> Acceptance:
    """The `size` best so far, one of each kind; among equals the earlier stays.

    >>> keep = best(1)
    >>> state = keep.accept(keep.accept(keep.init(), Entry("a", 1.0), 0), Entry("b", 2.0), 0)
    >>> [entry.name for entry in keep.members(state)]
    ['b']
    """
    if size < 1:
        raise InputError(f"cannot keep the best {size}: give 1 or more")

    def keep(state, entry):
        rival = next((one for one in state if entry.kind and one.kind == entry.kind), None)
        if rival is not None and rival.score >= entry.score:
            return state
        others = (one for one in state if one is not rival)
        return tuple(sorted((*others, entry), key=lambda one: -one.score)[:size])  # a stable sort

    return _acceptance(keep, draw or tournament(), mates)


def everything(mates: int = 1) -> Acceptance:
    """All entries, any of which is as likely a parent: search without selection."""
    return _acceptance(lambda state, entry: (*state, entry), evenly, mates)


def grid(edges: Sequence[Sequence[float]], draw: Draw | None = None, mates: int = 1) -> Acceptance:
    """The best of every cell; `edges[k]` are the rising borders between the bins of feature k."""

    def keep(state, entry):
        at = cell(entry, edges)
        rival = next((one for one in state if cell(one, edges) == at), None)
        if rival is not None and rival.score >= entry.score:
            return state
        return (*(one for one in state if one is not rival), entry)

    return _acceptance(keep, draw or tournament(), mates)


def cell(entry: Entry, edges: Sequence[Sequence[float]]) -> tuple[int, ...]:
    """The cell of a grid that an entry belongs to.

    >>> cell(Entry("a", 0.0, features=(7.0, -1.0)), [(5.0, 10.0), (0.0,)])
    (1, 0)
    """
    if len(entry.features) != len(edges):
        raise InputError(
            f"'{entry.name}' has {len(entry.features)} features, the grid has {len(edges)}: make them equal"
        )
    return tuple(int(np.searchsorted(each, value, "right")) for value, each in zip(entry.features, edges, strict=True))


def pareto(draw: Draw | None = None, mates: int = 1) -> Acceptance:
    """The entries than which no other is at least as good on every task and better on one."""

    def keep(state, entry):
        if any(dominates(other.scores, entry.scores) or other.scores == entry.scores for other in state):
            return state
        return (*(other for other in state if not dominates(entry.scores, other.scores)), entry)

    return _acceptance(keep, draw or tournament(), mates)


def dominates(a: Sequence[float], b: Sequence[float]) -> bool:
    """Whether a is at least as good as b everywhere and better somewhere.

    >>> dominates((1.0, 2.0), (1.0, 1.0)), dominates((1.0, 2.0), (2.0, 1.0))
    (True, False)
    """
    return all(x >= y for x, y in zip(a, b, strict=True)) and any(x > y for x, y in zip(a, b, strict=True))


def islands(inner: Acceptance, count: int, every: int = 100, share: float = 0.1) -> Acceptance:
    """`count` archives apart; the first entry goes to all of them, and children stay where their parents were.

    After every `every` entries the best `share` of each island (at least one) is also taken in by the next one.
    """
    if count < 1:
        raise InputError(f"cannot search on {count} islands: give 1 or more")

    def accept(state, entry, place):
        taken, parts = state
        if taken == 0:
            return 1, tuple(inner.accept(part, entry, 0) for part in parts)
        parts = _at(parts, place % count, lambda part: inner.accept(part, entry, 0))
        return taken + 1, _migrated(inner, parts, share) if (taken + 1) % every == 0 else parts

    def pick(state, rng):
        place = int(rng.integers(count))
        return inner.pick(state[1][place], rng)._replace(place=place)

    def members(state):
        return tuple(dict.fromkeys(entry for part in state[1] for entry in inner.members(part)))

    return Acceptance(lambda: (0, tuple(inner.init() for _ in range(count))), accept, pick, members)


def _migrated(inner: Acceptance, parts: tuple[State, ...], share: float) -> tuple[State, ...]:
    leaving = [sorted(inner.members(part), key=lambda one: -one.score) for part in parts]
    leaving = [some[: max(1, round(share * len(some)))] for some in leaving]
    for place, some in enumerate(leaving):
        target = (place + 1) % len(parts)
        known = {entry.name for entry in inner.members(parts[target])}
        for entry in some:
            if entry.name not in known:
                parts = _at(parts, target, lambda part, entry=entry: inner.accept(part, entry, 0))
    return parts


def _at(parts: tuple[State, ...], place: int, change: Callable[[State], State]) -> tuple[State, ...]:
    return (*parts[:place], change(parts[place]), *parts[place + 1 :])
