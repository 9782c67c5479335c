"""The only loop. It runs any `Method`: advance, look, log, save; stop when steps are spent, when asked, or at nonsense.

Games, learning rules and devices are somebody else's business: the loop knows `init`, `step` and `team` through a
`Layout`, and a run folder to write into. Training a team and resuming one are the same call.
"""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import equinox as eqx
import jax
import numpy as np

from interplay.core.errors import DivergenceError, GameError, InputError, StoppedError
from interplay.run import sinks, state
from interplay.run.devices import CHUNK, Layout
from interplay.run.folder import Run

WORTH = 9.0  # times as long as a look or a checkpoint takes, at least, there is none
MAY_BE_MISSING = ("return", "length")  # no episode ended in this update
Row = dict[str, Any]
Watcher = Callable[[list[Row], "Progress"], None]


@dataclass
class Progress:
    """How far a run is. `seconds` is time spent training, earlier sittings included; compiling is counted apart."""

    update: int = 0
    updates: int = 0
    seconds: float = 0.0
    compile_seconds: float = 0.0
    steps: int = 0
    notes: list[dict[str, Any]] = field(default_factory=list)
    interrupted: bool = False

    @property
    def steps_per_second(self) -> float:
        return self.steps / self.seconds if self.seconds else 0.0


@dataclass(frozen=True)
class Pace:
    """How often the loop looks up: seconds between logs, seconds between checkpoints (0: one after every look), and how many
    checkpoints stay."""

    look: float = 0.25
    save: float = 30.0
    keep: int = 3


