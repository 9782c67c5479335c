"""What a language model is to us: tokens in, tokens out, and the log-probability of every token it chose.

A `Model` completes many requests at once and knows its `Codec`, the way between words and tokens. Two known instances are the
tiny decoder of our studies (`lm.tiny`) and a server that speaks the OpenAI protocol (`lm.endpoint`). Models that can be
trained also `score` given tokens; nothing that was generated is ever encoded again.
"""

import enum
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Int

Ids = Int[np.ndarray, "_"]
NO_IDS = np.zeros(0, np.int64)
NO_NUMBERS = np.zeros(0, np.float32)


class Stop(enum.Enum):
    """Why a message ended."""

    END = "end"
    """the model said that it is done"""
    LIMIT = "limit"
    """it reached the longest message allowed"""
    ROOM = "room"
    """what it had read and said filled its context"""
    BUDGET = "budget"
    """the episode had no calls or tokens left"""
    OUTSIDE = "outside"
    """it was none of the answers asked for, though asked again"""
    FAILED = "failed"
    """no answer came: the endpoint was down, too slow, or dropped the stream"""


@runtime_checkable
class Answers(Protocol):
    """Which tokens may come next: a walk over legal answers (`lm.constrain`)."""

    def begin(self) -> Any:
        """Where the walk starts."""
        ...

    def legal(self, place: Any) -> Ids:
        """Tokens that may follow at this place."""
        ...

    def after(self, place: Any, token: int) -> Any:
        """The place that `token` leads to."""
        ...


class Said(NamedTuple):
    """One message in what a model reads: who said it, and its words."""

    author: str
    text: str


@dataclass(frozen=True)
class Request:
    """One message asked of a model.

    `tokens` is all it reads, framed by the model's codec; `noise[i]` in [0, 1) settles the i-th token it draws, so that
    a request gives the same answer in whatever batch. `reads` and `choices` are the same context and legal answers in words,
    for models that take words.
    """

    agent: str
    tokens: Ids
    noise: Float[np.ndarray, "limit"]
    member: int = 0
    temperature: float = 1.0
    answers: Answers | None = None
    choices: tuple[str, ...] = ()
    reads: tuple[Said, ...] = ()
    role: str = ""
    task: Any = None

    @property
    def limit(self) -> int:
        """The longest answer allowed, in tokens."""
        return len(self.noise)


@dataclass(frozen=True)
class Completion:
    """What came of a request. `legal[i]` are the tokens that token i was drawn from, None where it was free.

    `read` and `written` are counts of tokens by a server that gives words only. `version` is the updates before the weights
    that gave it, where those are not the present ones.
    """

    text: str
    tokens: Int[np.ndarray, "token"] = field(default_factory=lambda: NO_IDS)
    log_probs: Float[np.ndarray, "token"] = field(default_factory=lambda: NO_NUMBERS)
    stop: Stop = Stop.END
    legal: tuple[Ids, ...] | None = None
    error: str = ""
    read: int = 0
    written: int = 0
    version: int | None = None

    @property
    def size(self) -> int:
        """How many tokens were said."""
        return len(self.tokens) or self.written


@runtime_checkable
class Codec(Protocol):
    """The way between words and tokens, and how messages are set in what an agent reads.

    What an agent reads is opening, then for each message `before`, its tokens and `after`, then `reply`. An agent's own
    message stands after `reply`, exactly where it was generated, so that a longer context continues a shorter one.
    """

    size: int
    end: int

    def encode(self, text: str) -> Ids:
        """Tokens of words that were given to us; never called on what a model of this codec generated."""
        ...

    def decode(self, tokens: Ids) -> str:
        """The words of some tokens, marks left out."""
        ...

    def opening(self, agent: str, role: str) -> Ids:
        """What stands before everything an agent reads."""
        ...

    def before(self, author: str) -> Ids:
        """What stands before a message of somebody else."""
        ...

    def after(self, ended: bool) -> Ids:
        """What stands behind a message; `ended` where the message holds its own end."""
        ...

    def reply(self, agent: str) -> Ids:
        """What stands before the agent's own words."""
        ...


@runtime_checkable
class Model(Protocol):
    """Whatever completes requests: weights in this process, a server, a script."""

    @property
    def codec(self) -> Codec:
        """The way between its words and tokens."""
        ...

    async def complete(self, requests: Sequence[Request]) -> list[Completion]:
        """An answer to each request, in their order. Failures are answers too (`Stop.FAILED`), never exceptions."""
        ...


Weights = dict[str, Float[np.ndarray, "..."]]


class Batch(NamedTuple):
    """Sequences to be judged, padded on the right, and the places in them that are the agent's own."""

    tokens: Int[np.ndarray, "row time"]
    place: Int[np.ndarray, "own"]
    """index in the flattened rows of the position that each own token is predicted from"""
    label: Int[np.ndarray, "own"]
    temperature: Float[np.ndarray, "own"]
    legal: Bool[np.ndarray, "own word"] | None = None
    """tokens that each was drawn from; None where all were free"""


@runtime_checkable
class Trainable(Model, Protocol):
    """A model whose members have weights that we may change. Torch tensors in and out of `score`, `slope` and `vector`."""

    def fresh(self, random: np.random.Generator) -> Weights:
        """The weights of a new member."""
        ...

    def load(self, member: int, weights: Weights) -> None:
        """Make a member of these weights."""
        ...

    def weights(self, member: int) -> Weights:
        """A copy of a member's weights."""
        ...

    def named(self, vector: Any) -> Weights:
        """A flat vector of all weights as named arrays, copied."""
        ...

    def vector(self, member: int) -> Any:
        """All weights of a member as one flat tensor; changing it changes the member."""
        ...

    def slope(self, member: int) -> Any:
        """The gradient that backward passes add to, as one flat tensor."""
        ...

    def score(self, member: int, batch: Batch) -> tuple[Any, Any]:
        """Log-probabilities of the own tokens and entropies of what they were drawn from, with gradients."""
        ...
