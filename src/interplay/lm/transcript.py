"""What was said in one episode: every message stored once, with its tokens; everything else is read from that.

A call is a message and the messages it was made from. Its *path* is the exact sequence of tokens that the model read and
wrote, put together from stored tokens; later calls of an agent that continue an earlier one are one path with several turns
of its own. `turns` gives the arrays that `credit/` reads; paths are what `lm.update` learns from. Generated text is never
encoded again for the model that generated it.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from interplay.lm.model import Codec, Completion, Ids, Said, Stop

WORLD = "world"  # who says what no agent said


@dataclass
class Message:
    """Something said, by an agent or by the world. `tokens` are those of `codec`, where a model generated them."""

    number: int
    author: str
    text: str
    codec: Codec | None = None
    completion: Completion | None = None
    encoded: dict[int, Ids] = field(default_factory=dict, repr=False)

    @property
    def stop(self) -> Stop:
        """Why it ended."""
        return self.completion.stop if self.completion else Stop.END

    def tokens(self, codec: Codec) -> Ids:
        """Its tokens for a model of `codec`: those generated, or its words encoded once for each other codec."""
        if self.codec is codec and self.completion is not None:
            return self.completion.tokens
        if id(codec) not in self.encoded:
            self.encoded[id(codec)] = codec.encode(self.text)
        return self.encoded[id(codec)]

    def ended(self, codec: Codec) -> bool:
        """Whether its tokens hold their own end."""
        tokens = self.tokens(codec)
        return len(tokens) > 0 and int(tokens[-1]) == codec.end


@dataclass
class Call:
    """One turn: `agent`, having read `context`, said `message`. `invocation` numbers nested teams, 0 the outermost.

    `round` counts the rounds that were paid before it, of a game whose workflow pays by the round.
    """

    agent: str
    message: Message
    context: tuple[Message, ...]
    codec: Codec
    role: str = ""
    member: int = 0
    trained: bool = True
    version: int = 0
    temperature: float = 1.0
    invocation: int = 0
    bonus: float = 0.0
    round: int = 0

    def continues(self, earlier: "Call") -> bool:
        """Whether what was read here begins with what was read and said in `earlier`."""
        size = len(earlier.context)
        same = (self.agent, self.member, self.role) == (earlier.agent, earlier.member, earlier.role)
        return same and self.context[: size + 1] == (*earlier.context, earlier.message)


class Path(NamedTuple):
    """A sequence of tokens as a model read and wrote it; arrays are "token" unless said otherwise."""

    tokens: Int[np.ndarray, "token"]
    own: Bool[np.ndarray, "token"]
    turn: Int[np.ndarray, "token"]
    """index in the transcript of the call that wrote the token; −1 where none of this path did"""
    log_prob: Float[np.ndarray, "token"]
    """the sampler's, 0 where it did not write"""
    legal: tuple[Ids | None, ...]
    agent: str
    member: int
    temperature: float
    version: Int[np.ndarray, "token"] | None = None
    """updates before the weights that wrote the token; −1 where none of this path did"""


@dataclass
class Transcript:
    """One episode. `outcome` is a reward for all, or one per agent; `events` counts what went wrong.

    `rounds` are the agents' rewards of each round of a repeated game, of which the outcome is the sum.
    """

    task: Any
    calls: list[Call] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    outcome: float | dict[str, float] = 0.0
    events: dict[str, int] = field(default_factory=dict)
    error: str = ""
    rounds: list[dict[str, float]] = field(default_factory=list)
    seed: tuple[int, ...] = ()
    """what its chance is made from"""

    def add(self, author: str, text: str, codec: Codec | None = None, completion: Completion | None = None) -> Message:
        """Store a message."""
        message = Message(len(self.messages), author, text, codec, completion)
        self.messages.append(message)
        return message

    def count(self, event: str, amount: int = 1) -> None:
        """Note that something happened."""
        self.events[event] = self.events.get(event, 0) + amount

    def reward(self, call: Call) -> float:
        """What the call is credited with: the outcome for its agent and what it earned by itself."""
        return self.earned(call.agent) + call.bonus

    def earned(self, agent: str) -> float:
        """An agent's part of the outcome."""
        return float(self.outcome[agent] if isinstance(self.outcome, dict) else self.outcome)

    def paid(self, call: Call) -> float:
        """What the call's agent got for the round that the call belongs to.

        0 where that round was never paid; where none ever is, the episode is one round, which pays the call's reward.
        """
        if not self.rounds:
            return self.reward(call)
        return self.rounds[call.round][call.agent] if call.round < len(self.rounds) else 0.0

    def path(self, *turns: int) -> Path:
        """The tokens of the last of these calls, in which the words of all of them are the agent's own.

        Raises `ValueError` where a call does not continue the one before it.
        """
        return _path(self, turns)

    def chains(self) -> list[tuple[int, ...]]:
        """The calls, joined where one continues another: each tuple is one path."""
        chains: list[tuple[int, ...]] = []
        for index, call in enumerate(self.calls):
            place = next((n for n, chain in enumerate(chains) if call.continues(self.calls[chain[-1]])), None)
            if place is None:
                chains.append((index,))
            else:
                chains[place] = (*chains[place], index)
        return chains


