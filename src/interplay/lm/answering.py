"""A model in this process as something to ask: messages go in and an answer comes out, as from an endpoint (`lm.client`).

Searches over text ask models for changes and for roles, and do not know who answers. The packaged SmolLM2-135M-Instruct and a
folder of one's own are the known uses. A model of this size writes next to nothing that can be used: its bad answers are told
back and counted like those of a bad endpoint, and the search goes on.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from interplay.core.budget import Budget
from interplay.core.errors import InputError
from interplay.lm.client import NOTHING, Answer, Ask, Message
from interplay.lm.model import Completion, Model, Request, Stop
from interplay.lm.play import run_async
from interplay.lm.transcript import Transcript, reading, words

SELF, WORLD = "model", "world"
LONGEST, TEMPERATURE = 200, 0.8  # tokens of an answer; blocks of changes are short


def asker(model: Model, *, seed: int = 0, longest: int = LONGEST, temperature: float = TEMPERATURE) -> Ask:
    """Ask a model for one answer after the other.

    What it draws follows from the seed, the messages, and how often it was asked the same before, so that a search of one go
    repeats. What it costs is counted in its own tokens.

    >>> from interplay.lm.scripted import Scripted, always
    >>> from interplay.lm.words import Words
    >>> ask = asker(Scripted(Words(["yes"], [SELF]), always("yes")))
    >>> ask([{"role": "user", "content": "Well?"}]).text
    'yes'
    """
    before: Counter[int] = Counter()

    def ask(messages: Sequence[Message]) -> Answer:
        question = int.from_bytes(hashlib.sha256(json.dumps(list(messages)).encode()).digest()[:8])
        noise = np.random.default_rng([seed, question, before[question]]).random(longest)
        before[question] += 1
        request = requested(model, messages, noise, temperature)
        (one,) = run_async(model.complete([request]))
        spent = Budget(calls=1, tokens=len(request.tokens) + one.size)
        finish = "stop" if one.stop is Stop.END else "length"
        return Answer(one.text, spent, _failure(one), finish, one.size)

    return ask


def requested(model: Model, messages: Sequence[Message], noise: np.ndarray, temperature: float) -> Request:
    """Messages of a chat as a model reads them; the first may be for the system."""
    role = messages[0]["content"] if messages[0]["role"] == "system" else ""
    talk = Transcript("")
    said = tuple(
        talk.add(SELF if message["role"] == "assistant" else WORLD, message["content"])
        for message in messages[1 if role else 0 :]
    )
    tokens = reading(model.codec, SELF, role, said)
    return Request(SELF, tokens, noise, temperature=temperature, reads=words(said), role=role)


def _failure(one: Completion) -> str:
    if one.stop is Stop.FAILED:
        return one.error or "the model failed"
    if one.stop is Stop.ROOM and not one.size:
        return "the question fills the model's context"
    return "" if one.text.strip() else NOTHING


def _packaged(place: str) -> Path | str:
    from interplay.lm import smollm

    return smollm.folder()


FOLDERS: Mapping[str, Callable[[str], Path | str]] = {"smollm2": _packaged, "local": lambda place: place}


def named(name: str, seed: int = 0, longest: int = LONGEST) -> Ask:
    """Ask smollm2, the packaged model, or local:FOLDER, any causal language model in a folder.

    Raises `InputError` for other names, a folder that holds no model, and where a package is missing.
    """
    kind, _, place = name.partition(":")
    if kind not in FOLDERS or bool(place) != (kind == "local"):
        raise InputError(
            f"no model '{name}' runs here: use smollm2 or local:FOLDER, or give --endpoint, where it answers"
        )
    from interplay.lm.local import Local, loaded

    model = Local(*loaded(FOLDERS[kind](place)))
    model.load(0, model.fresh(np.random.default_rng(0)))  # adapters that add nothing: the base as it is
    return asker(model, seed=seed, longest=longest)
