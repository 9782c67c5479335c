"""Cache eviction: which of the things held goes, when another comes in and there is no room.

Traces are generated (popular things, such between long scans, loops a little larger than the cache, popularity that shifts),
or bundled: recorded from programs (a database, a compiler, imports, version control). The score is the share of the hits of
Belady's rule, which knows what is to come and is optimal.

Sources: Megiddo and Modha, "ARC: a self-tuning, low overhead replacement cache" (2003); Yang et al., "FIFO queues are all you
need for cache eviction" (2023) for S3-FIFO; Belady, "A study of replacement algorithms for a virtual-storage computer" (1966).
"""

import functools
from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
from safetensors.numpy import load_file

from interplay.core.names import chosen
from interplay.text.programs import Interface
from interplay.text.systems.task import Instance, InvalidDecision, Simulation, Task

ROOM, KEYS = 10, 60
FITS = 10  # of so many things of a bundled trace one fits
RECORDED = Path(__file__).with_name("traces.safetensors")  # by tools/record_traces.py
PARTS = "search", "held out"  # of every kind of program one recording each
SHARE = 10  # parts of the cache of which S3-FIFO gives one to newcomers


class Trace(NamedTuple):
    """Requests in their order, how many things fit, and how many of the requests Belady's rule would hit."""

    requests: Sequence[int]
    room: int
    best: int


def simulate(trace: Trace) -> Simulation:
    """Asks whom to evict, and shows the requests since it last asked; the last of them is what comes in."""
    held: set[int] = set()
    hits, news = 0, []
    for key in trace.requests:
        news.append(key)
        if key in held:
            hits += 1
            continue
        if len(held) == trace.room:
            victim = yield {"room": trace.room, "news": news}
            news = []
            if not isinstance(victim, int) or victim not in held:
                raise InvalidDecision("evicted something that is not in the cache")
            held.remove(victim)
        held.add(key)
    return {"score": hits / max(trace.best, 1), "hit rate": hits / len(trace.requests)}


class Lane:
    """One cache as programs see it: evicts what `keep` gives the lowest number, among equals what came in first."""

    def __init__(self, keep):
        self.keep, self.now, self.held, self.past = keep, 0, {}, {}
        self.cache = SimpleNamespace()
        self.cache.hits, self.cache.returning = 0.5, 0.5

    def decide(self, question):
        *before, coming = question["news"]
        for key in before:
            self.request(key)
        self.cache.now, self.cache.room = self.now, question["room"]
        lowest, victim = None, None
        for key, entry in self.held.items():
            entry.idle, entry.age = self.now - entry.last, self.now - entry.came
            value = self.keep(entry, self.cache)
            if value != value:
                raise ValueError("keep gave something that is no number")
            if lowest is None or value < lowest:
                lowest, victim = value, key
        gone = self.held.pop(victim)
        self.past[victim] = (gone.total, gone.last)
        self.request(coming)
        return victim

    def request(self, key):
        self.now += 1
        entry = self.held.get(key)
        cache = self.cache
        cache.hits += 0.05 * ((entry is not None) - cache.hits)
        if entry is None:
            entry = self.held[key] = SimpleNamespace()
            total, last = self.past.get(key, (0, None))
            cache.returning += 0.05 * ((total > 0) - cache.returning)
            entry.total, entry.hits, entry.came = total, -1, self.now
            entry.gap = self.now if last is None else self.now - last
        else:
            entry.gap = self.now - entry.last
        entry.total += 1
        entry.hits += 1
        entry.last = self.now


