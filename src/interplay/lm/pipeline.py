"""Episodes that go on while their team learns: an update takes the first groups that are finished, slow ones stay under way.

Time is counted in batches of answers. Groups of episodes talk until as many as an update learns from are finished; the others
wait where they are, and their next words come from the weights after the update, so versions differ within one episode. Two
numbers hold this together:

    admitted while      groups under way or waiting < (staleness + 1) · tasks
    dropped where       version now − version of the group's oldest words > staleness

By the first, a group that is admitted at version v is learned from at v + staleness at the latest if groups finish in order;
one that is overtaken for longer is dropped and counted. With staleness 0 an update waits for all of its own groups, and this
is `lm.play` bit for bit.

What is under way is kept as arrays: the seeds of every group and the answers it has had. An episode goes on by running its
workflow again from the beginning on those answers, none of which is drawn anew; so a run that was killed goes on as if nothing
had happened. The workflow must do the same on the same answers. Tools are called again, and where what an agent reads turns
out to be something else than before, the answers from there on are forgotten and drawn anew (`strayed`).

Source: the rule of admission: Fu et al., "AReaL: a large-scale asynchronous reinforcement learning system for language
reasoning" (2025), eq. 3.
"""

import asyncio
import dataclasses
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int, UInt32

from interplay.core.errors import GameError, InputError
from interplay.lm.constrain import walked
from interplay.lm.model import Completion, Model, Request, Stop
from interplay.lm.play import Limits, Seat, Stage, episode, run_async
from interplay.lm.scene import Scene
from interplay.lm.transcript import Transcript
from interplay.lm.update import Row

STOPS = tuple(Stop)
LOOKS = 8  # turns of the event loop in which an episode that was answered may come to its end before a batch goes off


@dataclasses.dataclass(frozen=True)
class Pace:
    """How many groups an update learns from, how large they are, how many talk at once, how old their words may be."""

    tasks: int
    """groups that an update learns from"""
    group: int
    """episodes of a group"""
    in_flight: int
    """groups that talk at once, at most"""
    staleness: int
    """updates that the oldest words learned from may be behind, at most"""

    def __post_init__(self):
        if min(self.tasks, self.group, self.in_flight) < 1 or self.staleness < 0:
            raise InputError(
                f"{self.tasks} tasks of {self.group} attempts, {self.in_flight} groups in flight, {self.staleness} updates "
                "stale: give 1 or more, and of the last 0 or more"
            )

    @property
    def most(self) -> int:
        """Groups that may be under way or waiting."""
        return (self.staleness + 1) * self.tasks

    def admits(self, talking: int, waiting: int) -> int:
        """How many new groups may begin.

        >>> [Pace(4, 8, 6, staleness).admits(3, 2) for staleness in (0, 1)]
        [0, 3]
        """
        return max(0, min(self.in_flight - talking, self.most - talking - waiting))


class Flight(NamedTuple):
    """Groups under way between two updates; `place` is −1 where there is none, `length` −1 where there is no answer yet."""

    words: UInt32[np.ndarray, "slot word"]
    """seeds of the update that admitted the group"""
    place: Int[np.ndarray, "slot"]
    """the how manieth group of that update it is"""
    mark: UInt32[np.ndarray, "slot attempt call"]
    """a checksum of what was read before the answer"""
    version: Int[np.ndarray, "slot attempt call"]
    """updates before the weights that gave it"""
    stop: Int[np.ndarray, "slot attempt call"]
    length: Int[np.ndarray, "slot attempt call"]
    tokens: Int[np.ndarray, "slot attempt call token"]
    log_probs: Float[np.ndarray, "slot attempt call token"]


class Answer(NamedTuple):
    """What an episode was answered, and a checksum of what it had asked."""

    mark: int
    completion: Completion


@dataclasses.dataclass(eq=False, repr=False)
class Attempt:
    """One episode of a group; answers are numbered as they were asked for."""

    transcript: Transcript
    known: dict[int, Answer]
    """those of earlier updates"""
    answers: dict[int, Answer] = dataclasses.field(default_factory=dict)
    """those that it has used so far"""
    asked: int = 0
    strayed: bool = False
    talk: asyncio.Task | None = None

    def next(self, request: Request) -> tuple[int, int, Completion | None]:
        """Number and checksum of a request, and its answer where that is known."""
        number, mark = self.asked, zlib.crc32(request.tokens.tobytes())
        self.asked += 1
        known = self.known.get(number)
        if known is not None and known.mark != mark:
            self.known = {other: answer for other, answer in self.known.items() if other < number}
            known, self.strayed = None, True
        return number, mark, known and known.completion


