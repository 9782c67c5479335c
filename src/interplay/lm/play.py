"""Many dialogues at once: each episode is a user's async function, and whenever all of them wait, models answer in batches.

    async def workflow(team, task):
        draft = await team.say("solver", task)
        verdict = await team.say("checker", task, draft)
        return float(verdict.text == "right")

An episode's requests draw from random numbers of their own, so what it says does not depend on who else is playing. What goes
wrong in one (a tool that raises or hangs, no calls left, a reward that is no number) is counted in its transcript and ends it
alone.
"""

import asyncio
import concurrent.futures
import inspect
import math
import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from interplay.core.errors import GameError, InputError
from interplay.lm.constrain import among
from interplay.lm.model import Answers, Completion, Model, Request, Stop
from interplay.lm.scene import Scene, Workflow
from interplay.lm.transcript import WORLD, Call, Message, Transcript, reading, words
from interplay.lm.words import Wordless

PATIENCE = 3  # looks at a queue that does not grow, before it is taken that everybody waits


@dataclass(frozen=True)
class Seat:
    """Who speaks for an agent: which model, which member of it, whether that learns, and how it draws."""

    model: Model
    member: int = 0
    trained: bool = True
    temperature: float = 1.0


@dataclass(frozen=True)
class Limits:
    """What one episode may spend. Calls are bounded by the scene."""

    tokens: int = 1_000_000
    """tokens that its agents may say in all"""
    seconds: float = 600.0
    """wall time after which an episode that awaits something is given up"""


USUAL = Limits()


class Spent(Exception):
    """An episode has no calls, tokens or time left."""


class Conversation:
    """What a workflow is given: agents that speak when called, notes, tools, teams within the team."""

    def __init__(self, stage: "Stage", transcript: Transcript, number: tuple[int, ...], invocation: int = 0):
        self._stage, self.transcript, self._number, self._invocation = stage, transcript, number, invocation
        self.random = np.random.default_rng([*number, 1])
        """chance of this episode, for whatever its world draws"""

    def note(self, text: Any, author: str = WORLD) -> Message:
        """Something that no agent said: a task, an observation. Saying the same thing again is a new message."""
        return self.transcript.add(author, str(text))

    async def say(self, agent: str, *parts: Any, answers: Answers | Iterable[str] | None = None) -> Message:
        """What `agent` says after reading `parts` in order: messages, or words that nobody said.

        `answers` are all it may say: texts, or a tree made by `lm.constrain.among`. Raises `Spent` when the episode has
        no calls or tokens left, which ends it.
        """
        stage, transcript = self._stage, self.transcript
        seat = stage.seat(agent)
        if len(transcript.calls) >= stage.scene.calls or transcript.events.get("tokens", 0) >= stage.limits.tokens:
            raise Spent
        codec, role = seat.model.codec, stage.scene.roles.get(agent, "")
        context = tuple(part if isinstance(part, Message) else self.note(part) for part in parts)
        number = len(transcript.calls) + transcript.events.get("asked", 0)
        transcript.count("asked")
        noise = np.random.Generator(np.random.Philox(key=_word(self._number), counter=[number, 0, 0, 0]))
        request = Request(
            agent,
            reading(codec, agent, role, context),
            noise.random(stage.scene.limit(agent)),
            seat.member,
            seat.temperature,
            *stage.among(answers, codec),
            words(context),
            role,
            transcript.task,
        )
        completion = await stage.ask(seat.model, request, transcript)
        transcript.count("asked", -1)
        return self._heard(seat, request, context, completion)

    def _heard(self, seat: Seat, request: Request, context: tuple[Message, ...], completion: Completion) -> Message:
        transcript, codec = self.transcript, seat.model.codec
        message = transcript.add(request.agent, completion.text, codec, completion)
        transcript.count("tokens", completion.size)
        transcript.error = transcript.error or completion.error
        if completion.stop is not Stop.END:
            transcript.count("failed_answers" if completion.stop is Stop.FAILED else completion.stop.value)
        learned = seat.trained and len(completion.tokens) > 0
        transcript.calls.append(
            Call(
                request.agent,
                message,
                context,
                codec,
                role=request.role,
                member=seat.member,
                trained=learned,
                version=self._stage.version if completion.version is None else completion.version,
                temperature=seat.temperature,
                invocation=self._invocation,
                round=len(transcript.rounds),
            )
        )
        return message

    def reward(self, message: Message, amount: float) -> None:
        """Credit one turn with something of its own, on top of what comes of the episode."""
        call = next((call for call in self.transcript.calls if call.message is message), None)
        if call is None:
            raise InputError("only what an agent said can be rewarded: give a message that say() returned")
        call.bonus += float(amount)

    def pay(self, rewards: Mapping[str, float]) -> None:
        """End a round of a repeated game: what every agent gets for it. What is said from now on is the next round's.

        Raises `InputError` where an agent gets nothing, not even 0.
        """
        missing = [agent for agent in self._stage.scene.agents if agent not in rewards]
        if missing:
            raise InputError(
                f"round {len(self.transcript.rounds)} pays {missing[0]} nothing: give every agent a number"
            )
        self.transcript.rounds.append({agent: float(amount) for agent, amount in rewards.items()})

    def earned(self) -> dict[str, float]:
        """What all rounds so far have paid each agent: the outcome of a repeated game."""
        rounds = self.transcript.rounds
        return {agent: sum(paid[agent] for paid in rounds) for agent in self._stage.scene.agents}

    async def use(self, tool: Callable[..., Any], *arguments: Any, seconds: float = 10.0) -> Message:
        """What a tool, any function, answers. One that raises or takes longer is counted and answers with one line."""
        try:
            return self.note(await within(seconds, tool, *arguments), "tool")
        except TimeoutError:
            self.transcript.count("tool_hangs")
            return self.note(f"no answer within {seconds:g} seconds", "tool")
        except Exception as wrong:
            self.transcript.count("tool_errors")
            return self.note(f"error: {' '.join(str(wrong).split()) or type(wrong).__name__}"[:200], "tool")

    async def delegate(self, workflow: Workflow, task: Any) -> Any:
        """Run another workflow within this episode, a team inside the team; its turns carry a number of their own."""
        self.transcript.count("delegations")
        number = self.transcript.events["delegations"]
        return await workflow(Conversation(self._stage, self.transcript, (*self._number, number), number), task)