def reading(codec: Codec, agent: str, role: str, context: Sequence[Message]) -> Ids:
    """All that `agent` reads before it speaks, from its opening to the mark that it is its turn."""
    parts = [codec.opening(agent, role)]
    for message in context:
        own = message.author == agent
        parts.append(codec.reply(agent) if own else codec.before(message.author))
        parts += [message.tokens(codec), codec.after(message.ended(codec))]
    return np.concatenate([*parts, codec.reply(agent)])


def words(context: Sequence[Message]) -> tuple[Said, ...]:
    """The same in words."""
    return tuple(Said(message.author, message.text) for message in context)


def _path(transcript: Transcript, turns: Sequence[int]) -> Path:
    calls = [transcript.calls[turn] for turn in turns]
    for earlier, later in itertools.pairwise(calls):
        if not later.continues(earlier):
            raise ValueError(f"a call of {later.agent} does not continue the one before it: give calls of one chain")
    last = calls[-1]
    read = reading(last.codec, last.agent, last.role, last.context)
    said = last.message.tokens(last.codec)
    tokens = np.concatenate([read, said])
    own, turn = np.zeros(len(tokens), bool), np.full(len(tokens), -1)
    log_prob, legal = np.zeros(len(tokens), np.float32), list[Ids | None]([None] * len(tokens))
    version = np.full(len(tokens), -1)
    for index, call in zip(turns, calls, strict=True):
        begin = len(reading(call.codec, call.agent, call.role, call.context))
        completion = call.message.completion
        assert completion is not None
        span = slice(begin, begin + len(completion.tokens))
        own[span], turn[span], log_prob[span], version[span] = True, index, completion.log_probs, call.version
        legal[span] = completion.legal or [None] * len(completion.tokens)
    return Path(tokens, own, turn, log_prob, tuple(legal), last.agent, last.member, last.temperature, version)


class Turns(NamedTuple):
    """Every turn of several episodes as arrays "turn": what `credit/` reads."""

    task: Int[np.ndarray, "turn"]
    episode: Int[np.ndarray, "turn"]
    agent: Int[np.ndarray, "turn"]
    """index among the team's agents"""
    index: Int[np.ndarray, "turn"]
    """place among the calls of its episode"""
    invocation: Int[np.ndarray, "turn"]
    reward: Float[np.ndarray, "turn"]
    version: Int[np.ndarray, "turn"]
    trained: Bool[np.ndarray, "turn"]
    round: Int[np.ndarray, "turn"]
    """which round of a repeated game it belongs to, from 0 up"""
    paid: Float[np.ndarray, "turn"]
    """what its agent got for that round"""
    noise: Float[np.ndarray, "turn"]
    """a number in [0, 1) by the chance of its episode, for credit that draws among turns"""


def turns(transcripts: Sequence[Transcript], task: Int[np.ndarray, "episode"], agents: Sequence[str]) -> Turns:
    """The turns of all episodes, in order; `task[i]` says which task episode i was an attempt at."""
    rows = [(task[i], i, index, call, one) for i, one in enumerate(transcripts) for index, call in enumerate(one.calls)]
    number = {agent: place for place, agent in enumerate(agents)}
    column = lambda value, kind: np.array([value(*row) for row in rows], kind)
    return Turns(
        column(lambda task, *_: task, np.int64),
        column(lambda task, episode, *_: episode, np.int64),
        column(lambda task, episode, index, call, one: number[call.agent], np.int64),
        column(lambda task, episode, index, *_: index, np.int64),
        column(lambda task, episode, index, call, one: call.invocation, np.int64),
        column(lambda task, episode, index, call, one: one.reward(call), np.float64),
        column(lambda task, episode, index, call, one: call.version, np.int64),
        column(lambda task, episode, index, call, one: call.trained, bool),
        column(lambda task, episode, index, call, one: call.round, np.int64),
        column(lambda task, episode, index, call, one: one.paid(call), np.float64),
        np.concatenate([np.zeros(0), *map(_noise, transcripts)]),
    )


def _noise(transcript: Transcript) -> Float[np.ndarray, "turn"]:
    return np.random.default_rng([*transcript.seed, 2]).random(len(transcript.calls))


Chains = Callable[[Transcript], list[tuple[int, ...]]]


def each_call(transcript: Transcript) -> list[tuple[int, ...]]:
    """Every call is a sequence of its own: one row an invocation."""
    return [(index,) for index in range(len(transcript.calls))]


def joined(transcript: Transcript) -> list[tuple[int, ...]]:
    """Calls that continue one another are one sequence with several turns."""
    return transcript.chains()


def shown(transcript: Transcript, worth: Float[np.ndarray, "turn"], group: int) -> dict[str, Any]:
    """One episode to be read: everything said, in order, with the reward and the advantage of what agents said."""
    calls = {call.message.number: (index, call) for index, call in enumerate(transcript.calls)}
    said = []
    for message in transcript.messages:
        entry: dict[str, Any] = {"author": message.author, "text": message.text}
        if message.number in calls:
            index, call = calls[message.number]
            entry |= {"reward": transcript.reward(call), "advantage": float(worth[index]), "stop": message.stop.value}
        said.append(entry)
    outcome = transcript.outcome
    total = float(np.mean(list(outcome.values()))) if isinstance(outcome, dict) else float(outcome)
    events = {name: count for name, count in transcript.events.items() if name not in ("tokens",) and count}
    return {"task": str(transcript.task), "group": group, "return": total, "messages": said, "events": events}
