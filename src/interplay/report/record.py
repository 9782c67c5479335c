"""A run folder read for a page: everything worth showing, and what could not be read said in words.

A run may have been killed at any moment, so all but its settings may be missing or torn. Only a folder that is no run is
refused; every other fault (half a last line, an unreadable replay) becomes a sentence in `troubles`, and the page stands.
"""

import json
import math
import statistics
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from interplay.core.errors import InputError
from interplay.report import dialogues, figures
from interplay.report.metrics import STEPS_PER_SECOND
from interplay.report.replay import Replay, read_replays
from interplay.run import folder

Row = Mapping[str, Any]
Value = TypeVar("Value")
KILLED = "killed"  # the state of a run that calls itself running while no process holds its folder


@dataclass(frozen=True)
class Record:
    """One run as it lies on disk; `rows` are sorted by step, one for each seed and update."""

    path: Path
    settings: dict[str, Any]
    environment: dict[str, Any]
    status: dict[str, Any]
    state: str
    rows: list[Row]
    evaluation: dict[str, Any]
    replays: list[Replay]
    dialogues: list[dialogues.Record]
    figures: list[dict[str, Any]]
    troubles: list[str]

    @property
    def method(self) -> str:
        """The method's slug, such as `ippo`."""
        return str(self.settings["method"])

    @property
    def game(self) -> str:
        """The game's name as the user typed it, such as `spread`."""
        return str(self.settings["game"])

    @property
    def seeds(self) -> list[int]:
        """The seeds that logged at least one row."""
        return sorted({row["seed"] for row in self.rows})

    @property
    def steps(self) -> int:
        """Environment steps that the log reaches, per seed."""
        return max((row["step"] for row in self.rows), default=0)

    @property
    def seconds(self) -> float:
        """Wall seconds of training that the log reaches."""
        return max((finite(row.get("seconds")) or 0.0 for row in self.rows), default=0.0)

    @property
    def steps_per_second(self) -> float | None:
        """The run's own figure, or else the median of what the log shows."""
        rates = [row[STEPS_PER_SECOND] for row in self.rows if STEPS_PER_SECOND in row]
        return finite(self.status.get("steps_per_second")) or (statistics.median(rates) if rates else None)


def read(path: Path | str) -> Record:
    """Read a run folder, leaving out what is torn and saying so; raises `InputError` when the folder is no run."""
    run = folder.open_run(path)
    troubles: list[str] = []
    attempt = partial(_attempt, run.path, troubles)
    status = attempt(run.status, {})
    replays, refused = read_replays(run.replays)
    spoken, broken = dialogues.read_records(run.replays)
    killed = status.get("state") == "running" and not run.is_training()
    return Record(
        path=run.path,
        settings=run.settings,
        environment=attempt(lambda: run.environment, {}),
        status=status,
        state=KILLED if killed else str(status.get("state", "unknown")),
        rows=with_speed(latest(attempt(run.metrics, []))),
        evaluation=attempt(partial(_evaluation, run.path / "evaluation.json"), {}),
        replays=replays,
        dialogues=spoken,
        figures=attempt(partial(figures.read, run.figures_file), []),
        troubles=[*troubles, *torn_end(run.metrics_file), *refused, *broken],
    )


def latest(rows: Iterable[Row]) -> list[Row]:
    """The rows by step and seed; where a seed and update occur twice (a run resumed), the later word counts."""
    usable = (row for row in rows if isinstance(row.get("step"), int) and isinstance(row.get("seed"), int))
    kept = {(row["seed"], row.get("update", row["step"])): row for row in usable}
    return sorted(kept.values(), key=lambda row: (row["step"], row["seed"]))


def with_speed(rows: Iterable[Row]) -> list[Row]:
    """Add `steps_per_second` to every row that has a row of the same seed before it.

    The figure is (steps since the row before) × (seeds) / (seconds since the row before): seeds train side by side.
    """
    rows = list(rows)
    seeds = len({row["seed"] for row in rows})
    before: dict[int, Row] = {}
    result: list[Row] = []
    for row in rows:
        last = before.get(row["seed"], {})
        before[row["seed"]] = row
        result.append({**row, **_speed(last, row, seeds)})
    return result


def _speed(last: Row, row: Row, seeds: int) -> dict[str, float]:
    now, then = finite(row.get("seconds")), finite(last.get("seconds"))
    if now is None or then is None or now <= then:
        return {}
    return {STEPS_PER_SECOND: (row["step"] - last["step"]) * seeds / (now - then)}


def torn_end(path: Path) -> list[str]:
    """A sentence when the last line of the log was cut off."""
    try:
        with open(path, "rb") as file:
            file.seek(-1, 2)
            whole = file.read() == b"\n"
    except OSError:  # missing or empty: there is no line that could be torn
        return []
    return (
        []
        if whole
        else ["The last line of metrics.jsonl is torn (the run was stopped while writing it); it is left out."]
    )


def finite(value: Any) -> float | None:
    """The value as a float if it is a finite number, else None."""
    usable = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if usable else None


def _evaluation(path: Path) -> dict[str, Any]:
    """The last evaluation, `{}` if there was none; raises `InputError` when it is torn."""
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise InputError(f"{path.name} cannot be read as JSON: run `interplay evaluate` again") from error
    if not isinstance(value, dict) or not isinstance(value.get("return"), dict):
        raise InputError(f"{path.name} holds no return: run `interplay evaluate` again")
    return value


def _attempt(home: Path, troubles: list[str], reader: Callable[[], Value], otherwise: Value) -> Value:
    """Read, or note in words what could not be read; the place of the folder on this machine is left out of the words."""
    try:
        return reader()
    except InputError as error:
        troubles.append(f"{str(error).replace(f'{home}/', '')}.")
        return otherwise
