"""Separate bases in one team: members whose models are of different size or make, each trained as ever.

A team says `router=tiny(width=32); searcher+answerer=smollm2`: who is named together shares a base and has members of its own
on it. Two known instances are a large answerer with small helpers, and two decoders of different width.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from interplay.core.errors import InputError
from interplay.core.names import nearest
from interplay.lm.model import Batch, Codec, Completion, Request, Trainable, Weights

NAMED = re.compile(r"\s*[\w-]+(\s*\+\s*[\w-]+)*\s*=")


class Placed:
    """A model that plays some members of a team; `numbers` says which of its own each of them is."""

    def __init__(self, model: Trainable, numbers: Mapping[int, int]):
        self.model, self.numbers = model, dict(numbers)
        self.fresh, self.named = model.fresh, model.named
        if hasattr(model, "cost"):
            self.cost = model.cost  # type: ignore[attr-defined]

    @property
    def codec(self) -> Codec:
        return self.model.codec

    async def complete(self, requests: Sequence[Request]) -> list[Completion]:
        return await self.model.complete([replace(one, member=self.numbers[one.member]) for one in requests])

    def load(self, member: int, weights: Weights) -> None:
        self.model.load(self.numbers[member], weights)

    def weights(self, member: int) -> Weights:
        return self.model.weights(self.numbers[member])

    def vector(self, member: int) -> Any:
        return self.model.vector(self.numbers[member])

    def slope(self, member: int) -> Any:
        return self.model.slope(self.numbers[member])

    def score(self, member: int, batch: Batch) -> tuple[Any, Any]:
        return self.model.score(self.numbers[member], batch)


class Base(NamedTuple):
    """What is written for one base: the model, and the agents that speak through members of it."""

    model: str
    agents: tuple[str, ...]


def written(text: str) -> bool:
    """Whether some text names models agent by agent.

    >>> written("tiny"), written("local:/models/a=b"), written("solver=tiny; checker=smollm2")
    (False, False, True)
    """
    return NAMED.match(text) is not None


def bases(text: str, agents: Sequence[str]) -> tuple[Base, ...]:
    """The bases of `AGENT[+AGENT]=MODEL; …`. Raises `InputError` where an agent is missing, unknown or named twice.

    >>> bases("solver=tiny(width=32); checker=tiny", ["solver", "checker"])[0]
    Base(model='tiny(width=32)', agents=('solver',))
    """
    found = []
    for part in filter(str.strip, text.split(";")):
        if not written(part):
            raise InputError(f"model '{part.strip()}' says not whose it is: write AGENT=MODEL; AGENT=MODEL")
        names, _, model = part.partition("=")
        found.append(Base(model.strip(), tuple(name.strip() for name in names.split("+"))))
    named = [agent for base in found for agent in base.agents]
    for agent in named:
        if agent not in agents:
            raise InputError(f"the team has no agent '{agent}': {nearest(agent, agents)}")
        if named.count(agent) > 1:
            raise InputError(f"agent '{agent}' has two models: name it once")
    missing = [agent for agent in agents if agent not in named]
    if missing:
        raise InputError(f"agent '{missing[0]}' has no model: add ; {missing[0]}=MODEL")
    return tuple(found)


def placed(model: Trainable, base: Base, agents: Sequence[str]) -> dict[int, Placed]:
    """The model of a base as every member of the team that it plays; members are numbered as agents are."""
    order = sorted(agents.index(agent) for agent in base.agents)
    one = Placed(model, {member: own for own, member in enumerate(order)})
    return dict.fromkeys(order, one)
