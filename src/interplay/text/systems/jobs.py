"""Job scheduling: one machine, jobs that come one after another with work, deadline and weight; changing over costs time.

The machine works on what it is told until something comes or is done. A job counts if it is done by its deadline, and is
dropped when it no longer can be. The score is the weight that was done, as a share of all weight. Families: light load, heavy
load, bursts, and few long heavy jobs among many short ones.

Sources: Liu and Layland, "Scheduling algorithms for multiprogramming in a hard-real-time environment" (1973) for the earliest
deadline; Moore, "An n job, one machine sequencing algorithm for minimizing the number of late jobs" (1968) for dropping.
"""

import functools
from collections.abc import Sequence
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np

from interplay.text.programs import Interface
from interplay.text.systems.task import Instance, InvalidDecision, Simulation, Task

COST = 0.3  # time that changing over takes, when the job before it is not done


class Job(NamedTuple):
    """When it comes, its work, by when it is to be done, and what it is worth."""

    comes: float
    size: float
    due: float
    weight: float


def simulate(jobs: Sequence[Job]) -> Simulation:
    """Asks what to run, whenever something comes or is done; shows what has come and gone since it last asked."""
    now, running, won, late, changes = 0.0, -1, 0.0, 0, 0
    coming, left = list(range(len(jobs))), {}
    gone: list[int] = []
    while coming or left:
        new = [at for at in coming if jobs[at].comes <= now + 1e-9]
        coming = coming[len(new) :]
        left |= {at: jobs[at].size for at in new}
        lost = [at for at in left if now + left[at] > jobs[at].due + 1e-9]
        gone, late = gone + lost, late + len(lost)
        left = {at: work for at, work in left.items() if at not in lost}
        if not left:
            now = jobs[coming[0]].comes if coming else now
            continue
        shown = [[at, *jobs[at]] for at in new if at in left]
        was = running if running in left else -1
        chosen = yield {
            "now": now,
            "new": shown,
            "gone": gone,
            "running": was,
            "left": left.get(was, 0.0),
            "cost": COST,
        }
        gone = []
        if not isinstance(chosen, int) or chosen not in left:
            raise InvalidDecision("ran a job that is not there")
        if chosen != was:
            changes += was >= 0
            now += COST if was >= 0 else 0.0
            running = chosen
        until = max(now, min(now + left[chosen], jobs[coming[0]].comes if coming else np.inf))
        left[chosen] -= until - now
        now = until
        if left[chosen] <= 1e-9:
            on_time = now <= jobs[chosen].due + 1e-9
            won, late = won + on_time * jobs[chosen].weight, late + (not on_time)
            del left[chosen]
            gone.append(chosen)
    score = won / sum(job.weight for job in jobs)
    return {"score": score, "late": late / len(jobs), "changes": changes / len(jobs)}


class Lane:
    """One machine as programs see it: runs the job for which `rank` is highest, among equals the one that came first."""

    def __init__(self, rank):
        self.rank, self.jobs, self.machine = rank, {}, SimpleNamespace()

    def decide(self, question):
        now, running = question["now"], question["running"]
        for at in question["gone"]:
            self.jobs.pop(at, None)
        for at, comes, size, due, weight in question["new"]:
            job = self.jobs[at] = SimpleNamespace()
            job.comes, job.size, job.deadline, job.weight, job.left = comes, size, due, weight, size
        if running in self.jobs:
            self.jobs[running].left = question["left"]
        machine = self.machine
        machine.waiting, machine.work = len(self.jobs), sum(job.left for job in self.jobs.values())
        machine.weight, machine.cost = sum(job.weight for job in self.jobs.values()), question["cost"]
        highest, best = None, None
        for at, job in self.jobs.items():
            job.due = job.deadline - now
            job.slack, job.waited = job.due - job.left, now - job.comes
            job.running = 1 if at == running else 0
            value = self.rank(job, machine)
            if value != value:
                raise ValueError("rank gave something that is no number")
            if highest is None or value > highest:
                highest, best = value, at
        return best


