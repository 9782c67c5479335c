"""Transaction ordering: in which order to admit transactions whose reads and writes stand in each other's way.

A transaction does one operation a unit of time and holds what it touches until it ends (strict two-phase locking); several
read at once, a writer is alone. The next in the order gets the worker that is free first, and starts when none of its
operations will have to wait. The score is a lower bound of the time that all need, divided by the time that they took.
Families: few conflicts, hot keys, long ones among short ones, mostly reads.

Source: Cheng et al., "Towards optimal transaction scheduling" (2024), for admitting what lengthens the schedule least.
"""

import functools
from collections.abc import Sequence
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np

from interplay.text.programs import Interface
from interplay.text.systems.task import Instance, InvalidDecision, Simulation, Task

WORKERS = 5
LOCAL_TRIES = 300
Operation = tuple[int, int]  # key, and whether it is written


class Work(NamedTuple):
    """Transactions, each with its operations in order."""

    transactions: Sequence[Sequence[Operation]]


def simulate(work: Work) -> Simulation:
    """Asks once for the whole order."""
    order = yield {"transactions": [[list(each) for each in one] for one in work.transactions], "workers": WORKERS}
    count = len(work.transactions)
    if not isinstance(order, list) or sorted(map(_number, order)) != list(range(count)):
        raise InvalidDecision("the order does not have every transaction once")
    taken = makespan(work.transactions, order)
    return {"score": bound(work.transactions) / taken, "time": float(taken)}


def _number(value) -> int:
    return value if isinstance(value, int) else -1


def makespan(transactions: Sequence[Sequence[Operation]], order: Sequence[int]) -> int:
    """When all are done that are admitted in this order.

    >>> makespan([[(0, 1)], [(0, 1)], [(1, 0)]], [0, 1, 2])
    2
    """
    free, read, written, last = [0] * WORKERS, {}, {}, 0
    for at in order:
        operations = transactions[at]
        worker = free.index(min(free))
        start = free[worker]
        for offset, (key, writes) in enumerate(operations):
            until = written.get(key, 0)
            until = max(until, read.get(key, 0)) if writes else until
            start = max(start, until - offset)
        end = start + len(operations)
        for key, writes in operations:
            held = written if writes else read
            held[key] = max(held.get(key, 0), end)
        free[worker] = end
        last = max(last, end)
    return last


