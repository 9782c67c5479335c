"""What a person sees while a run trains: a bar on a terminal, a line now and then in a log. Standard error only."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import rich.console
import rich.progress

from interplay.run.loop import Progress, Watcher

QUIET = 10.0  # seconds between lines where there is no terminal


@contextmanager
def shown(title: str) -> Iterator[Watcher]:
    """A watcher for `loop.train` that shows steps per second, time left and each seed's latest return."""
    console = rich.console.Console(stderr=True)
    watcher = _bar(title, console) if console.is_terminal else _lines(title)
    with watcher as watch:
        yield watch


@contextmanager
def _bar(title: str, console: rich.console.Console) -> Iterator[Watcher]:
    columns = (
        rich.progress.TextColumn("{task.description}"),
        rich.progress.BarColumn(),
        rich.progress.TaskProgressColumn(),
        rich.progress.TextColumn("{task.fields[speed]}"),
        rich.progress.TimeRemainingColumn(),
        rich.progress.TextColumn("{task.fields[latest]}"),
    )
    with rich.progress.Progress(*columns, console=console) as bar:
        task = bar.add_task(f"{title}  compiling", total=None, speed="", latest="")
        returns: dict[int, float] = {}

        def watch(rows: list[dict[str, Any]], progress: Progress) -> None:
            latest = _latest(rows, returns)
            speed = f"{progress.steps_per_second * len({row['seed'] for row in rows}):,.0f} steps/s"
            bar.update(
                task, description=title, total=progress.updates, completed=progress.update, speed=speed, latest=latest
            )

        yield watch


@contextmanager
def _lines(title: str) -> Iterator[Watcher]:
    said, returns = time.monotonic() - QUIET, dict[int, float]()

    def watch(rows: list[dict[str, Any]], progress: Progress) -> None:
        nonlocal said
        latest = _latest(rows, returns)
        if time.monotonic() - said >= QUIET or progress.update == progress.updates:
            said = time.monotonic()
            speed = progress.steps_per_second * len({row["seed"] for row in rows})
            share = progress.update / progress.updates
            print(f"{title}  {share:4.0%}  {speed:,.0f} steps/s  {latest}", file=sys.stderr, flush=True)

    yield watch


@contextmanager
def meter(title: str) -> Iterator[Callable[[float, str], None]]:
    """A function of (share done, words) that shows how far a piece of work is, on a terminal only."""
    console = rich.console.Console(stderr=True)
    columns = (
        rich.progress.TextColumn("{task.description}"),
        rich.progress.BarColumn(),
        rich.progress.TaskProgressColumn(),
        rich.progress.TextColumn("{task.fields[words]}"),
    )
    with rich.progress.Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(title, total=1.0, words="")
        yield lambda share, words: bar.update(task, completed=share, words=words)


def _latest(rows: list[dict[str, Any]], returns: dict[int, float]) -> str:
    for row in rows:
        value = row.get("return", float("nan"))
        if value == value:  # NaN: no episode ended in this update
            returns[row["seed"]] = value
    return "return " + " ".join(f"{returns[seed]:.2f}" for seed in sorted(returns)) if returns else ""
