"""Load balancing of experts: which experts of a model get further copies, and on which machine each copy goes.

The load of an expert is split evenly over its copies. Plans are made from the loads of past windows and judged by the windows
that follow: the score is mean load / largest load of a machine. Families: steady, drifting, bursts, and topics that make
experts busy together, which should not share a machine.

Sources: DeepSeek-AI, "DeepSeek-V3 technical report" (2024), section 3.4, for redundant experts; Graham, "Bounds on
multiprocessing timing anomalies" (1969) for the greedy rule; Lenstra, Shmoys and Tardos, "Approximation algorithms for
scheduling unrelated parallel machines" (1990) for rounding.
"""

import functools
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import scipy.optimize
from jaxtyping import Float

from interplay.text.programs import Interface
from interplay.text.systems.task import Instance, InvalidDecision, Simulation, Task

EXPERTS, MACHINES, SLOTS = 24, 6, 6  # 12 copies more than experts
PAST, FUTURE = 6, 3  # windows


class Loads(NamedTuple):
    """Loads of experts in windows that are known and in those that are not yet."""

    past: Float[np.ndarray, "window expert"]
    future: Float[np.ndarray, "window expert"]


def simulate(loads: Loads) -> Simulation:
    """Asks once for the experts of every machine."""
    plan = yield {"past": loads.past.round(3).tolist(), "machines": MACHINES, "slots": SLOTS}
    where = _checked(plan, loads.past.shape[1])
    share = where / where.sum(0)
    machine = loads.future @ share.T
    balance = machine.mean(1) / machine.max(1)
    planned = loads.past.mean(0) @ share.T
    return {"score": float(balance.mean()), "planned": float(planned.mean() / planned.max())}


def _checked(plan, experts: int) -> Float[np.ndarray, "machine expert"]:
    where = np.zeros((MACHINES, experts))
    if not isinstance(plan, list) or len(plan) != MACHINES or not all(isinstance(row, list) for row in plan):
        raise InvalidDecision("the plan is no list of experts for each machine")
    for machine, row in enumerate(plan):
        if len(row) > SLOTS or not all(isinstance(each, int) and 0 <= each < experts for each in row):
            raise InvalidDecision("a machine has too many experts, or one that there is not")
        for each in row:
            where[machine, each] += 1
    if not where.any(0).all():
        raise InvalidDecision("an expert has no place")
    return where


class Lane:
    """One plan as programs make it: `copy` says who gets the next copy, `first` in which order copies are placed, and
    `place` where."""

    def __init__(self, copy, first, place):
        self.copy, self.first, self.place = copy, first, place

    def decide(self, question):
        past, slots = question["past"], question["slots"]
        experts = [self.expert([row[at] for row in past]) for at in range(len(past[0]))]
        for _ in range(question["machines"] * slots - len(experts)):
            self.highest([self.copy(each) for each in experts], experts).copies += 1
        for each in experts:
            each.part = each.mean / each.copies
        machines = [self.machine(at, len(past)) for at in range(question["machines"])]
        values = [self.first(each) for each in experts]
        if any(value != value for value in values):
            raise ValueError("first gave something that is no number")
        for at in sorted(range(len(experts)), key=lambda at: -values[at]):
            for _ in range(experts[at].copies):
                self.put(at, experts[at], machines, slots)
        return [machine.held for machine in machines]

    def put(self, at, expert, machines, slots):
        free = [machine for machine in machines if len(machine.held) < slots]
        for machine in free:
            machine.free, machine.same = slots - len(machine.held), machine.held.count(at)
            machine.clash = sum(a * b for a, b in zip(machine.apart, expert.apart, strict=True)) / expert.copies
        machine = self.highest([self.place(expert, each) for each in free], free)
        machine.held.append(at)
        machine.load += expert.part
        machine.peak += expert.peak / expert.copies
        machine.apart = [a + b / expert.copies for a, b in zip(machine.apart, expert.apart, strict=True)]

    def highest(self, values, things):
        if any(value != value for value in values):
            raise ValueError("a function gave something that is no number")
        return things[max(range(len(values)), key=values.__getitem__)]

    def expert(self, loads):
        expert = SimpleNamespace()
        expert.mean, expert.last, expert.peak = sum(loads) / len(loads), loads[-1], max(loads)
        expert.apart = [load - expert.mean for load in loads]
        expert.spread = (sum(each * each for each in expert.apart) / len(loads)) ** 0.5
        expert.trend = loads[-1] - loads[0]
        expert.copies, expert.part = 1, expert.mean
        return expert

    def machine(self, at, windows):
        machine = SimpleNamespace()
        machine.number, machine.held, machine.load, machine.peak = at, [], 0.0, 0.0
        machine.apart = [0.0] * windows
        return machine


class Rounded:
    """Copies by largest remainder, places by the linear program that makes the largest load least; what it leaves in
    parts goes, largest first, where there is most room."""

    def decide(self, question):
        mean = np.mean(question["past"], 0)
        machines, slots = question["machines"], question["slots"]
        copies = 1 + _remainders(mean, machines * slots - len(mean))
        parts = np.repeat(mean / copies, copies)
        owner = np.repeat(np.arange(len(mean)), copies)
        share = _relaxed(parts, machines, slots)
        plan: list[list[int]] = [[] for _ in range(machines)]
        load = np.zeros(machines)
        for at in np.lexsort((-parts, share.max(1) < 1 - 1e-6)):
            free = [machine for machine in range(machines) if len(plan[machine]) < slots]
            whole = int(share[at].argmax())
            best = whole if share[at, whole] > 1 - 1e-6 and whole in free else min(free, key=lambda one: load[one])
            plan[best].append(int(owner[at]))
            load[best] += parts[at]
        return plan