@dataclasses.dataclass(eq=False, repr=False)
class Group:
    """Attempts at one task: the `place`-th that was admitted in the update of the seeds `words`."""

    words: tuple[int, ...]
    place: int
    attempts: list[Attempt]

    @property
    def finished(self) -> bool:
        """Whether all attempts have ended. Raises what a workflow that cannot be played raised."""
        talks = [one.talk for one in self.attempts if one.talk is not None and one.talk.done()]
        for talk in talks:
            talk.result()
        return len(talks) == len(self.attempts)

    def age(self, version: int) -> int:
        """Updates that its oldest words are behind; 0 where nothing was said."""
        said = [answer.completion.version for one in self.attempts for answer in one.known.values()]
        return version - min((old for old in said if old is not None), default=version)


class Gathered(NamedTuple):
    """What an update learns from: episodes, the number of each one's group, what stays under way, metrics."""

    played: list[Transcript]
    task: Int[np.ndarray, "episode"]
    flight: Flight
    told: dict[str, float]


@dataclasses.dataclass(frozen=True)
class Pipeline:
    """A scene, who speaks in it, what an episode may spend, and how fast it goes."""

    scene: Scene
    seats: Mapping[str, Seat]
    limits: Limits
    pace: Pace

    def empty(self, words: int) -> Flight:
        """Nothing under way; seeds are so many numbers."""
        slots = self.pace.staleness * self.pace.tasks
        calls = (slots, self.pace.group, self.scene.calls)
        said = (*calls, max(self.scene.limit(agent) for agent in self.scene.agents))
        zeros = lambda shape: np.zeros(shape, np.int32)
        return Flight(
            np.zeros((slots, words), np.uint32), zeros(slots) - 1, np.zeros(calls, np.uint32),
            zeros(calls), zeros(calls), zeros(calls) - 1, zeros(said), np.zeros(said, np.float32),
        )  # fmt: skip

    def gathered(self, flight: Flight, words: Sequence[int], version: int) -> Gathered:
        """Talk until the groups of an update are finished; new ones draw from the seeds `words`.

        Of those finished the first admitted are taken. Raises `InputError` for a workflow that calls an agent nobody speaks
        for, and `GameError` where every episode taken failed.
        """
        carried = self._carried(flight)
        groups = [group for group in carried if group.age(version) <= self.pace.staleness]
        flow = Flow(self, version)
        taken, left = run_async(flow.until_finished(groups, self._fresh(tuple(words))))
        played = [one.transcript for group in taken for one in group.attempts]
        if all(one.events.get("failed") for one in played):
            raise GameError(f"every episode of {self.scene.name} failed: {played[0].error}")
        told = staleness(played, version) | {
            "dropped": float(len(carried) - len(groups)),
            "under_way": float(len(left)),
            "strayed": float(sum(one.strayed for group in groups for one in group.attempts)),
            "batches": float(flow.batches),
        }
        task = np.repeat(np.arange(len(taken)), self.pace.group)
        return Gathered(played, task, self._kept(left, flight), told)

    def _fresh(self, words: tuple[int, ...]) -> Iterator[Group]:
        """Groups that are new, in order."""
        random = np.random.default_rng([*words, 0])
        for place in range(self.pace.most):
            yield self._group(words, place, self.scene.draw(random), {})

    def _group(self, words: tuple[int, ...], place: int, task: Any, known: Mapping[int, dict[int, Answer]]) -> Group:
        size = self.pace.group
        seed = lambda attempt: (*map(int, words), 1, place * size + attempt)
        attempts = [Attempt(Transcript(task, seed=seed(one)), known.get(one, {})) for one in range(size)]
        return Group(words, place, attempts)

    def _carried(self, flight: Flight) -> list[Group]:
        """Groups as they were left, about the tasks that the update that admitted them drew."""
        groups = []
        for slot in np.flatnonzero(flight.place >= 0).tolist():
            words, place = tuple(flight.words[slot].tolist()), int(flight.place[slot])
            random = np.random.default_rng([*words, 0])
            task = [self.scene.draw(random) for _ in range(place + 1)][-1]
            known = {attempt: _answers(flight, (slot, attempt)) for attempt in range(self.pace.group)}
            groups.append(self._group(words, place, task, known))
        return groups

    def _kept(self, groups: Sequence[Group], flight: Flight) -> Flight:
        kept = self.empty(flight.words.shape[1])
        for slot, group in enumerate(groups):
            kept.words[slot], kept.place[slot] = group.words, group.place
            for attempt, one in enumerate(group.attempts):
                for number, answer in one.answers.items():
                    if number < self.scene.calls:
                        _write(kept, (slot, attempt, number), answer)
        return kept


