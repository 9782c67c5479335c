"""A model that says what a function tells it: demonstrations for a warm start, fixed opponents, tests."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from interplay.lm.constrain import walked
from interplay.lm.model import Codec, Completion, Request
from interplay.lm.scene import Script


@dataclass(frozen=True)
class Scripted:
    """Answers every request with `script(request, random)`, encoded by `codec`; log-probabilities are 0, it never doubts.

    The script's chance is that of the request, so the same episode is the same again.
    """

    codec: Codec
    script: Script

    async def complete(self, requests: Sequence[Request]) -> list[Completion]:
        return [self._answer(request) for request in requests]

    def _answer(self, request: Request) -> Completion:
        random = np.random.default_rng((request.noise * 2**32).astype(np.uint64).tolist())
        text = self.script(request, random)
        tokens = np.append(self.codec.encode(text), self.codec.end)
        legal = None if request.answers is None else walked(request.answers, tokens)
        return Completion(text, tokens, np.zeros(len(tokens), np.float32), legal=legal)


def always(text: str) -> Callable[..., str]:
    """A script that says the same whatever happens."""
    return lambda request, random: text