def _remainders(load: np.ndarray, count: int) -> np.ndarray:
    """`count` things shared out in proportion, by largest remainder.

    >>> _remainders(np.array([5.0, 3.0, 2.0]), 4).tolist()
    [2, 1, 1]
    """
    exact = load / load.sum() * count
    whole = np.floor(exact).astype(int)
    for at in np.argsort(-(exact - whole), kind="stable")[: count - whole.sum()]:
        whole[at] += 1
    return whole


def _relaxed(parts: np.ndarray, machines: int, slots: int) -> Float[np.ndarray, "part machine"]:
    """Shares of parts on machines: min z, with load_m ≤ z, slots_m ≤ slots, every part placed whole in sum."""
    count = len(parts)
    cost = np.zeros(count * machines + 1)
    cost[-1] = 1
    placed = np.kron(np.eye(count), np.ones(machines))
    used = np.kron(np.ones(count), np.eye(machines))
    loads = np.kron(parts, np.eye(machines))
    upper = np.block([[loads, -np.ones((machines, 1))], [used, np.zeros((machines, 1))]])
    found = scipy.optimize.linprog(
        cost,
        upper,
        np.r_[np.zeros(machines), np.full(machines, slots)],
        np.c_[placed, np.zeros(count)],
        np.ones(count),
        method="highs-ds",
    )
    return found.x[:-1].reshape(count, machines)


def _steady(rng, mean, windows):
    return np.tile(mean, (windows, 1))


def _drifting(rng, mean, windows):
    end = mean * np.exp(rng.normal(0, 0.7, EXPERTS))
    return np.linspace(0, 1, windows)[:, None] * (end - mean) + mean


def _bursts(rng, mean, windows):
    return mean * np.where(rng.random((windows, EXPERTS)) < 0.15, rng.uniform(2, 4, (windows, EXPERTS)), 1.0)


def _topics(rng, mean, windows):
    topic = rng.integers(4, size=EXPERTS)
    busy = np.exp(rng.normal(0, 0.8, (windows, 4)))
    return mean * busy[:, topic]


FAMILIES = {"steady": _steady, "drifting": _drifting, "bursts": _bursts, "topics": _topics}


def loads(seed: int, each: int) -> list[Instance]:
    """Some instances of every family; windows also vary by a tenth by themselves."""
    found = []
    for family, make in FAMILIES.items():
        for number in range(each):
            rng = np.random.default_rng([seed, number, len(found)])
            mean = rng.permutation(np.arange(1.0, EXPERTS + 1) ** -rng.uniform(0.6, 1.2)) * 100
            table = make(rng, mean, PAST + FUTURE) * np.exp(rng.normal(0, 0.1, (PAST + FUTURE, EXPERTS)))
            found.append(Instance(family, Loads(table[:PAST], table[PAST:])))
    return found


PROGRAM = "def copy(expert):\n    return {}\n\ndef first(expert):\n    return {}\n\ndef place(expert, machine):\n    return {}"
EXPERT = {
    "mean": "its mean load in past windows",
    "last": "its load in the last window",
    "peak": "its largest load",
    "spread": "the standard deviation of its load",
    "trend": "its last load less its first",
    "copies": "copies that it has",
    "part": "its mean load for each copy (all copies are known once they are placed)",
}
MACHINE = {
    "load": "mean load that is on it",
    "peak": "the sum of the largest loads that are on it",
    "free": "copies that still fit",
    "clash": "how much its load and the expert's rise and fall together (0: not)",
    "same": "copies of the same expert that are on it",
}
TASK = Task(
    name="experts",
    purpose="Experts of a model are copied and placed on machines from their loads in past windows; copies share an expert's "
    "load evenly. The expert for which copy is highest gets the next copy, again and again; then experts are taken in the "
    "order of first, highest first, and each of their copies goes to the machine with room for which place is highest. The "
    "score is mean load / largest load of a machine in the windows that follow, for steady, drifting and bursting loads and "
    "for topics that make experts busy together.",
    interface=Interface(
        {"copy": {"expert": EXPERT}, "first": {"expert": EXPERT}, "place": {"expert": EXPERT, "machine": MACHINE}}
    ),
    lane=Lane,
    simulate=simulate,
    train=functools.cache(lambda: loads(1, 3)),
    held_out=functools.cache(lambda: loads(2, 8)),
    start=PROGRAM.format("-expert.copies", "0", "machine.free"),
    known={
        "round robin": PROGRAM.format("-expert.copies", "0", "machine.free"),
        "greedy": PROGRAM.format("over(expert.mean, expert.copies)", "expert.part", "-machine.load"),
        "greedy, last window": PROGRAM.format("over(expert.last, expert.copies)", "expert.part", "-machine.load"),
    },
    strategies={"LP-rounded": Rounded},
)
