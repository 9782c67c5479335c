"""The one client of OpenAI-compatible endpoints, which the players of `lm.endpoint` and the proposers of program search share.

Everything that can go wrong with somebody else's server is an `Answer` with a failure in words, never an error: it is down or
slow, asks to wait, answers nonsense. Tokens, calls and money are counted from what the server says it used, and from the
length of the texts where it says nothing. Hosted services, vLLM and llama.cpp's server are known instances.
"""

import http.client
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from interplay.core.budget import Budget
from interplay.core.errors import InputError

LONGEST_ANSWER = 1 << 20  # bytes that are read of one answer
WAITING = (408, 409, 425, 429, 500, 502, 503, 504)  # statuses after which to ask again
NOTHING = "the model answered nothing"
LETTERS = 4  # of one token, where a server does not count
Message = dict[str, str]


@dataclass(frozen=True)
class Endpoint:
    """Where a model answers, and how patient to be with it."""

    url: str
    """The base, such as http://localhost:8000/v1"""
    model: str
    """The name that the server knows the model by"""
    key: str = ""
    """Sent as a bearer token where not empty; never written down"""
    seconds: float = 60.0
    """That one answer may take"""
    tries: int = 4
    """Times to ask before a question is given up"""
    longest_wait: float = 60.0
    """Seconds between two tries at most, whatever the server asks for"""
    temperature: float = 0.8
    """Of sampling"""
    most_tokens: int = 2000
    """Of one answer"""
    price_read: float = 0.0
    """Of a million tokens of questions"""
    price_written: float = 0.0
    """Of a million tokens of answers"""

    def __post_init__(self):
        if not self.url.startswith(("http://", "https://")):
            raise InputError(f"the endpoint '{self.url}' is no address: give one such as http://localhost:8000/v1")
        if not self.model:
            raise InputError("the endpoint needs the model's name: give --model")
        if self.seconds <= 0 or self.tries < 1:
            raise InputError("an endpoint needs seconds above 0 and 1 try or more")

    def __repr__(self) -> str:
        return f"Endpoint({self.url!r}, {self.model!r})"  # without the key


class Answer(NamedTuple):
    """What a model said, or why it said nothing; and what that cost."""

    text: str
    spent: Budget
    failure: str = ""
    finish: str = ""
    """The server's word for why it stopped, such as "stop" and "length\""""
    written: int = 0
    """Tokens of the answer; the others of `spent` were read"""


Ask = Callable[[Sequence[Message]], Answer]


def from_environment(url: str, model: str, **settings: Any) -> Endpoint:
    """The endpoint with the key of INTERPLAY_API_KEY or OPENAI_API_KEY, where one is set."""
    key = os.environ.get("INTERPLAY_API_KEY") or os.environ.get("OPENAI_API_KEY") or ""
    return Endpoint(url, model, key, **settings)


def ask(
    endpoint: Endpoint, messages: Sequence[Message], sleep: Callable[[float], None] = time.sleep, **sampling: Any
) -> Answer:
    """Ask for one completion of a chat, again where the server is busy or breaks off; `sleep` waits in between.

    `sampling` is what else to ask for: temperature, max_tokens, seed; by default the endpoint's own.
    """
    calls, failure = 0, ""
    for attempt in range(endpoint.tries):
        calls += 1
        found, failure, wait = _once(endpoint, messages, sampling)
        if found is not None or wait is None:
            break
        if attempt + 1 < endpoint.tries:
            sleep(min(endpoint.longest_wait, wait if wait > 0 else 2.0**attempt))
    text = found[0] if found else ""
    read, written = _tokens(messages, found)
    money = (read * endpoint.price_read + written * endpoint.price_written) / 1e6
    finish = found[2] if found else ""
    return Answer(text, Budget(calls=calls, tokens=read + written, money=money), failure, finish, written)


Found = tuple[str, dict[str, Any], str]  # what was said, what the server counted, why it stopped


