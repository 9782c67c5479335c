"""Systems code from beginning to end: search, try what was found on instances that were not searched on, and write it down."""

import atexit
import dataclasses
import functools
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from interplay.lm import client
from interplay.methods import context_evolve as evolve
from interplay.methods.context_evolve import Settings, Write
from interplay.methods.evolution import Evolution, Score, Searching
from interplay.run import folder, searching
from interplay.run.spread import Place
from interplay.text.genome import Genome
from interplay.text.sandbox import Pool
from interplay.text.systems import named
from interplay.text.systems.task import LIMITS, PART, Metrics, Task, of_program, of_strategy
from interplay.text.trial import Allowance

FOUND, BEST = "found.json", "best.py"


class Hands(NamedTuple):
    """Who proposes and who plays the roles: a name to say, and what makes them for a task."""

    name: str
    write: Callable[[Task, Settings], Write]
    roles: Callable[[Task, Settings], evolve.Roles]


EMBEDDED = Hands("typed mutator", evolve.mutation, evolve.embedded)


def by_model(name: str, ask: client.Ask) -> Hands:
    """A model proposes and plays all roles."""
    return Hands(name, lambda task, s: evolve.written(task, ask), lambda task, s: evolve.modeled(task, ask))


def _context(task: Task, s: Settings, score: Score, hands: Hands) -> Evolution:
    return evolve.build(s, score, hands.roles(task, s), hands.write(task, s))


def _plain(task: Task, s: Settings, score: Score, hands: Hands) -> Evolution:
    return evolve.plain(s, score, hands.write(task, s))


METHODS = {"context-evolve": _context, "plain": _plain}
Scored = Callable[[Task, Pool], AbstractContextManager[Score]]


@contextmanager
def here(task: Task, pool: Pool) -> Iterator[Score]:
    """Programs are scored in the sandboxes of the pool."""
    yield evolve.scorer(task, task.train(), pool)


def away(place: Place) -> Scored:
    """Programs are scored by workers of a place, as many as the pool has, each with a sandbox of its own."""
    return lambda task, pool: searching.scored(place, pool.workers, _trials, task.name)


def _trials(name: str, bodies: Sequence[Mapping[str, str]]) -> list[dict[str, Any]]:
    """The trials of programs in a worker, as JSON has them."""
    task = named(name)
    score = evolve.scorer(task, task.train(), _sandbox())
    return [trial.as_json() for trial in score([Genome(parts) for parts in bodies])]


@functools.cache
def _sandbox() -> Pool:
    """The sandbox of this worker, for all that it scores."""
    pool = Pool(LIMITS)
    atexit.register(pool.close)
    return pool


def run(
    s: Settings,
    allowed: Allowance,
    path: Path,
    *,
    method: str = "context-evolve",
    start: str = "",
    seed: int = 0,
    hands: Hands = EMBEDDED,
    workers: int = 2,
    scored: Scored = here,
    watch: Callable[[float, str], None] = lambda share, words: None,
) -> dict[str, Any]:
    """Search in the folder `path`, from where it is; returns and keeps the program found, beside the start and known ones.

    `start` is the text of a program to start from, the task's own where it is empty. Raises `InputError` where that is none,
    where the sandbox does not work, or where `path` holds another search.
    """
    task = named(s.task)
    first = task.genome(start or task.start)
    asked = {
        "seed": seed,
        "method": method,
        "start": first.hash,
        "proposer": hands.name,
        "settings": searching.plain_settings(s),
    }
    look = lambda state, share: watch(share, f"best score {state.best.score:.3f}")
    with Pool(LIMITS, workers=workers) as pool, scored(task, pool) as score:
        search = METHODS[method](task, s, score, hands)
        state = searching.run(search, [first], path, asked, allowed, look)
        held = held_out(task, state, pool)
    found = _told(task, state) | {"method": method, "seed": seed, "proposer": hands.name, "held_out": held}
    text, file = state.best.genome.parts[PART], path / BEST
    head = f"# Found in {len(state.tried):,} programs (seed {seed}, {method}, {hands.name}) for {s.task}\n"
    folder.write_atomic(file, (head + text + "\n").encode())
    usage = f"interplay evolve {shlex.quote(s.task)} --start {file}"
    found |= {"program": text, "file": str(file), "usage": usage, "settings": dataclasses.asdict(s)}
    folder.write_json_atomic(path / FOUND, found)
    return found


def held_out(task: Task, state: Searching, pool: Pool) -> dict[str, Metrics]:
    """What the find, the start and known strategies come to on instances that are not searched on."""
    texts = {"found": state.best.genome.parts[PART], "start": next(iter(state.tried.values())).trial.genome.parts[PART]}
    texts |= task.known
    some = {name: of_program(task, task.genome(text), task.held_out(), pool) for name, text in texts.items()}
    strategies = {name: of_strategy(task, make, task.held_out()) for name, make in task.strategies.items()}
    return {name: dict(trial.metrics) for name, trial in some.items() if trial.valid} | strategies


def _told(task: Task, state: Searching) -> dict[str, Any]:
    traits = evolve.traits(task)
    trials = [each.trial for each in state.tried.values()]
    valid = sum(trial.valid for trial in trials)
    return {
        "task": task.name,
        "purpose": task.purpose,
        "known": [*task.known, *task.strategies],
        "evaluations": len(trials),
        "valid": valid,
        "spent": state.spent._asdict(),
        "per_minute": 60 * valid / max(state.spent.seconds, 1e-9),
        "lost": dict(state.lost),
        "lost_roles": _counted(trial.artefacts.get("lost roles", "") for trial in trials),
        "start": {"score": trials[0].score, "metrics": dict(trials[0].metrics)},
        "best": {"hash": state.best.genome.hash, "score": state.best.score, "metrics": dict(state.best.metrics)},
        "traits": {trial.genome.hash: len(traits(trial.genome)) for trial in trials},
    }


def _counted(words: Any) -> Mapping[str, int]:
    counts: dict[str, int] = {}
    for each in filter(None, words):
        counts[each] = counts.get(each, 0) + 1
    return counts