class Arc:
    """ARC: two lists, of things seen once and more often, whose target sizes follow hits in two lists of ghosts."""

    def __init__(self):
        self.once, self.often = OrderedDict(), OrderedDict()
        self.ghosts_once, self.ghosts_often, self.target = OrderedDict(), OrderedDict(), 0.0

    def decide(self, question):
        *before, coming = question["news"]
        for key in before:
            self._request(key)
        return self._request(coming, question["room"])

    def _request(self, key, room=0):
        if key in self.once or key in self.often:
            self.once.pop(key, None)
            self.often.pop(key, None)
            self.often[key] = True
            return None
        old_once, old_often = key in self.ghosts_once, key in self.ghosts_often
        if old_once:
            self.target = min(room, self.target + max(len(self.ghosts_often) / len(self.ghosts_once), 1))
        if old_often:
            self.target = max(0, self.target - max(len(self.ghosts_once) / len(self.ghosts_often), 1))
        victim = self._victim(old_often) if room else None
        self.ghosts_once.pop(key, None)
        self.ghosts_often.pop(key, None)
        (self.often if old_once or old_often else self.once)[key] = True
        for ghosts in (self.ghosts_once, self.ghosts_often):
            while room and len(ghosts) > room:
                ghosts.popitem(last=False)
        return victim

    def _victim(self, old_often):
        size = len(self.once)
        first = size and (size > self.target or (old_often and size == self.target))
        held, ghosts = (self.once, self.ghosts_once) if first or not self.often else (self.often, self.ghosts_often)
        victim, _ = held.popitem(last=False)
        ghosts[victim] = True
        return victim