def _once(
    endpoint: Endpoint, messages: Sequence[Message], sampling: dict[str, Any]
) -> tuple[Found | None, str, float | None]:
    """One try: (text and usage or None, what went wrong, seconds to wait before the next; 0: as usual; None: no next)."""
    body = {
        "model": endpoint.model,
        "messages": list(messages),
        "temperature": endpoint.temperature,
        "max_tokens": endpoint.most_tokens,
        **sampling,
    }
    headers = {"Content-Type": "application/json"} | (
        {"Authorization": f"Bearer {endpoint.key}"} if endpoint.key else {}
    )
    request = urllib.request.Request(
        endpoint.url.rstrip("/") + "/chat/completions", json.dumps(body).encode(), headers, method="POST"
    )
    try:
        with urllib.request.urlopen(request, timeout=endpoint.seconds) as response:
            raw = _read(response, time.monotonic() + endpoint.seconds)
    except urllib.error.HTTPError as wrong:
        waiting = _seconds(wrong.headers.get("Retry-After")) if wrong.code in WAITING else None
        return None, f"the endpoint answered with status {wrong.code}", waiting
    except TimeoutError:
        return None, f"the endpoint took longer than {endpoint.seconds:g} s", 0.0
    except (OSError, http.client.HTTPException) as wrong:
        slow = isinstance(getattr(wrong, "reason", None), TimeoutError)
        why = f"took longer than {endpoint.seconds:g} s" if slow else f"cannot be reached ({type(wrong).__name__})"
        return None, f"the endpoint {why}", 0.0
    return (*_understood(raw), None)


def _read(response: Any, deadline: float) -> bytes:
    """All of an answer, unless it trickles in for too long."""
    parts, size = [], 0
    while part := response.read1(1 << 16):
        parts.append(part)
        size += len(part)
        if size > LONGEST_ANSWER:
            break
        if time.monotonic() > deadline:
            raise TimeoutError
    if size <= LONGEST_ANSWER and getattr(response, "length", None):
        raise http.client.IncompleteRead(b"", response.length)  # it broke off
    return b"".join(parts)


def _understood(raw: bytes) -> tuple[Found | None, str]:
    if len(raw) > LONGEST_ANSWER:
        return None, f"the endpoint answered with more than {LONGEST_ANSWER:,} bytes"
    try:
        answer = json.loads(raw)
        choice = answer["choices"][0]
        text, finish = choice["message"]["content"], choice.get("finish_reason")
        usage = answer.get("usage") or {}
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        return None, "the endpoint answered with something that is no chat completion"
    if not isinstance(text, str) or not text.strip():
        return None, NOTHING
    return (text, usage if isinstance(usage, dict) else {}, str(finish)), ""


def _tokens(messages: Sequence[Message], found: Found | None) -> tuple[int, int]:
    """Tokens read and written: the server's count, else one for every few letters. A failed question counts as nothing."""
    if found is None:
        return 0, 0
    text, usage, _ = found
    counted = [usage.get("prompt_tokens"), usage.get("completion_tokens")]
    guessed = [sum(len(message["content"]) for message in messages) // LETTERS, len(text) // LETTERS]
    read, written = (
        int(count) if isinstance(count, int | float) and 0 <= count < 1e9 else guess
        for count, guess in zip(counted, guessed, strict=True)
    )
    return read, written


def _seconds(header: str | None) -> float:
    try:
        return max(0.0, float(header or 0))
    except ValueError:
        return 0.0


def scripted(answers: Sequence[str]) -> Ask:
    """A model that gives these answers one after the other, over and over; for tests and for trying a prompt out."""
    count = 0

    def answer(messages: Sequence[Message]) -> Answer:
        nonlocal count
        text = answers[count % len(answers)]
        count += 1
        return Answer(text, Budget(calls=1, tokens=sum(_tokens(messages, (text, {}, "")))))

    return answer
