"""A model behind a server that speaks the OpenAI protocol (vLLM, SGLang, llama.cpp): it plays, frozen, and is not trained.

Servers take words and give words, so nothing here has tokens. A server that is down, slow, rate-limited or drops the stream
is an answer that failed (`Stop.FAILED`) after a few tries; the talk goes on and counts it. Keys come from the environment and
are never shown, logged or stored.
"""

import asyncio
import http.client
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from interplay.core.errors import InputError
from interplay.lm.model import Codec, Completion, Request, Stop
from interplay.lm.words import Words

AGAIN = (408, 409, 425, 429, 500, 502, 503, 504)  # what a server may get over
KEY = "OPENAI_API_KEY"
STOPS = {"stop": Stop.END, "length": Stop.LIMIT}


@dataclass(frozen=True)
class Endpoint:
    """`url` up to and with /v1, and the model's name there; the key is the environment variable called `key`.

    `seconds` is for one try, `tries` how many there are, `side_by_side` how many requests are under way at once.

        >>> seat = Seat(Endpoint("http://localhost:8000/v1", "Qwen/Qwen3-4B"), trained=False)  # doctest: +SKIP
    """

    url: str
    name: str
    key: str = KEY
    seconds: float = 60.0
    tries: int = 3
    side_by_side: int = 32
    wait: float = 0.5
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
        """The first answer that comes, or why none did."""
        trouble = ""
        for attempt in range(self.tries):
            if attempt:
                time.sleep(self.wait * 2 ** (attempt - 1))
            try:
                return _read(self._post(_body(self.name, request)))
            except urllib.error.HTTPError as wrong:
                trouble = f"status {wrong.code}"
                wrong.close()
                if wrong.code not in AGAIN:
                    break
            except (OSError, http.client.HTTPException, ValueError, KeyError, IndexError, TypeError) as wrong:
                trouble = type(wrong).__name__
        return Completion("", stop=Stop.FAILED, error=f"{self.url}: {trouble} after {attempt + 1} tries")

    def _post(self, body: dict[str, Any]) -> dict[str, Any]:
        headers = {"Content-Type": "application/json"}
        if key := os.environ.get(self.key):
            headers["Authorization"] = f"Bearer {key}"
        address = f"{self.url.rstrip('/')}/chat/completions"
        asked = urllib.request.Request(address, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(asked, timeout=self.seconds) as answer:
            return json.loads(answer.read())


def _body(name: str, request: Request) -> dict[str, Any]:
    """The request as chat messages: the role is the system's, own messages the assistant's, all others the user's."""
    messages = [{"role": "system", "content": request.role}] if request.role else []
    for said in request.reads:
        own = said.author == request.agent
        messages.append({"role": "assistant" if own else "user", "content": said.text})
    seed = int(request.noise[0] * 2**31) if request.limit else 0
    return {
        "model": name,
        "messages": messages or [{"role": "user", "content": ""}],
        "max_tokens": request.limit,
        "temperature": request.temperature,
        "seed": seed,
    }


def _read(answer: dict[str, Any]) -> Completion:
    choice = answer["choices"][0]
    text = choice["message"]["content"] or ""
    return Completion(str(text).strip(), stop=STOPS.get(choice.get("finish_reason"), Stop.END))


class _Wordless(Words):
    """A codec without words: what an endpoint reads is never made tokens."""

    def __init__(self):
        super().__init__((), ())

    def encode(self, text: str):
        return super().encode("")

    def opening(self, agent: str, role: str):
        return super().encode("")
