"""Solver discovery from beginning to end: search, report on games that were not searched on, and write the rule down."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from interplay.methods import discover, discover_psro
from interplay.methods.discover import Settings, Space
from interplay.methods.evolution import Propose, Searching
from interplay.run import folder, searching, spread
from interplay.run.spread import Place
from interplay.text import rules
from interplay.text.trial import Allowance, Trial
from interplay.update.archive import Acceptance

FOUND = "found.json"


class Kind(NamedTuple):
    """What kind of solver is searched for: its space and settings, the file that holds a find, and the command that runs it."""

    space: Space
    settings: type[Settings]
    file: str
    usage: str


KINDS = {
    "cfr": Kind(discover.SPACE, Settings, "best.rule", "interplay solve GAME --method {file}"),
    "psro": Kind(
        discover_psro.SPACE, discover_psro.Settings, "best.meta", "interplay solve GAME --method psro --meta {file}"
    ),
}


def run(
    kind: Kind,
    s: Settings,
    allowed: Allowance,
    path: Path,
    *,
    seed: int = 0,
    propose: Propose | None = None,
    proposer: str = "typed mutator",
    acceptance: Acceptance | None = None,
    workers: int = 1,
    place: Place = spread.processes,
    watch: Callable[[float, str], None] = lambda share, words: None,
) -> dict[str, Any]:
    """Search in the folder `path`, from where it is; returns and keeps what was found and how it does on held-out games."""
    asked = {"seed": seed, "proposer": proposer, "settings": searching.plain_settings(s)}

    def look(state: Searching, share: float) -> None:
        valid = sum(each.trial.valid for each in state.tried.values())
        watch(share, f"{valid:,} valid, best {state.best.score:.3f}")

    with searching.processes(workers, kind.space.measure, place) as measure:
        score = discover.scorer(kind.space, s, measure)
        search = discover.build(kind.space, s, propose=propose, acceptance=acceptance, score=score)
        state = searching.run(search, kind.space.started(s.start), path, asked, allowed, look)
        found = _told(kind, s, state, seed, proposer, path)
        found["held_out"] = compared(s, state, measure)
    found["held_out_gain"] = gain(s, found["held_out"]) if s.held_out else None
    folder.write_json_atomic(path / FOUND, found)
    return found


def _told(kind: Kind, s: Settings, state: Searching, seed: int, proposer: str, path: Path) -> dict[str, Any]:
    first, best = next(iter(state.tried.values())).trial, state.best
    valid = sum(each.trial.valid for each in state.tried.values())
    text = rules.listing(kind.space.read(best.genome.text), kind.space.slots)
    file = path / kind.file
    usage = kind.usage.format(file=file)
    head = f"# Found by a search of {len(state.tried):,} candidates (seed {seed}, {proposer}) from {s.start}: {usage}\n"
    folder.write_atomic(file, (head + text).encode())
    return {
        "evaluations": len(state.tried),
        "valid": valid,
        "spent": state.spent._asdict(),
        "per_minute": 60 * valid / max(state.spent.seconds, 1e-9),
        "lost": dict(state.lost),
        "proposer": proposer,
        "seed": seed,
        "start": {"name": s.start, "decades": first.metrics["decades"], "metrics": dict(first.metrics)},
        "best": {"hash": best.genome.hash, "decades": best.metrics["decades"], "metrics": dict(best.metrics)},
        "rule": text,
        "file": str(file),
        "usage": usage,
        "settings": dataclasses.asdict(s),
    }


def compared(s: Settings, state: Searching, measure: Callable) -> dict[str, Any]:
    """The best candidate beside the start on every held-out game: exploitabilities, and decades won on average."""
    first = next(iter(state.tried.values())).trial
    return held_out(s, {s.start: first, "found": state.best}, measure)


def held_out(s: Settings, trials: Mapping[str, Trial], measure: Callable) -> dict[str, Any]:
    """Exploitabilities of some candidates on the games that are not searched on, by game and name."""
    found = {}
    texts = [trial.genome.text for trial in trials.values()]
    for game in s.held_out:
        table = measure(game, texts, s.report)
        found[game] = {
            name: {str(at): _number(value) for at, value in zip(s.report, row, strict=True)}
            for name, row in zip(trials, table, strict=True)
        }
    return found


def gain(s: Settings, held: Mapping[str, Any], name: str = "found", over: str | None = None) -> float:
    """Decades that `name` is below `over` (the start), the mean over held-out games and horizons; a rule that broke has 0."""
    mean = lambda each: float(np.mean([_decades(s, rows[each].values()) for rows in held.values()]))
    return mean(name) - mean(s.start if over is None else over)


def _decades(s: Settings, values: Iterable[float | None]) -> float:
    exploitability = np.array([1.0 if value is None else value for value in values])
    return float(discover.decades(exploitability, s.floor).mean())


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