def train(layout: Layout, run: Run, steps: int, *, watch: Watcher, pace: Pace = Pace(), extra: tuple[str, ...] = ()):
    """Train until every seed has taken `steps` environment steps, from the newest good checkpoint of `run` if any.

    Returns the final states and the `Progress`. `extra` names further sinks besides metrics.jsonl. Ctrl-C and SIGTERM
    end the run after the update at hand, with a checkpoint. Raises `DivergenceError` at a metric that is not finite.
    """
    per_update = layout.method.cost.steps
    progress = Progress(updates=max(1, -(-steps // per_update)))
    with _asked_to_stop() as asked:
        began = time.perf_counter()
        states = _begin(layout, run, progress)
        with _recorded(run, progress):
            if progress.update < progress.updates:
                states = layout.compile(states)
            progress.compile_seconds = time.perf_counter() - began
            run.truncate_metrics(progress.update * per_update)
            run.write_status(state="running", notes=progress.notes, compile_seconds=progress.compile_seconds)
            with _opened(run, extra) as outputs:
                states = _advance(layout, run, states, progress, outputs, watch, pace, asked)
            progress.interrupted = progress.update < progress.updates
            run.write_status(state="interrupted" if progress.interrupted else "done", **_figures(layout, progress))
    return states, progress


def _advance(
    layout: Layout, run: Run, states: Any, progress: Progress, outputs: list[Any], watch: Watcher, pace: Pace, asked
) -> Any:
    """Update after update, to the end or until asked to stop, and a checkpoint of where that is.

    Looks and checkpoints cost at most a tenth of the time each: a large replay is copied in the one and written in the other.
    """
    going = lambda: progress.update < progress.updates and not layout.common(asked())
    look, rest, saved, count = pace.look, pace.save, time.perf_counter(), 1
    if going():
        states, idle = _timed(lambda: layout.compile(states))  # a look at no update, compiled by now
        look = max(look, WORTH * idle)
    while going():
        started = time.perf_counter()
        states, metrics = layout.advance(states, progress.update, min(count, progress.updates - progress.update))
        rows = _account(layout, progress, metrics, time.perf_counter() - started)
        wrong = _nonsense(rows)
        good = [row for row in rows if wrong is None or row["update"] < wrong[0]["update"]]
        for output in outputs:
            output.write(good)
        if wrong is not None:
            row, name = wrong
            _fail(run, progress, row["step"], row["seed"], name, f"is {row[name]}")
        watch(rows, progress)
        count = layout.common(_paced(count, time.perf_counter() - started, look))
        if time.perf_counter() - saved > rest:
            _, took = _timed(lambda states=states: save(layout, run, states, progress, outputs, pace.keep))
            rest, saved = max(pace.save, WORTH * took) if pace.save else 0.0, time.perf_counter()
    save(layout, run, states, progress, outputs, pace.keep)
    return states


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """What some work gives, and the seconds that it took."""
    began = time.perf_counter()
    return work(), time.perf_counter() - began


def save(layout: Layout, run: Run, states: Any, progress: Progress, outputs, keep: int) -> None:
    """Write one checkpoint of all seeds, after the metrics that led to it, and drop the oldest ones beyond `keep`."""
    outputs[0].sync()
    real = len(layout.seeds)
    host = jax.tree.map(lambda leaf: leaf[:real] if _typed(leaf) else np.asarray(leaf)[:real], states)
    _refuse_broken(layout, host, run, progress)
    about = {name: getattr(progress, name) for name in ("update", "seconds", "steps")} | {"seeds": list(layout.seeds)}
    state.save(state.checkpoint_path(run.checkpoints, progress.steps), host, about)
    state.prune(run.checkpoints, keep)
    run.write_status(**_figures(layout, progress))


def restored(layout: Layout, directory: Path) -> Any:
    """The states of all seeds in a checkpoint, as `layout` wants them."""
    return layout.place(state.restore(directory, layout.shapes()))


def _begin(layout: Layout, run: Run, progress: Progress) -> Any:
    good, notes = state.find_good(run.checkpoints)
    notes = [{"step": 0, "seed": None, "metric": "checkpoint", "message": note, "checkpoint": None} for note in notes]
    progress.notes = [*run.status()["notes"], *notes]
    if good is None:
        return layout.init()
    about = state.check(good)["about"]
    progress.update, progress.seconds, progress.steps = about["update"], about["seconds"], about["steps"]
    return restored(layout, good)


def _account(layout: Layout, progress: Progress, metrics: dict[str, np.ndarray], seconds: float) -> list[Row]:
    count = len(next(iter(metrics.values())))
    rows = []
    for index in range(count):
        update = progress.update + index + 1
        when = progress.seconds + seconds * (index + 1) / count
        for place, seed in enumerate(layout.seeds):
            values = {name: float(value[index, place]) for name, value in metrics.items()}
            step = update * layout.method.cost.steps
            rows.append({"step": step, "seed": seed, "update": update, "seconds": when, **values})
    progress.update += count
    progress.steps = progress.update * layout.method.cost.steps
    progress.seconds += seconds
    return rows


def _nonsense(rows: list[Row]) -> tuple[Row, str] | None:
    """The first row with a number that is not finite, and its name: the return before what follows from it."""
    for row in rows:
        for name in (*MAY_BE_MISSING, *row):
            value = row.get(name, 0.0)
            missing = name in MAY_BE_MISSING and np.isnan(value) and not row.get("episodes")
            if not missing and not np.isfinite(value):
                return row, name
    return None


def _refuse_broken(layout: Layout, states: Any, run: Run, progress: Progress) -> None:
    """No checkpoint holds a number that is not finite, except in what games keep for themselves."""
    batched = layout.method.batched or (lambda states: jax.tree.map(lambda _: False, states))
    leaves, games = jax.tree_util.tree_leaves_with_path(states), jax.tree.leaves(batched(states))
    for (path, leaf), own in zip(leaves, games, strict=True):
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        if not eqx.is_inexact_array_like(leaf) or (own and "time_step" not in name):
            continue
        for seed, part in zip(layout.seeds, np.asarray(leaf), strict=True):
            if not np.isfinite(part).all():
                _fail(run, progress, progress.steps, seed, name, "holds a number that is not finite")


def _fail(run: Run, progress: Progress, step: int, seed: int, name: str, what: str) -> NoReturn:
    good, _ = state.find_good(run.checkpoints)
    where = f"the last good checkpoint is {good}" if good else "there is no checkpoint yet"
    games = "Look at the rewards of the game."
    advice = games if name in MAY_BE_MISSING else "Train again with a smaller learning rate."
    message = f"training broke at step {step}, seed {seed}: {name} {what}; {where}. {advice}"
    note = {"step": step, "seed": seed, "metric": name, "message": message, "checkpoint": str(good) if good else None}
    progress.notes.append(note)
    raise DivergenceError(message)


@contextmanager
def _recorded(run: Run, progress: Progress) -> Iterator[None]:
    """Whatever ends a run in its midst is in its status before anybody hears of it, if the disk still takes that."""
    try:
        yield
    except (KeyboardInterrupt, Exception) as wrong:
        if isinstance(wrong, StoppedError):
            wrong.run = str(run.path)
        if not isinstance(wrong, (KeyboardInterrupt, DivergenceError)):
            good, _ = state.find_good(run.checkpoints)
            message = next(iter(str(wrong).splitlines()), "") or type(wrong).__name__
            progress.notes.append(
                {"step": progress.steps, "seed": None, "metric": "game" if isinstance(wrong, GameError) else "error",
                 "message": message, "checkpoint": str(good) if good else None}
            )  # fmt: skip
        ended = "interrupted" if isinstance(wrong, KeyboardInterrupt) else "failed"
        with suppress(InputError):
            run.write_status(state=ended, step=progress.steps, notes=progress.notes)
        raise


def _figures(layout: Layout, progress: Progress) -> dict[str, Any]:
    return {"step": progress.steps, "steps_per_second": progress.steps_per_second * len(layout.seeds)}


def _paced(count: int, seconds: float, wanted: float) -> int:
    """How many updates fit between two looks, from how long the last `count` took."""
    return int(np.clip(count * wanted / max(seconds, 1e-6), 1, min(CHUNK, 2 * count)))


def _typed(leaf: Any) -> bool:
    return hasattr(leaf, "dtype") and jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)


@contextmanager
def _opened(run: Run, extra: tuple[str, ...]) -> Iterator[list[Any]]:
    outputs: list[Any] = [sinks.JsonLines(run.metrics_file)]
    try:
        outputs += (sinks.make(name, run) for name in extra)
        yield outputs
    finally:
        for output in outputs:
            output.close()


@contextmanager
def _asked_to_stop() -> Iterator[Callable[[], bool]]:
    """Ctrl-C and SIGTERM set a flag, so that no update is cut in half; a second Ctrl-C stops at once."""
    asked = threading.Event()

    def note(number, frame):
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return
    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
