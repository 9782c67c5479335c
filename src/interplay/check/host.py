"""What every game in Python must do: the same as pure games, with seeds for keys and one episode at a time."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import numpy as np

from interplay.check.record import LONGEST, NO_SAY, fields, judged, picture
from interplay.check.words import differing, guarded, listed, plain
from interplay.core.game import Discrete, HostGame, Spec, TimeStep

REPLAYED = 50  # steps that are played again


def answers(game: HostGame, seeds: int) -> Iterator[str]:
    """Shapes and kinds of one reset and one step."""

    def reset():
        yield from fields(game.spec, game.reset(0), "reset", exact=False)

    def step():
        action = _legal(game.spec, _copied(game.reset(0)), np.random.default_rng(0))
        yield from fields(game.spec, game.step(action), "step", exact=False)

    yield from list(guarded("reset", reset)) or guarded("step", step)


def episodes(game: HostGame, seeds: int) -> Iterator[str]:
    """Whole episodes at random, and the first steps of each again: as they were, and with other idle actions."""

    def look():
        for seed in range(seeds):
            steps, actions = played(game, seed, min(game.spec.horizon, LONGEST))
            yield from judged(game.spec, *_record(steps))
            short, first = actions[:REPLAYED], steps[: REPLAYED + 1]
            idle = [
                _idle(game.spec, seen, action, t) for t, (seen, action) in enumerate(zip(first, short, strict=False))
            ]
            if changed := differing(first, played(game, seed, len(short), short)[0]):
                yield f"the same seed and actions give another episode ({listed(changed)} differ): seed all in reset"
            elif differing(first, played(game, seed, len(short), idle)[0]):
                yield NO_SAY

    yield from guarded("playing", look)


def drawn(game: HostGame, seeds: int) -> Iterator[str]:
    """The opening state as SVG."""
    game.reset(0)
    yield from guarded("draw", lambda: picture(game.draw))


def played(game: HostGame, seed: int, length: int, actions: Sequence[np.ndarray] = ()):
    """What is seen, from the opening to the end of the episode or `length`, and what was done (legal by default)."""
    steps, done, draw = [_copied(game.reset(seed))], [], np.random.default_rng(seed)
    while len(done) < length and not (done and (steps[-1].terminated or steps[-1].truncated)):
        done.append(actions[len(done)] if actions else _legal(game.spec, steps[-1], draw))
        steps.append(_copied(game.step(done[-1].copy())))
    return steps, done


def _record(steps: list[TimeStep]) -> tuple[TimeStep, TimeStep]:
    """Opening and rows with a batch axis of one, as `judged` wants them."""
    rows = jax.tree.map(lambda *leaves: np.stack(leaves)[None], *steps[1:])
    return jax.tree.map(lambda leaf: leaf[None], steps[0]), rows


def _copied(seen: TimeStep) -> TimeStep:
    """A copy: games may write into the arrays that they handed out."""
    copies: dict[str, Any] = {
        field.name: plain(getattr(seen, field.name)).copy() for field in dataclasses.fields(TimeStep)
    }
    return TimeStep(**copies)


def _legal(spec: Spec, seen: TimeStep, draw: np.random.Generator) -> np.ndarray:
    if isinstance(spec.action, Discrete):
        chance = np.where(seen.legal, draw.random(seen.legal.shape), -1.0)
        return chance.argmax(1).astype(np.int32)
    return np.where(seen.legal, draw.uniform(spec.action.low, spec.action.high, seen.legal.shape), 0).astype(np.float32)


def _idle(spec: Spec, seen: TimeStep, action: np.ndarray, seed: int) -> np.ndarray:
    """`action` with other numbers for whoever has no say."""
    draw = np.random.default_rng(seed)
    if isinstance(spec.action, Discrete):
        return np.where(seen.active, action, draw.integers(0, spec.action.count, action.shape)).astype(action.dtype)
    heard = seen.active[:, None] & seen.legal
    return np.where(heard, action, draw.uniform(-1, 1, action.shape)).astype(action.dtype)