class Stage:
    """Collects what episodes ask for until nobody moves, then has each model answer all of it at once."""

    def __init__(self, scene: Scene, seats: Mapping[str, Seat], limits: Limits, version: int):
        self.scene, self.seats, self.limits, self.version = scene, seats, limits, version
        self._queue: list[tuple[Model, Request, asyncio.Future]] = []
        self._trees: dict[tuple, Answers] = {}
        self._busy: set[asyncio.Task] = set()

    def seat(self, agent: str) -> Seat:
        """Who speaks for `agent`. Raises `InputError` where nobody does."""
        if agent not in self.seats:
            raise InputError(f"nobody speaks for '{agent}': the team has {', '.join(self.seats)}")
        return self.seats[agent]

    def among(self, answers: Answers | Iterable[str] | None, codec: Any) -> tuple[Answers | None, tuple[str, ...]]:
        """The tree of some legal answers, made once for each model, and the answers in words, where those were given.

        Raises `InputError` for a tree of tokens where a model takes words.
        """
        wordless = isinstance(codec, Wordless)
        if answers is None or isinstance(answers, Answers):
            if answers is not None and wordless:
                raise InputError("this model takes words: give answers=(…) as words, not as a tree of tokens")
            return answers, ()
        choices = tuple(answers)
        if wordless:
            return None, choices
        key = (id(codec), *choices)
        if key not in self._trees:
            self._trees[key] = among(choices, codec)
        return self._trees[key], choices

    async def ask(self, model: Model, request: Request, transcript: Transcript) -> Completion:
        """Wait for an answer along with everybody else; `transcript` is that of the episode that asks."""
        answer = asyncio.get_running_loop().create_future()
        self._queue.append((model, request, answer))
        return await answer

    async def serve(self, playing: Callable[[], bool]) -> None:
        """Answer until nobody plays. A batch goes off when no episode has asked for anything new for a few turns."""
        while playing():
            await self.still()
            await self.answer()

    async def still(self) -> None:
        """Wait until no episode has asked for anything new for a few turns."""
        still, size = 0, self.waiting()
        while still < PATIENCE:
            await asyncio.sleep(0)
            still, size = (still + 1, size) if self.waiting() == size else (0, self.waiting())

    def waiting(self) -> int:
        """How many answers episodes wait for."""
        return len(self._queue)

    async def answer(self) -> None:
        """Let models answer what is asked, or wait a moment where nothing is."""
        if not self._queue:
            await asyncio.sleep(0.0005)
            return
        queue, self._queue = self._queue, []
        for model in {id(model): model for model, _, _ in queue}.values():
            mine = [(request, answer) for asked, request, answer in queue if asked is model]
            task = asyncio.ensure_future(_completed(model, mine))
            self._busy.add(task)
            task.add_done_callback(self._busy.discard)


async def _completed(model: Model, asked: list[tuple[Request, asyncio.Future]]) -> None:
    try:
        completions = await model.complete([request for request, _ in asked])
        for (_, answer), completion in zip(asked, completions, strict=True):
            if not answer.done():
                answer.set_result(completion)
    except Exception as wrong:
        for _, answer in asked:
            if not answer.done():
                answer.set_exception(wrong)


