"""Train by name: settings and a game in, a run folder out. What the command line and `interplay.train` share."""

import dataclasses
import inspect
import re
from pathlib import Path
from typing import Any

from interplay import methods
from interplay.core.errors import InputError
from interplay.core.method import Method
from interplay.lm import together
from interplay.run import devices, figures, folder, loop, processes, screening, spoken
from interplay.run import sinks as run_sinks
from interplay.run.folder import Run


def train(
    method: str,
    game: str,
    *,
    steps: int | None = None,
    seeds: int = 1,
    seed: int = 0,
    out: Path | str | None = None,
    watch: loop.Watcher | None = None,
    pace: loop.Pace = loop.Pace(),
    sinks: tuple[str, ...] = (),
    **changes: Any,
) -> Run:
    """Train `method` on `game` with seeds `seed` … `seed + seeds − 1` and return its run folder.

    `changes` are the method's settings. Raises `InputError` for anything misnamed, before a folder is made.

        >>> run = train("ippo", "spread", steps=100_000, width=32)  # doctest: +SKIP
    """
    devices.prepare()
    if seeds < 1:
        raise InputError(f"cannot train {seeds} seeds: give 1 or more")
    if steps is not None:
        changes["steps"] = steps
    settings = methods.settings(method, game=game, **changes)
    if settings.steps < 1:
        raise InputError(f"cannot train for {settings.steps} steps: give 1 or more")
    unknown = next((name for name in sinks if name not in run_sinks.SINKS), None)
    if unknown is not None:
        raise InputError(f"there is no sink '{unknown}': use {', '.join(run_sinks.SINKS)}")
    if seed < 0 or seed + seeds > 2**32:
        raise InputError(f"seeds {seed} to {seed + seeds - 1} are out of range: give numbers from 0 to {2**32 - 1}")
    with together.joined() as among:
        built = build(method, settings)
        screening.refuse_misshapen(built.game, game)
        layout = processes.spread(devices.choose(built, tuple(range(seed, seed + seeds))), among, method)
        about = {
            "method": method,
            "game": game,
            "seeds": seeds,
            "seed": seed,
            "steps": settings.steps,
            "settings": dataclasses.asdict(settings),
            "descriptions": described(type(settings)),
            "layout": layout.name,
            "devices": devices.count(),
            "processes": among.size,
            "sinks": list(sinks),
        }
        execution, ours = layout.needs(), out is None or not Path(out).exists()
        path = lambda: Path(out) if out is not None else folder.next_name("runs", method, game)
        run = processes.created(among, path, about)
        run.write_status(execution=execution)
        try:
            return _carry_on(run, layout, watch, pace)
        except InputError:
            folder.discard(run, whole=ours)
            raise


def resume(path: Path | str, *, watch: loop.Watcher | None = None, pace: loop.Pace = loop.Pace()) -> Run:
    """Continue an unfinished run from its newest good checkpoint, to the numbers an unbroken run would have given."""
    run = folder.open_run(path)
    devices.prepare(run.settings.get("devices"))
    with together.joined() as among:
        layout = processes.spread(layout_of(run), among, run.settings["method"])
        return _carry_on(processes.opened(among, run), layout, watch, pace)


def layout_of(run: Run) -> devices.Layout:
    """The layout a run was started with. Raises `InputError` where this process cannot provide it."""
    method, seeds = method_of(run), seeds_of(run)
    if run.settings.get("layout") != devices.Split.name:
        return devices.plain(method, seeds)
    wanted = run.settings["devices"]
    if wanted > devices.count():
        raise InputError(
            f"{run.path} was laid over {wanted} devices and this process has {devices.count()}: "
            f"resume it in a new process, with INTERPLAY_DEVICES={wanted}"
        )
    return devices.Split(method, seeds, wanted)


def method_of(run: Run) -> Method:
    """The method of a run, built again from its settings."""
    return build(run.settings["method"], methods.settings(run.settings["method"], **run.settings["settings"]))


def seeds_of(run: Run) -> tuple[int, ...]:
    """The seeds of a run."""
    return tuple(range(run.settings["seed"], run.settings["seed"] + run.settings["seeds"]))


def build(method: str, settings: Any) -> Method:
    """The method with these settings; refuses settings that are out of range with a clear line.

    Numbers are 0 or more but for fields with `metadata={"signed": True}`.
    """
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        kind = type(field.default)
        if kind in (int, float) and isinstance(value, int | float) and value < 0 and not field.metadata.get("signed"):
            raise InputError(f"{field.name} is {value}: give a number of 0 or more")
        if isinstance(field.default, int | float | bool | str) and not _fits(value, kind):
            raise InputError(f"{field.name} is {value!r}: give {_article(kind)}")
        if field.name in ("batch", "length", "passes", "minibatches", "width") and value < 1:
            raise InputError(f"{field.name} is {value}: give 1 or more")
    return methods.module(method).build(settings)


def described(kind: type) -> dict[str, str]:
    """The docstring under every field of a settings class, its parents' included."""
    found: dict[str, str] = {}
    for parent in reversed(kind.__mro__):
        if dataclasses.is_dataclass(parent):
            pairs = re.findall(r'^    (\w+):[^\n]*\n    """(.+?)"""', inspect.getsource(parent), flags=re.M | re.S)
            found |= {name: " ".join(text.split()) for name, text in pairs}
    return found


def _carry_on(run: Run, layout: devices.Layout, watch: loop.Watcher | None, pace: loop.Pace) -> Run:
    with run.lock():
        extra = tuple(run.settings.get("sinks", ()))
        silent = lambda rows, progress: None
        states, _ = loop.train(layout, run, run.settings["steps"], watch=watch or silent, pace=pace, extra=extra)
        spoken.keep(run, layout, states)
        figures.keep(run, layout, states)
    return run


def _fits(value: Any, kind: type) -> bool:
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, kind) and not (kind is int and isinstance(value, bool))


def _article(kind: type) -> str:
    return {bool: "True or False", int: "a whole number", float: "a number", str: "a text"}[kind]
