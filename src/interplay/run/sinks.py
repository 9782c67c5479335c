"""A sink is anything with `write(rows)` and `close()`; a run may have several.

`JsonLines` is always there and is what reports are made from. TensorBoard, W&B, MLflow and Trackio are thin adapters:
the package is imported only when its sink is asked for, and reads its own keys from its own environment variables, so
no key passes through here. A tracker that fails while training is reported once and never stops the training.
"""

import contextlib
import importlib
import io
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from interplay.core.errors import InputError
from interplay.run import folder
from interplay.run.folder import Run

Row = dict[str, Any]
PROJECT = "interplay"


@runtime_checkable
class Sink(Protocol):
    """Takes rows of metrics as they come; a row holds step, seed and any other numbers."""

    def write(self, rows: list[Row]) -> None:
        """Take some rows, oldest first."""
        ...

    def close(self) -> None:
        """Finish; nothing is written after."""
        ...


class JsonLines:
    """Appends one JSON object a line; a number that is not finite becomes null.

    A torn last line of an earlier, killed writer is cut off on opening. Raises InputError if the disk refuses, and then
    the file ends with the last whole batch of rows.
    """

    def __init__(self, path: Path | str):
        self.path = Path(path)
        try:
            with contextlib.ExitStack() as stack:
                self._file = stack.enter_context(io.FileIO(self.path, "a+"))
                self._file.truncate(_whole(self._file))
                stack.pop_all()  # opened well: it stays open until close
        except OSError as error:
            raise InputError(folder.disk_line(error, path)) from error

    def write(self, rows: list[Row]) -> None:
        """Append rows; they have left this process when it returns."""
        data = memoryview("".join(json.dumps(folder.plain(row), allow_nan=False) + "\n" for row in rows).encode())
        size = os.fstat(self._file.fileno()).st_size
        try:
            while data:
                data = data[self._file.write(data) :]
        except OSError as error:
            with contextlib.suppress(OSError):
                self._file.truncate(size)
            raise InputError(folder.disk_line(error, self.path)) from error

    def sync(self) -> None:
        """Wait until the disk has every row; call it before a checkpoint is written."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Flush to the disk and close; closing twice is allowed."""
        if not self._file.closed:
            self.sync()
            self._file.close()


class TensorBoard:
    """Event files in `tensorboard/seed-K` of the run folder, one tag a metric, so that seeds lie over each other."""

    def __init__(self, run: Run):
        self._package = _load("tensorboardX")
        self._folder = run.path / "tensorboard"
        self._writers: dict[int, Any] = {}

    def write(self, rows: list[Row]) -> None:
        """Add every number of every row at its environment step."""
        for row in rows:
            writer = self._writer(row.get("seed", 0), row["step"])
            for name, value in _numbers(row).items():
                writer.add_scalar(name, value, row["step"])

    def close(self) -> None:
        """Close the event files."""
        for writer in self._writers.values():
            writer.close()

    def _writer(self, seed: int, step: int) -> Any:
        """One writer a seed; a resumed run hides what an earlier process wrote from here on."""
        if seed not in self._writers:
            name = str(self._folder / f"seed-{seed}")
            self._writers[seed] = self._package.SummaryWriter(name, purge_step=step, flush_secs=10)
        return self._writers[seed]


class WandB:
    """One W&B run a run folder; resuming the folder continues it. Offline, project and folder: WANDB_* variables."""

    def __init__(self, run: Run):
        package = _load("wandb")
        project = os.environ.get("WANDB_PROJECT", PROJECT)
        with _starting("wandb"):
            self._session = package.init(
                project=project, name=run.name, config=_config(run), id=_remembered(run, "wandb"), resume="allow"
            )
            _remember(run, "wandb", self._session.id)
        self._attempt = _Attempt("wandb")

    def write(self, rows: list[Row]) -> None:
        """Log one dict a step, with the seeds as `metric/seed-K`."""
        for step, metrics in by_step(rows):
            self._attempt(self._session.log, metrics, step=step)

    def close(self) -> None:
        """Finish the W&B run."""
        self._attempt(self._session.finish)


class MLflow:
    """One MLflow run a run folder, its settings as parameters; resuming the folder continues it."""

    def __init__(self, run: Run):
        self._package = _load("mlflow")
        with _starting("mlflow"):
            self._package.set_experiment(os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT))
            known = _remembered(run, "mlflow")
            if known:
                self._package.start_run(run_id=known)
            else:
                _remember(run, "mlflow", self._package.start_run(run_name=run.name).info.run_id)
                self._package.log_params(_config(run))
        self._attempt = _Attempt("mlflow")

    def write(self, rows: list[Row]) -> None:
        """Log one dict a step, with the seeds as `metric/seed-K`."""
        for step, metrics in by_step(rows):
            self._attempt(self._package.log_metrics, metrics, step=step)

    def close(self) -> None:
        """End the MLflow run."""
        self._attempt(self._package.end_run)