class Admitting:
    """Earliest deadline first among jobs that can all be done: where one would be late, the least worth for its work goes."""

    def __init__(self):
        self.jobs: dict[int, list[float]] = {}

    def decide(self, question):
        for at in question["gone"]:
            self.jobs.pop(at, None)
        for at, _, size, due, weight in question["new"]:
            self.jobs[at] = [size, due, weight]
        if question["running"] in self.jobs:
            self.jobs[question["running"]][0] = question["left"]
        ends, taken = question["now"], []
        for at in sorted(self.jobs, key=lambda at: self.jobs[at][1]):
            taken.append(at)
            ends += self.jobs[at][0]
            while taken and ends > self.jobs[at][1]:
                worst = min(taken, key=lambda one: self.jobs[one][2] / self.jobs[one][0])
                taken.remove(worst)
                ends -= self.jobs[worst][0]
        return taken[0] if taken else min(self.jobs)


class Family(NamedTuple):
    """Work that comes in a unit of time, jobs of one burst, share of long heavy jobs, and slack in sizes of a job."""

    load: float
    burst: int
    long: float
    slack: float


FAMILIES = {
    "light": Family(0.8, 1, 0.0, 2.5),
    "heavy": Family(1.8, 1, 0.0, 2.5),
    "bursts": Family(1.2, 5, 0.0, 4.0),
    "long": Family(1.4, 1, 0.2, 1.8),
}


def jobs(seed: int, each: int, count: int) -> list[Instance]:
    """Some instances of every family."""
    found = []
    for name, family in FAMILIES.items():
        for number in range(each):
            found.append(Instance(name, _drawn(np.random.default_rng([seed, number, len(found)]), family, count)))
    return found


def _drawn(rng: np.random.Generator, family: Family, count: int) -> list[Job]:
    long = rng.random(count) < family.long
    size = np.where(long, rng.uniform(5, 9, count), rng.gamma(2.0, 0.7, count) + 0.2)
    weight = np.where(long, size * rng.uniform(1.5, 4, count), rng.uniform(0.3, 3, count))
    bursts = -(-count // family.burst)
    apart = rng.exponential(family.burst * size.mean() / family.load, bursts)
    comes = np.repeat(np.cumsum(apart), family.burst)[:count]
    due = comes + size * (1 + rng.exponential(family.slack, count)) + 0.2
    rows = np.stack([comes, size, due, weight], 1).round(3)
    return [Job(*row) for row in rows.tolist()]


PROGRAM = "def rank(job, machine):\n    return {}"
TASK = Task(
    name="jobs",
    purpose="One machine runs the job for which rank is highest, until a job comes or is done; leaving a job that is not done "
    "takes time. Jobs that cannot be done by their deadline any more are dropped. The score is the weight of the jobs done in "
    "time as a share of all weight, over light and heavy loads, bursts, and long heavy jobs among short ones.",
    interface=Interface(
        {
            "rank": {
                "job": {
                    "left": "work left",
                    "size": "work in all",
                    "due": "time until its deadline",
                    "slack": "time until it must be begun to be done in time",
                    "weight": "what it is worth",
                    "waited": "time since it came",
                    "running": "1 where it is running now, else 0",
                },
                "machine": {
                    "waiting": "jobs that are here",
                    "work": "their work left",
                    "weight": "their weight",
                    "cost": "time that changing over takes",
                },
            }
        }
    ),
    lane=Lane,
    simulate=simulate,
    train=functools.cache(lambda: jobs(1, 3, 30)),
    held_out=functools.cache(lambda: jobs(2, 6, 50)),
    start=PROGRAM.format("job.waited"),
    known={
        "first come": PROGRAM.format("job.waited"),
        "earliest deadline": PROGRAM.format("-job.due"),
        "shortest remaining": PROGRAM.format("-job.left"),
        "least slack": PROGRAM.format("-job.slack"),
        "weight for work": PROGRAM.format("over(job.weight, job.left)"),
    },
    strategies={"admitting EDF": Admitting},
)
