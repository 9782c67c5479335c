"""A model behind a server that speaks the OpenAI protocol (vLLM, SGLang, llama.cpp): it plays, frozen, and is not trained.

Servers take words and give words, so nothing here has tokens. A server that is down, slow, rate-limited or drops the stream
is asked again a few times; an answer that never comes, or is nonsense, is one that failed (`Stop.FAILED`): the talk goes on and
counts it. Keys come from the environment and
are never shown, logged or stored.
"""

import asyncio
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from interplay.core.errors import InputError
from interplay.lm import client
from interplay.lm.model import Codec, Completion, Request, Stop
from interplay.lm.words import Words

KEY = "OPENAI_API_KEY"
STOPS = {"stop": Stop.END, "length": Stop.LIMIT}


@dataclass(frozen=True)
class Endpoint:
    """`url` up to and with /v1, and the model's name there; the key is the environment variable called `key`.

    `seconds` is for one try, `tries` how many there are, `side_by_side` how many requests are under way at once,
    `longest_wait` the seconds between two tries at most.

        >>> seat = Seat(Endpoint("http://localhost:8000/v1", "Qwen/Qwen3-4B"), trained=False)  # doctest: +SKIP
    """

    url: str
    name: str
    key: str = KEY
    seconds: float = 60.0
    tries: int = 3
    side_by_side: int = 32
    longest_wait: float = 60.0
    codec: Codec = field(default_factory=lambda: _Wordless())

    def __post_init__(self):
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

    def _asked(self, request: Request) -> Completion:
        """The answer, or why there is none."""
        there = client.Endpoint(self.url, self.name, os.environ.get(self.key, ""), self.seconds, self.tries)
        sleep = lambda seconds: time.sleep(min(seconds, self.longest_wait))
        seed = int(request.noise[0] * 2**31) if request.limit else 0
        sampling = {"max_tokens": request.limit, "temperature": request.temperature, "seed": seed}
        found = client.ask(there, _messages(request), sleep, **sampling)
        if found.failure:
            return Completion(
                "", stop=Stop.FAILED, error=f"{self.url}: {found.failure}, tried {found.spent.calls} times"
            )
        return Completion(found.text.strip(), stop=STOPS.get(found.finish, Stop.END))


def _messages(request: Request) -> list[client.Message]:
    """The request as a chat: the role is the system's, own messages the assistant's, all others the user's."""
    messages = [{"role": "system", "content": request.role}] if request.role else []
    for said in request.reads:
        own = said.author == request.agent
        messages.append({"role": "assistant" if own else "user", "content": said.text})
    return messages or [{"role": "user", "content": ""}]


class _Wordless(Words):
    """A codec without words: what an endpoint reads is never made tokens."""

    def __init__(self):
        super().__init__((), ())

    def encode(self, text: str):
        return super().encode("")

    def opening(self, agent: str, role: str):
        return super().encode("")
