"""A model behind a server that speaks the OpenAI protocol (vLLM, SGLang, llama.cpp): it plays, frozen, and is not trained.

Servers take words and give words, so nothing here has tokens. A server that is down, slow, rate-limited or drops the stream
is asked again a few times; an answer that never comes, or is nonsense, is one that failed (`Stop.FAILED`): the talk goes on and
counts it. So does an answer that is none of those asked for (`Stop.OUTSIDE`), after asking as often. Keys come from the
environment and are never shown, logged or stored.
"""

import asyncio
import os
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from interplay.core.errors import InputError
from interplay.lm import client
from interplay.lm.chat import NOBODY
from interplay.lm.model import Codec, Completion, Request, Stop
from interplay.lm.words import Wordless

KEY = "OPENAI_API_KEY"
STOPS = {"stop": Stop.END, "length": Stop.LIMIT}


@dataclass(frozen=True)
class Endpoint:
    """`url` up to and with /v1, and the model's name there; the key is the environment variable called `key`.

    `seconds` is for one try, `tries` how many there are, `side_by_side` how many requests are under way at once,
    `longest_wait` the seconds between two tries at most; `roles` tell each agent its part where the workflow does not.

        >>> seat = Seat(Endpoint("http://localhost:8000/v1", "Qwen/Qwen3-4B"), trained=False)  # doctest: +SKIP
    """

    url: str
    name: str
    key: str = KEY
    seconds: float = 60.0
    tries: int = 3
    side_by_side: int = 32
    longest_wait: float = 60.0
    roles: Mapping[str, str] = field(default_factory=dict)
    codec: Codec = field(default_factory=Wordless)

    def __post_init__(self):
        if re.search(r"[@?]", self.url):
            raise InputError(
                f"the endpoint's address holds more than a place: set {self.key} to the key, and leave it out"
            )
        if not self.url.startswith(("http://", "https://")):
            raise InputError(f"the endpoint's address is '{self.url}': write http://HOST:PORT/v1")
        if self.tries < 1 or self.side_by_side < 1:
            raise InputError("an endpoint needs at least 1 try and 1 request at once")

    async def complete(self, requests: Sequence[Request]) -> list[Completion]:
        """An answer each, from as many threads as requests may be under way."""
        gate = asyncio.Semaphore(self.side_by_side)

        async def one(request: Request) -> Completion:
            async with gate:
                return await asyncio.to_thread(self._asked, request)

        return list(await asyncio.gather(*map(one, requests)))

    def trouble(self) -> str:
        """Why no answer would come, in words; empty where one would. Asks for a few tokens."""
        greeting = [{"role": "user", "content": "Say ok."}]
        found = client.ask(self._there(), greeting, self._wait, max_tokens=16, temperature=0.0)
        return "" if found.failure in ("", client.NOTHING) else f"{self.url}: {found.failure}"

    def _there(self) -> client.Endpoint:
        return client.Endpoint(self.url, self.name, os.environ.get(self.key, ""), self.seconds, self.tries)

    def _wait(self, seconds: float) -> None:
        time.sleep(min(seconds, self.longest_wait))

    def _asked(self, request: Request) -> Completion:
        """The answer, or why there is none; asked again where it is none of the choices."""
        seed = int(request.noise[0] * 2**31) if request.limit else 0
        messages, text, read, written = _messages(request, self.roles), "", 0, 0
        for attempt in range(self.tries):
            sampling = {"max_tokens": request.limit, "temperature": request.temperature, "seed": seed + attempt}
            found = client.ask(self._there(), messages, self._wait, **sampling)
            read, written = read + int(found.spent.tokens) - found.written, written + found.written
            if found.failure:
                error = f"{self.url}: {found.failure}, tried {found.spent.calls} times"
                return Completion("", stop=Stop.FAILED, error=error, read=read, written=written)
            text = found.text.strip()
            meant = among(text, request.choices) if request.choices else text
            if meant is not None:
                stop = Stop.END if request.choices else STOPS.get(found.finish, Stop.END)
                return Completion(meant, stop=stop, read=read, written=written)
        return Completion(text, stop=Stop.OUTSIDE, read=read, written=written)


def among(text: str, choices: Sequence[str]) -> str | None:
    """The choice that a text is, or the only one that it names; None where there is no such one.

    >>> among("I say: **Yes**.", ["yes", "no"]), among("yes or no?", ["yes", "no"])
    ('yes', None)
    """
    plain = text.casefold().strip(" \t\n.,:;!?*'\"`()")
    said = [choice for choice in choices if choice.casefold() == plain]
    named = [choice for choice in choices if re.search(rf"(?<!\w){re.escape(choice.casefold())}(?!\w)", plain)]
    return said[0] if said else named[0] if len(named) == 1 else None


def _messages(request: Request, roles: Mapping[str, str]) -> list[client.Message]:
    """The request as a chat: the role is the system's, own messages the assistant's, all others the user's, by name.

    Neighbors of one kind are one message, because templates of many models want the two to take turns.
    """
    told = request.role or roles.get(request.agent, "")
    said = [("system", told)] if told else []
    for one in request.reads:
        own, nameless = one.author == request.agent, one.author in NOBODY
        said.append(("assistant" if own else "user", one.text if own or nameless else f"{one.author}: {one.text}"))
    if request.choices:
        said.append(("user", f"Answer with exactly one of: {', '.join(request.choices)}."))
    if not said or said[-1][0] != "user":
        said.append(("user", "Go on." if request.reads else "Begin."))
    messages: list[client.Message] = []
    for kind, text in said:
        if messages and messages[-1]["role"] == kind:
            messages[-1]["content"] += f"\n{text}"
        else:
            messages.append({"role": kind, "content": text})
    return messages