class S3Fifo:
    """S3-FIFO: newcomers wait in a small queue, those hit there or known from before go to the main one, which gives second
    chances."""

    def __init__(self):
        self.small, self.main, self.hits, self.ghosts = deque(), deque(), {}, deque()

    def decide(self, question):
        *before, coming = question["news"]
        for key in before:
            self._request(key)
        victim = self._victim(question["room"])
        self._request(coming)
        return victim

    def _request(self, key):
        if key in self.hits:
            self.hits[key] = min(self.hits[key] + 1, 3)
            return
        (self.main if key in self.ghosts else self.small).append(key)
        self.hits[key] = 0

    def _victim(self, room):
        while True:
            if self.small and (len(self.small) >= max(1, room // SHARE) or not self.main):
                key = self.small.popleft()
                if self.hits[key]:
                    self.hits[key] = 0
                    self.main.append(key)
                    continue
                self.ghosts.append(key)
                while len(self.ghosts) > room:
                    self.ghosts.popleft()
            else:
                key = self.main.popleft()
                if self.hits[key]:
                    self.hits[key] -= 1
                    self.main.append(key)
                    continue
            del self.hits[key]
            return key


def optimal_hits(requests: Sequence[int], room: int) -> int:
    """Hits where always that is evicted which is next wanted last.

    >>> optimal_hits([1, 2, 3, 1, 2, 3], 2)
    2
    """
    following, latest = [0] * len(requests), {}
    for at in range(len(requests) - 1, -1, -1):
        following[at] = latest.get(requests[at], len(requests))
        latest[requests[at]] = at
    held: dict[int, int] = {}
    hits = 0
    for at, key in enumerate(requests):
        hits += key in held
        if key not in held and len(held) == room:
            del held[max(held, key=held.__getitem__)]
        held[key] = following[at]
    return hits


def _popular(rng: np.random.Generator, count: int, power: float = 1.0) -> np.ndarray:
    weight = np.arange(1.0, KEYS + 1) ** -power
    return rng.permutation(KEYS)[rng.choice(KEYS, size=count, p=weight / weight.sum())]


def _scan(rng: np.random.Generator, count: int) -> np.ndarray:
    """Popular things, and now and then a row of things that are never wanted again."""
    base, new, found = _popular(rng, count, 1.1), KEYS, []
    for start in range(0, count, 30):
        found += base[start : start + 30].tolist()
        length = int(rng.integers(8, 18))
        found += range(new, new + length)
        new += length
    return np.array(found[:count])


def _loop(rng: np.random.Generator, count: int) -> np.ndarray:
    """Round and round a little more than fits, with popular things between."""
    round_ = np.arange(count) % int(ROOM * rng.uniform(1.1, 1.6)) + KEYS
    return np.where(rng.random(count) < 0.3, _popular(rng, count, 1.3), round_)


def _shift(rng: np.random.Generator, count: int) -> np.ndarray:
    """What is popular changes again and again."""
    period = int(rng.integers(40, 80))
    parts = [_popular(rng, period, 1.2) for _ in range(-(-count // period))]
    return np.concatenate(parts)[:count]


FAMILIES = {"zipf": _popular, "scan": _scan, "loop": _loop, "shift": _shift}


def traces(seed: int, each: int, length: int) -> list[Instance]:
    """Some traces of every family."""
    found = []
    for family, make in FAMILIES.items():
        for number in range(each):
            rng = np.random.default_rng([seed, number, len(found)])
            requests = make(rng, length).tolist()
            found.append(Instance(family, Trace(requests, ROOM, optimal_hits(requests, ROOM))))
    return found


def bundled(part: str, each: int, length: int) -> list[Instance]:
    """Pieces of the recordings of `part` (one of PARTS), `each` of every program, evenly from its beginning to its end."""
    found = []
    for name, one in sorted(load_file(RECORDED).items()):
        family, _, of = name.partition(" ")
        for start in np.linspace(0, len(one) - length, each if of == part else 0).astype(int):
            requests = one[start : start + length].tolist()
            room = len(set(requests)) // FITS
            found.append(Instance(family, Trace(requests, room, optimal_hits(requests, room))))
    return found


PROGRAM = "def keep(entry, cache):\n    return {}"
PURPOSE = (
    "A cache is full and something else comes in: the entry for which keep is lowest is evicted. The score is the share of the "
    "hits of an optimal rule that knows what is to come, over traces {}."
)
TASK = Task(
    name="cache",
    purpose=PURPOSE.format(
        "of popular things, with scans, of loops a little larger than the cache, and with popularity that shifts"
    ),
    interface=Interface(
        {
            "keep": {
                "entry": {
                    "idle": "requests since it was last wanted",
                    "age": "requests since it came in",
                    "hits": "how often it was wanted since it came in",
                    "total": "how often it was ever wanted, also before it was last evicted",
                    "gap": "requests between the last two times it was wanted (since the beginning, where it was wanted once)",
                },
                "cache": {
                    "now": "requests so far",
                    "room": "entries that fit",
                    "hits": "share of recent requests that were hits",
                    "returning": "share of recent misses that had been evicted before",
                },
            }
        }
    ),
    lane=Lane,
    simulate=simulate,
    train=functools.cache(lambda: traces(1, 3, 160)),
    held_out=functools.cache(lambda: traces(2, 5, 480)),
    start=PROGRAM.format("-entry.age"),
    known={
        "FIFO": PROGRAM.format("-entry.age"),
        "LRU": PROGRAM.format("-entry.idle"),
        "LFU": PROGRAM.format("entry.hits"),
        "LFU with history": PROGRAM.format("entry.total"),
        "LRU-2": PROGRAM.format("-entry.idle - entry.gap"),
    },
    strategies={"ARC": Arc, "S3-FIFO": S3Fifo},
)
_BUNDLED = TASK._replace(
    name="cache(traces='bundled')",
    purpose=PURPOSE.format("of pages of a database, and of files of a compiler, of imports and of version control"),
    train=functools.cache(lambda: bundled(PARTS[0], 3, 240)),
    held_out=functools.cache(lambda: bundled(PARTS[1], 5, 480)),
)
TRACES: Mapping[str, Task] = {
    "generated": TASK,
    "bundled": _BUNDLED,
    "both": TASK._replace(
        name="cache(traces='both')",
        purpose=PURPOSE.format("that were made up in four ways or recorded from four kinds of programs"),
        train=lambda: TASK.train() + _BUNDLED.train(),
        held_out=lambda: TASK.held_out() + _BUNDLED.held_out(),
    ),
}


def task(traces: str = "generated") -> Task:
    """The task on traces of one of `TRACES`. Raises `InputError` with the nearest name where there is none."""
    return chosen(TRACES, "the kind of traces", str(traces))
