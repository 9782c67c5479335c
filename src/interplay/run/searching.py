"""Searches over text that lose nothing: what was tried is on disk after every batch, and the same command goes on.

A search is a folder. `trials.jsonl` has a line for every candidate that was tried, in order; `search.json` says what was asked,
how many batches are done and what they cost, and is written last: lines of a batch that it does not know are dropped. Every
batch draws from a generator of its own, made of the seed and the batch's number, so that a search that was killed ends as one
that was not.
"""

import dataclasses
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

from interplay.core.budget import Budget
from interplay.core.errors import InputError
from interplay.methods.evolution import Evolution, Score, Searching, Tried
from interplay.run import folder, spread
from interplay.run.spread import Place
from interplay.text.genome import Genome
from interplay.text.trial import Allowance, Trial

STATE, TRIALS = "search.json", "trials.jsonl"
FORMAT = 1
STALLED = 20  # batches without a candidate after which a search ends: an endpoint is down, or there is nothing new
Watch = Callable[[Searching, float], None]
T = TypeVar("T")


class Kept(NamedTuple):
    """A search folder as read: what was asked, what was tried, what it cost, batches, what was lost and how it stands."""

    asked: dict[str, Any]
    tried: list[Tried]
    spent: Budget
    batches: int
    lost: dict[str, int]
    state: str


def run(
    search: Evolution, genomes: Sequence[Genome], path: Path, asked: dict[str, Any], allowed: Allowance, watch: Watch
) -> Searching:
    """Search until something of what is allowed is used up or nothing new comes; goes on where `path` holds the same search.

    `asked` is everything that makes two searches the same, its "seed" among it. `watch(state, share)` is called after every
    batch with the share of the budget that is spent. Raises `InputError` where `path` holds another search.
    """
    asked = json.loads(json.dumps(asked))
    path.mkdir(parents=True, exist_ok=True)
    with folder.lock(path):
        state = _continued(search, path, asked)
        if state is None:
            began = time.monotonic()
            (path / TRIALS).write_text("")
            state = search.init(genomes)
            state = _kept(path, asked, state, list(state.tried.values()), time.monotonic() - began)
        watch(state, allowed.share(state.spent))
        empty = 0
        while not allowed.used_up(state.spent) and empty < STALLED:
            began = time.monotonic()
            most = None if allowed.evaluations is None else allowed.evaluations - state.spent.evaluations
            state, tried = search.step(state, np.random.default_rng([asked["seed"], state.batch]), most)
            state = _kept(path, asked, state, tried, time.monotonic() - began)
            watch(state, allowed.share(state.spent))
            empty = 0 if tried else empty + 1
        _write_state(path, asked, state, "stalled" if empty else "done")
    return state


def read(path: Path) -> Kept:
    """What a search folder holds. Raises `InputError` where it is none."""
    try:
        about = json.loads((path / STATE).read_text())
        lines = (path / TRIALS).read_bytes().split(b"\n")
    except OSError:
        raise InputError(f"{path} is no search: give a folder that `interplay discover` wrote") from None
    except ValueError:
        raise InputError(f"{path / STATE} cannot be read: it is no JSON") from None
    rows = [json.loads(line) for line in lines[: about["trials"]]]
    tried = [Tried(Trial.from_json(row), row["place"], row["batch"], row.get("tokens", 0)) for row in rows]
    return Kept(about["asked"], tried, Budget(**about["spent"]), about["batches"], about["lost"], about["state"])


def _continued(search: Evolution, path: Path, asked: dict[str, Any]) -> Searching | None:
    if not (path / STATE).exists():
        return None
    kept = read(path)
    if kept.asked != asked:
        other = next(name for name in {**asked, **kept.asked} if asked.get(name) != kept.asked.get(name))
        raise InputError(f"{path} holds another search ({other} differs): give another --out, or the same settings")
    lines = (path / TRIALS).read_bytes().split(b"\n")[: len(kept.tried)]
    folder.write_atomic(path / TRIALS, b"".join(line + b"\n" for line in lines))
    return search.replay(kept.tried, kept.spent, kept.batches, kept.lost)


def _kept(path: Path, asked: dict[str, Any], state: Searching, tried: list[Tried], seconds: float) -> Searching:
    """Write down a batch: its lines first, then that it is done."""
    with (path / TRIALS).open("ab") as file:
        for each in tried:
            row = each.trial.as_json() | {"place": each.place, "batch": each.batch, "tokens": each.tokens}
            file.write(json.dumps(row, allow_nan=False).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
    state = state._replace(spent=state.spent.plus(Budget(seconds=seconds)))
    _write_state(path, asked, state, "running")
    return state


def _write_state(path: Path, asked: dict[str, Any], state: Searching, word: str) -> None:
    about = {"format": FORMAT, "state": word, "asked": asked, "batches": state.batch, "trials": len(state.tried)}
    about |= {"spent": state.spent._asdict(), "lost": dict(state.lost), "best": state.best.as_json()}
    folder.write_json_atomic(path / STATE, about)


@contextmanager
def processes(count: int, measure: Callable, place: Place = spread.processes) -> Iterator[Callable]:
    """`measure(game, texts, horizons)` shared out over processes; what it gives is the same for any number of them."""
    with place(count) as over:

        def shared(game: str, texts: Sequence[str], horizons: Sequence[int]) -> np.ndarray:
            return np.concatenate(over(measure, [(game, part, horizons) for part in parts(texts, count)]))

        yield shared


@contextmanager
def scored(place: Place, count: int, trials: Callable[..., list[dict[str, Any]]], *asked: Any) -> Iterator[Score]:
    """Genomes scored by workers of a place: `trials(*asked, bodies)` are the trials of genomes of such parts, as in JSON."""
    with place(count) as over:

        def score(genomes: Sequence[Genome]) -> list[Trial]:
            calls = [(*asked, [dict(one.parts) for one in part]) for part in parts(genomes, count)]
            rows = [row for part in (over(trials, calls) if calls else []) for row in part]
            return [
                dataclasses.replace(Trial.from_json(row), genome=one) for row, one in zip(rows, genomes, strict=True)
            ]

        yield score


def parts(items: Sequence[T], count: int) -> list[Sequence[T]]:
    """Items in order, in `count` parts of equal length or fewer.

    >>> parts("abcde", 2)
    ['abc', 'de']
    """
    share = max(-(-len(items) // count), 1)
    return [items[start : start + share] for start in range(0, len(items), share)]


def plain_settings(settings: Any) -> dict[str, Any]:
    """Settings as JSON has them."""
    return json.loads(json.dumps(dataclasses.asdict(settings)))
