"""The only loop. It runs any `Method`: advance, look, log, save; stop when the steps are spent, asked to, or at nonsense.

Games, learning rules and devices are somebody else's business: the loop knows `init`, `step` and `team` through a
`Layout`, and a run folder to write into. Training a team and resuming one are the same call.
"""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import numpy as np

from interplay.core.errors import DivergenceError
from interplay.run import sinks, state
from interplay.run.devices import CHUNK, Layout
from interplay.run.folder import Run

MAY_BE_MISSING = ("return", "length")  # no episode ended in this update
Watcher = Callable[[list[dict[str, Any]], "Progress"], None]


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
    """How often the loop looks up: seconds between logs and between checkpoints, and how many checkpoints stay."""

    look: float = 0.25
    save: float = 30.0
    keep: int = 3


def train(layout: Layout, run: Run, steps: int, *, watch: Watcher, pace: Pace = Pace(), extra: tuple[str, ...] = ()):
    """Train until every seed has taken `steps` environment steps, from the newest good checkpoint of `run` if it has one.

    Returns the final states and the `Progress`. `extra` names further sinks besides metrics.jsonl. Ctrl-C and SIGTERM
    end the run after the update at hand, with a checkpoint. Raises `DivergenceError` at a metric that is not finite.
    """
    per_update = layout.method.cost.steps
    progress = Progress(updates=max(1, -(-steps // per_update)))
    began = time.perf_counter()
    states = _begin(layout, run, progress)
    states = layout.compile(states)
    progress.compile_seconds = time.perf_counter() - began
    run.truncate_metrics(progress.update * per_update)
    run.write_status(state="running", notes=progress.notes, compile_seconds=progress.compile_seconds)
    saved, count = time.perf_counter(), 1
    with _opened(run, extra) as outputs, _asked_to_stop() as asked:
        while progress.update < progress.updates and not asked():
            started = time.perf_counter()
            states, metrics = layout.advance(states, progress.update, min(count, progress.updates - progress.update))
            rows = _account(layout, progress, metrics, time.perf_counter() - started)
            _refuse_nonsense(rows, run, progress)
            for output in outputs:
                output.write(rows)
            watch(rows, progress)
            count = _paced(count, time.perf_counter() - started, pace.look)
            if time.perf_counter() - saved > pace.save:
                outputs[0].sync()
                save(layout, run, states, progress, pace.keep)
                saved = time.perf_counter()
        progress.interrupted = progress.update < progress.updates
        save(layout, run, states, progress, pace.keep)
    run.write_status(state="interrupted" if progress.interrupted else "done", **_figures(layout, progress))
    return states, progress


def save(layout: Layout, run: Run, states: Any, progress: Progress, keep: int) -> None:
    """Write one checkpoint of all seeds and drop the oldest ones beyond `keep`."""
    real = len(layout.seeds)
    host = jax.tree.map(lambda leaf: leaf[:real] if _typed(leaf) else np.asarray(leaf)[:real], states)
    _refuse_broken(layout, host, run, progress)
    about = {"update": progress.update, "seconds": progress.seconds, "seeds": list(layout.seeds), "steps": progress.steps}
    state.save(state.checkpoint_path(run.checkpoints, progress.steps), host, about)
    state.prune(run.checkpoints, keep)
    run.write_status(**_figures(layout, progress))


def restored(layout: Layout, directory: Path) -> Any:
    """The states of all seeds in a checkpoint, as `layout` wants them."""
    shapes = jax.eval_shape(jax.vmap(layout.method.init), jax.vmap(jax.random.key)(np.zeros(len(layout.seeds), np.uint32)))
    return layout.place(state.restore(directory, shapes))


def _begin(layout: Layout, run: Run, progress: Progress) -> Any:
    good, notes = state.find_good(run.checkpoints)
    notes = [{"step": 0, "seed": None, "metric": "checkpoint", "message": note, "checkpoint": None} for note in notes]
    progress.notes = [*run.status()["notes"], *notes]
    if good is None:
        return layout.init()
    about = state.check(good)["about"]
    progress.update, progress.seconds, progress.steps = about["update"], about["seconds"], about["steps"]
    return restored(layout, good)


def _account(layout: Layout, progress: Progress, metrics: dict[str, np.ndarray], seconds: float) -> list[dict[str, Any]]:
    count = len(next(iter(metrics.values())))
    rows = []
    for index in range(count):
        update = progress.update + index + 1
        when = progress.seconds + seconds * (index + 1) / count
        for place, seed in enumerate(layout.seeds):
            values = {name: float(value[index, place]) for name, value in metrics.items()}
            rows.append({"step": update * layout.method.cost.steps, "seed": seed, "update": update, "seconds": when, **values})
    progress.update += count
    progress.steps = progress.update * layout.method.cost.steps
    progress.seconds += seconds
    return rows


def _refuse_nonsense(rows: list[dict[str, Any]], run: Run, progress: Progress) -> None:
    for row in rows:
        for name, value in row.items():
            if name not in MAY_BE_MISSING and not np.isfinite(value):
                _fail(run, progress, row["step"], row["seed"], name, f"is {value}")


def _refuse_broken(layout: Layout, states: Any, run: Run, progress: Progress) -> None:
    for place, seed in enumerate(layout.seeds):
        for path, leaf in jax.tree_util.tree_leaves_with_path(eqx.filter(layout.team(states, place), eqx.is_inexact_array)):
            if not np.isfinite(np.asarray(leaf)).all():
                name = jax.tree_util.keystr(path, simple=True, separator="/")
                _fail(run, progress, progress.steps, seed, name, "holds a number that is not finite")


def _fail(run: Run, progress: Progress, step: int, seed: int, name: str, what: str) -> None:
    good, _ = state.find_good(run.checkpoints)
    where = f"the last good checkpoint is {good}" if good else "there is no checkpoint yet"
    message = f"training broke at step {step}, seed {seed}: {name} {what}; {where}. Lower the learning rate and resume."
    note = {"step": step, "seed": seed, "metric": name, "message": message, "checkpoint": str(good) if good else None}
    run.write_status(state="failed", notes=[*progress.notes, note])
    raise DivergenceError(message)


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