def play(
    scene: Scene,
    seats: Mapping[str, Seat],
    tasks: Sequence[Any],
    seed: Sequence[int],
    *,
    version: int = 0,
    limits: Limits = USUAL,
    numbers: Sequence[int] | None = None,
) -> list[Transcript]:
    """One episode for each task, all at once; an episode depends on `seed`, its number and its task alone.

    Episodes are numbered from 0 up, or by `numbers`, where others of the same update are played elsewhere.

    Raises `InputError` for a workflow that calls an agent nobody speaks for, and `GameError` where every episode failed.
    """
    stage = Stage(scene, seats, limits, version)
    order = range(len(tasks)) if numbers is None else numbers
    made = [Transcript(task, seed=(*map(int, seed), int(at))) for at, task in zip(order, tasks, strict=True)]
    run_async(_all(stage, made))
    if made and all(one.events.get("failed") for one in made):
        raise GameError(f"every episode of {scene.name} failed: {made[0].error}")
    return made


def run_async(work: Any) -> Any:
    """Run a coroutine to its end, also where an event loop is running already (a notebook)."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


async def _all(stage: Stage, transcripts: list[Transcript]) -> None:
    episodes = [asyncio.ensure_future(episode(stage, one)) for one in transcripts]
    left = len(episodes)

    def ended(_: Any) -> None:
        nonlocal left
        left -= 1

    for one in episodes:
        one.add_done_callback(ended)
    server = asyncio.ensure_future(stage.serve(lambda: left > 0))
    try:
        await asyncio.gather(*episodes)
    finally:
        server.cancel()
        for one in episodes:
            one.cancel()


async def episode(stage: Stage, transcript: Transcript) -> None:
    """Run one workflow to whatever end; an episode that failed is counted and will teach nothing."""
    conversation = Conversation(stage, transcript, transcript.seed)
    try:
        work = stage.scene.workflow(conversation, transcript.task)
        outcome = await asyncio.wait_for(_awaitable(work), stage.limits.seconds)
        transcript.outcome = _checked(outcome, stage.scene.agents, transcript)
    except (Spent, TimeoutError):
        transcript.count("over_budget")
    except InputError:
        raise
    except Exception as wrong:
        transcript.count("failed")
        transcript.error = transcript.error or _where(wrong)
    transcript.events.pop("asked", None)


def _awaitable(work: Any) -> Awaitable[Any]:
    if not inspect.isawaitable(work):
        raise InputError("the workflow is not async: write `async def` and await what agents say")
    return work


def _checked(outcome: Any, agents: tuple[str, ...], transcript: Transcript) -> float | dict[str, float]:
    """The outcome as numbers; one that is none makes the episode a failed one."""
    values = outcome if isinstance(outcome, dict) else {"": outcome}
    numbers = {agent: float(value) for agent, value in values.items()}
    bonuses = [call.bonus for call in transcript.calls]
    paid = [amount for rewards in transcript.rounds for amount in rewards.values()]
    if not all(map(math.isfinite, (*numbers.values(), *bonuses, *paid))):
        transcript.count("rewards_not_finite")
        raise ValueError(f"the reward is {outcome}: return finite numbers")
    missing = [agent for agent in agents if agent not in numbers] if isinstance(outcome, dict) else []
    if missing:
        raise InputError(f"the workflow returned no reward for {missing[0]}: give one for each agent, or one number")
    return numbers if isinstance(outcome, dict) else numbers[""]


async def within(seconds: float, tool: Callable[..., Any], *arguments: Any) -> Any:
    """What a function returns, run beside the others; raises `TimeoutError` when it takes longer.

    A function that hangs keeps its thread, which does not keep the process.
    """
    loop = asyncio.get_running_loop()
    answer = loop.create_future()

    def settle(kind: str, value: Any) -> None:
        if not answer.done():
            getattr(answer, kind)(value)

    def work() -> None:
        try:
            kind, value = "set_result", tool(*arguments)
        except Exception as wrong:
            kind, value = "set_exception", wrong
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, kind, value)

    threading.Thread(target=work, daemon=True, name="tool").start()
    return await asyncio.wait_for(answer, seconds)


def _where(wrong: Exception) -> str:
    """What was raised, and the line of the workflow that it came from."""
    frames = wrong.__traceback__
    while frames is not None and frames.tb_next is not None:
        frames = frames.tb_next
    place = f" ({frames.tb_frame.f_code.co_name}, line {frames.tb_lineno})" if frames else ""
    return f"{type(wrong).__name__}: {' '.join(str(wrong).split())}{place}"


def _word(number: tuple[int, ...]) -> int:
    """One 64-bit key out of several numbers."""
    return int(np.random.SeedSequence(number).generate_state(1, np.uint64)[0])