class Trackio:
    """One Trackio run of the folder's name; resuming the folder continues it."""

    def __init__(self, run: Run):
        self._package = _load("trackio")
        with _starting("trackio"):
            self._package.init(project=PROJECT, name=run.name, config=_config(run), resume="allow")
        self._attempt = _Attempt("trackio")

    def write(self, rows: list[Row]) -> None:
        """Log one dict a step, with the seeds as `metric/seed-K`."""
        for step, metrics in by_step(rows):
            self._attempt(self._package.log, metrics, step=step)

    def close(self) -> None:
        """Finish the Trackio run."""
        self._attempt(self._package.finish)


SINKS: dict[str, Callable[[Run], Sink]] = {
    "jsonl": lambda run: JsonLines(run.metrics_file),
    "tensorboard": TensorBoard,
    "wandb": WandB,
    "mlflow": MLflow,
    "trackio": Trackio,
}


def make(name: str, run: Run) -> Sink:
    """Start the sink a user named; raises InputError if there is none, its package is missing or it cannot start."""
    if name not in SINKS:
        raise InputError(f"there is no sink {name!r}: use {', '.join(SINKS)}")
    return SINKS[name](run)


def by_step(rows: list[Row]) -> Iterator[tuple[int, dict[str, float]]]:
    """Join the rows of all seeds at one step into one dict of `metric/seed-K`, for trackers with one axis of steps.

    >>> list(by_step([{"step": 8, "seed": 0, "return": 1.0}, {"step": 8, "seed": 1, "return": 2.0}]))
    [(8, {'return/seed-0': 1.0, 'return/seed-1': 2.0})]
    """
    steps: dict[int, dict[str, float]] = {}
    for row in rows:
        named = {f"{name}/seed-{row.get('seed', 0)}": value for name, value in _numbers(row).items()}
        steps.setdefault(int(row["step"]), {}).update(named)
    yield from sorted(steps.items())


class _Attempt:
    """Calls a tracker; what it prints goes to standard error, and its first failure is reported, without its keys."""

    def __init__(self, name: str):
        self._name = name
        self._failed = False

    def __call__(self, function: Callable[..., Any], *values: Any, **named: Any) -> None:
        try:
            with contextlib.redirect_stdout(sys.stderr):
                function(*values, **named)
        except Exception as error:
            if not self._failed:
                line = f"{self._name} does not take metrics ({_reason(error)}): training goes on, metrics.jsonl has all"
                print(line, file=sys.stderr)
            self._failed = True


@contextlib.contextmanager
def _starting(name: str) -> Iterator[None]:
    """Start a tracker: standard output stays ours, and a failure is one clear line that shows no key."""
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    except Exception as error:
        # No `from error`: a traceback could show what the line hides.
        raise InputError(
            f"{name} cannot start ({_reason(error)}): log in to it, or name the server that it asks for, or leave this sink out"
        ) from None


def _reason(error: Exception) -> str:
    first = str(error).strip().split("\n")[0]
    return folder.scrub(f"{type(error).__name__}: {first}")[:200]


def _load(package: str) -> Any:
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise InputError(f"this sink needs {package}: pip install 'interplay[sinks]'") from error


def _numbers(row: Row) -> dict[str, float]:
    """The finite numbers of a row, without its place."""
    plain = {name: folder.plain(value) for name, value in row.items() if name not in ("step", "seed")}
    return {name: float(value) for name, value in plain.items() if isinstance(value, (bool, int, float))}


def _config(run: Run) -> dict[str, Any]:
    """What was asked for, flat; a run folder holds no secrets, so neither does this."""
    top = {name: run.settings[name] for name in ("method", "game", "seeds", "seed", "steps")}
    return run.settings["settings"] | top


def _remembered(run: Run, name: str) -> str | None:
    with contextlib.suppress(OSError, ValueError, AttributeError):
        return json.loads((run.path / "sinks.json").read_bytes()).get(name)
    return None


def _remember(run: Run, name: str, identity: str) -> None:
    """Note a tracker's own name of this run, so that a resumed run goes on in the same place."""
    path = run.path / "sinks.json"
    known = json.loads(path.read_bytes()) if path.exists() else {}
    folder.write_json_atomic(path, known | {name: identity})


def _whole(file: Any) -> int:
    """Length of a file up to its last line end, read backwards in blocks."""
    end = file.seek(0, os.SEEK_END)
    while end > 0:
        start = max(end - 65536, 0)
        file.seek(start)
        place = file.read(end - start).rfind(b"\n")
        if place >= 0:
            return start + place + 1
        end = start
    return 0
