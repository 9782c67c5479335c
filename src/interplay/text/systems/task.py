"""Tasks of systems code: what a program decides, what is simulated, and what people have written for it.

A task is simulated by the search's own process. The simulation of an instance is a generator: it asks for a decision, is sent
one, checks it, and in the end gives what it came to; so whoever decides never holds what is to come, and cannot claim a score.
Decisions come from a program's small functions, which a `Lane` of the task calls inside the sandbox, or from a strategy that
people know, which runs here. Cache eviction and job scheduling ask again and again; placing experts asks once an instance.
"""

import functools
import inspect
import math
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from interplay.core.errors import InputError
from interplay.text.genome import Genome
from interplay.text.programs import Interface, helpers_source
from interplay.text.sandbox import Limits, Pool
from interplay.text.trial import Trial, failed

PART = "program"
LIMITS = Limits(seconds=10.0, lifetime=60.0, memory=256.0)
Metrics = dict[str, float]
Simulation = Generator[Any, Any, Metrics]
Decide = Callable[[list[tuple[int, Any]]], Sequence[Any]]  # (lane, question) of all that wait -> a decision for each


class Instance(NamedTuple):
    """What is simulated once, and the family it is of."""

    family: str
    given: Any


class Task(NamedTuple):
    """A task: `lane(*functions)`, a class of the name Lane, answers questions of one instance by a program's functions.

    `known` are strategies in the form of programs; `strategies` make other lanes, which have `decide(question)` alone.
    """

    name: str
    purpose: str
    interface: Interface
    lane: type
    simulate: Callable[[Any], Simulation]
    train: Callable[[], list[Instance]]
    held_out: Callable[[], list[Instance]]
    start: str
    known: Mapping[str, str]
    strategies: Mapping[str, Callable[[], Any]]

    def prelude(self) -> str:
        """What is loaded in the sandbox in front of a program: the task's lane and the functions that programs may call."""
        names = ", ".join(self.interface.functions)
        ask = "_lanes = {}\n\ndef _decide(batch):\n    return [_lane(at).decide(question) for at, question in batch]\n"
        made = f"def _lane(at):\n    if at not in _lanes:\n        _lanes[at] = Lane({names})\n    return _lanes[at]\n"
        return "\n".join([_source(self.lane), ask, made])

    def genome(self, text: str, parents: tuple[str, ...] = (), how: str = "seed") -> Genome:
        """A program as parts of text, written in one form. Raises `InputError` as `Interface.read` does."""
        return Genome({PART: self.interface.read(text)}, parents, how)

    def read(self, text: str) -> Genome:
        """The genome of a changed text, with or without its name in front."""
        return self.genome(text.strip().removeprefix(f"{PART} =").strip())


@functools.cache
def _source(lane: type) -> str:
    """A lane and all that it needs, as it was when it was first asked for."""
    return "\n".join(["from types import SimpleNamespace", helpers_source(), inspect.getsource(lane)])


class InvalidDecision(ValueError):
    """A decision that the simulated system cannot carry out; the words say which."""


def run(task: Task, instances: Sequence[Instance], decide: Decide) -> list[Metrics]:
    """Simulate all instances side by side; `decide` answers the questions of all that wait at once.

    Raises `InvalidDecision` where a decision cannot be carried out, or there are too many or too few.
    """
    lanes = {at: task.simulate(one.given) for at, one in enumerate(instances)}
    found: dict[int, Metrics] = {}
    answers: dict[int, Any] = dict.fromkeys(lanes)
    while answers:
        questions = []
        for at, answer in answers.items():
            try:
                questions.append((at, lanes[at].send(answer)))
            except StopIteration as end:
                found[at] = end.value
        decisions = decide(questions) if questions else []
        if not isinstance(decisions, Sequence) or isinstance(decisions, str) or len(decisions) != len(questions):
            raise InvalidDecision("not one decision for each question")
        answers = {at: decision for (at, _), decision in zip(questions, decisions, strict=True)}
    return [found[at] for at in range(len(instances))]


def summed(instances: Sequence[Instance], found: Sequence[Metrics]) -> Metrics:
    """Means of what instances came to: everything overall, and the score of every family by its name."""
    names = list(found[0])
    total = {name: float(np.mean([each[name] for each in found])) for name in names}
    families = dict.fromkeys(one.family for one in instances)
    mean = lambda family: float(
        np.mean([each["score"] for one, each in zip(instances, found, strict=True) if one.family == family])
    )
    return total | {f"score {family}": mean(family) for family in families}


def of_strategy(task: Task, make: Callable[[], Any], instances: Sequence[Instance]) -> Metrics:
    """What a strategy comes to: `make()` is its lane for one instance. It runs in this process: it is ours, not a candidate."""
    lanes = [make() for _ in instances]
    return summed(instances, run(task, instances, lambda batch: [lanes[at].decide(question) for at, question in batch]))


def of_program(task: Task, genome: Genome, instances: Sequence[Instance], pool: Pool) -> Trial:
    """The trial of a program: it decides inside the sandbox, and is scored here by what came of its decisions."""
    source = f"{task.prelude()}\n{genome.parts[PART]}"
    with pool.open(source) as program:
        if program.loaded.outcome != "returned":
            return failed(genome, _kind(program.loaded.reason))

        def decide(batch: list[tuple[int, Any]]) -> Sequence[Any]:
            answer = program.call("_decide", (batch,))
            if answer.outcome != "returned":
                raise InvalidDecision(_kind(answer.reason))
            return answer.result

        try:
            metrics = summed(instances, run(task, instances, decide))
        except InvalidDecision as wrong:
            return failed(genome, str(wrong))
    if not all(map(math.isfinite, metrics.values())):
        raise InputError(f"the task {task.name} gave a score that is not finite: its simulation is broken")
    return Trial(genome, metrics["score"], metrics)


def _kind(reason: str) -> str:
    """A failure in words without the line, so that like ones are counted together."""
    return reason.split(" (line")[0][:120]