class Flow(Stage):
    """A stage whose episodes begin with the answers they have had, and which stops when enough groups are finished."""

    def __init__(self, line: Pipeline, version: int):
        super().__init__(line.scene, line.seats, line.limits, version)
        self.pace, self.batches = line.pace, 0
        self._attempts: dict[int, Attempt] = {}
        self._recalled: list[tuple[Completion, asyncio.Future]] = []

    async def ask(self, model: Model, request: Request, transcript: Transcript) -> Completion:
        attempt = self._attempts[id(transcript)]
        number, mark, known = attempt.next(request)
        if known is None:
            found = await super().ask(model, request, transcript)
            completion = dataclasses.replace(found, version=self.version)
        else:
            completion = await self._recall(_completed(known, model, request))
        attempt.answers[number] = Answer(mark, completion)
        return completion

    async def until_finished(self, carried: Sequence[Group], fresh: Iterator[Group]) -> tuple[list[Group], list[Group]]:
        """Go on with those carried over, add fresh ones as the pace admits them: the groups of an update, and the others."""
        groups = [self._begun(group) for group in carried]
        try:
            while True:
                await self.still()
                if self._recalled:
                    self._remind()
                    continue
                await self._settled(groups)
                done = [group for group in groups if group.finished]
                if len(done) >= self.pace.tasks:
                    taken = done[: self.pace.tasks]
                    return taken, [group for group in groups if group not in taken]
                admitted = self.pace.admits(len(groups) - len(done), len(done))
                groups += [self._begun(next(fresh)) for _ in range(admitted)]
                if not admitted:
                    await self._go_on()
        finally:
            for group in groups:
                for one in group.attempts:
                    if one.talk is not None:
                        one.talk.cancel()

    def waiting(self) -> int:
        return super().waiting() + len(self._recalled)

    def _begun(self, group: Group) -> Group:
        for one in group.attempts:
            self._attempts[id(one.transcript)] = one
            one.talk = asyncio.ensure_future(episode(self, one.transcript))
        return group

    async def _recall(self, completion: Completion) -> Completion:
        """The same answer as before, when everybody else who was answered with it gets theirs."""
        answer = asyncio.get_running_loop().create_future()
        self._recalled.append((completion, answer))
        return await answer

    def _remind(self) -> None:
        recalled, self._recalled = self._recalled, []
        for completion, answer in recalled:
            if not answer.done():
                answer.set_result(completion)

    async def _settled(self, groups: Sequence[Group]) -> None:
        """Give episodes that nobody has to answer some time to end, so that a batch does not go off before they are seen."""
        for _ in range(LOOKS):
            live = sum(not one.talk.done() for group in groups for one in group.attempts if one.talk is not None)
            if live <= self.waiting():
                return
            await asyncio.sleep(0)

    async def _go_on(self) -> None:
        self.batches += bool(self.waiting())
        await self.answer()


def marked(rows: Sequence[Row], version: int) -> list[Row]:
    """Rows that know which of their tokens are of weights before `version`."""
    of = lambda path: np.full(len(path.own), version) if path.version is None else path.version
    stale = [of(row.path)[row.path.own] < version for row in rows]
    return [row._replace(stale=late if late.any() else None) for row, late in zip(rows, stale, strict=True)]


def staleness(played: Sequence[Transcript], version: int) -> dict[str, float]:
    """Updates by which the tokens that are learned from are behind `version`: their mean and their most."""
    said = [(version - call.version, len(call.message.tokens(call.codec))) for one in played for call in one.calls]
    tokens = sum(size for _, size in said)
    mean = sum(age * size for age, size in said) / max(tokens, 1)
    return {"staleness": mean, "staleness_most": float(max((age for age, size in said if size), default=0))}


def _completed(known: Completion, model: Model, request: Request) -> Completion:
    """An answer that was kept as tokens, with its words and what was legal."""
    legal = None if request.answers is None else walked(request.answers, known.tokens)
    return dataclasses.replace(known, text=model.codec.decode(known.tokens), legal=legal)


def _answers(flight: Flight, at: tuple[int, int]) -> dict[int, Answer]:
    """The answers of one episode; their words are read again when they are asked for."""
    found = {}
    for call in np.flatnonzero(flight.length[at] >= 0).tolist():
        here = (*at, call)
        size = int(flight.length[here])
        tokens, log_probs = flight.tokens[here][:size].astype(np.int64), flight.log_probs[here][:size].copy()
        completion = Completion("", tokens, log_probs, STOPS[int(flight.stop[here])], version=int(flight.version[here]))
        found[call] = Answer(int(flight.mark[here]), completion)
    return found


def _write(flight: Flight, at: tuple[int, int, int], answer: Answer) -> None:
    said = answer.completion
    size = len(said.tokens)
    flight.mark[at], flight.version[at] = answer.mark, said.version or 0
    flight.stop[at], flight.length[at] = STOPS.index(said.stop), size
    flight.tokens[at][:size], flight.log_probs[at][:size] = said.tokens, said.log_probs