def bound(transactions: Sequence[Sequence[Operation]]) -> float:
    """No order is faster: all work shared by the workers; the longest; the writers of a key one after the other."""
    total, longest = sum(map(len, transactions)), max(map(len, transactions))
    held: dict[int, int] = {}
    for operations in transactions:
        since = {}
        for offset, (key, writes) in enumerate(operations):
            if writes:
                since.setdefault(key, offset)
        for key, offset in since.items():
            held[key] = held.get(key, 0) + len(operations) - offset
    return float(max(-(-total // WORKERS), longest, *held.values(), 0))


class Lane:
    """One order as programs make it: next comes the transaction for which `rank` is highest, among equals the first."""

    def __init__(self, rank):
        self.rank = rank

    def decide(self, question):
        left = [self.transaction(at, one) for at, one in enumerate(question["transactions"])]
        for one in left:
            one.rivals = sum(self.clash(one, other) for other in left) - self.clash(one, one)
        self.free, self.read, self.written = [0] * question["workers"], {}, {}
        schedule, order = SimpleNamespace(), []
        schedule.time, schedule.done = 0, 0
        while left:
            schedule.free, schedule.left = min(self.free), len(left)
            value, best = None, left[0]
            for one in left:
                self.look(one, schedule)
                found = self.rank(one, schedule)
                if found != found:
                    raise ValueError("rank gave something that is no number")
                if value is None or found > value:
                    value, best = found, one
            self.admit(best, schedule)
            left.remove(best)
            for one in left:
                one.rivals -= self.clash(one, best)
            order.append(best.number)
        return order

    def transaction(self, at, operations):
        one = SimpleNamespace()
        one.number, one.operations, one.length = at, operations, len(operations)
        one.reads = {key for key, writes in operations if not writes}
        one.changes = {key for key, writes in operations if writes}
        one.writes = len(one.changes)
        return one

    def clash(self, a, b):
        return bool(a.changes & b.changes or a.changes & b.reads or a.reads & b.changes)

    def look(self, one, schedule):
        start = schedule.free
        for offset, (key, writes) in enumerate(one.operations):
            until = self.written.get(key, 0)
            if writes:
                until = max(until, self.read.get(key, 0))
            start = max(start, until - offset)
        one.wait, one.end = start - schedule.free, start + one.length
        one.added = max(0, one.end - schedule.time)

    def admit(self, one, schedule):
        for key, writes in one.operations:
            held = self.written if writes else self.read
            held[key] = max(held.get(key, 0), one.end)
        self.free[self.free.index(min(self.free))] = one.end
        schedule.time = max(schedule.time, one.end)
        schedule.done += one.length


class LocalSearch:
    """Least added first, then random moves of one transaction, kept where they do not lengthen the schedule."""

    def decide(self, question):
        transactions = [[tuple(each) for each in one] for one in question["transactions"]]
        lane = Lane(lambda one, schedule: -one.added - 0.01 * one.wait)
        order = lane.decide(question)
        best, rng = makespan(transactions, order), np.random.default_rng(0)
        for _ in range(LOCAL_TRIES):
            moved = list(order)
            moved.insert(int(rng.integers(len(order))), moved.pop(int(rng.integers(len(order)))))
            found = makespan(transactions, moved)
            if found <= best:
                order, best = moved, found
        return order


class Family(NamedTuple):
    """Keys, how popular the most popular are, share of writes, and share of long transactions."""

    keys: int
    power: float
    writes: float
    long: float


FAMILIES = {
    "few conflicts": Family(80, 0.6, 0.4, 0.0),
    "hot keys": Family(40, 1.3, 0.4, 0.0),
    "long": Family(60, 0.9, 0.4, 0.2),
    "reads": Family(30, 1.1, 0.15, 0.1),
}


def work(seed: int, each: int, count: int) -> list[Instance]:
    """Some instances of every family."""
    found = []
    for name, family in FAMILIES.items():
        for number in range(each):
            rng = np.random.default_rng([seed, number, len(found)])
            found.append(Instance(name, Work([_drawn(rng, family) for _ in range(count)])))
    return found


def _drawn(rng: np.random.Generator, family: Family) -> list[Operation]:
    length = int(rng.integers(9, 14) if rng.random() < family.long else rng.integers(3, 7))
    weight = np.arange(1.0, family.keys + 1) ** -family.power
    keys = rng.choice(family.keys, size=length, replace=False, p=weight / weight.sum())
    return [(int(key), int(rng.random() < family.writes)) for key in keys]


PROGRAM = "def rank(transaction, schedule):\n    return {}"
TASK = Task(
    name="transactions",
    purpose="Transactions are admitted one after the other, next the one for which rank is highest. Each does one operation a "
    "unit of time, holds what it touches until it ends, and starts when no operation will have to wait for a lock; there are "
    "several workers. The score is a lower bound of the time for all, divided by the time taken, with few conflicts, hot keys, "
    "long transactions among short ones, and mostly reads.",
    interface=Interface(
        {
            "rank": {
                "transaction": {
                    "length": "its operations",
                    "writes": "keys that it writes",
                    "rivals": "transactions still to come that it is in conflict with",
                    "wait": "time that it would wait for locks once a worker is free",
                    "end": "when it would end, if it came next",
                    "added": "how much later than now all would be done, if it came next",
                },
                "schedule": {
                    "time": "when all that were admitted are done",
                    "free": "when the next worker is free",
                    "left": "transactions still to come",
                    "done": "operations that were admitted",
                },
            }
        }
    ),
    lane=Lane,
    simulate=simulate,
    train=functools.cache(lambda: work(1, 2, 28)),
    held_out=functools.cache(lambda: work(2, 5, 36)),
    start=PROGRAM.format("0"),
    known={
        "as they come": PROGRAM.format("0"),
        "shortest": PROGRAM.format("-transaction.length"),
        "most rivals": PROGRAM.format("transaction.rivals"),
        "least wait": PROGRAM.format("-transaction.wait"),
        "least added": PROGRAM.format("-transaction.added - 0.01 * transaction.wait"),
    },
    strategies={"local search": LocalSearch},
)
