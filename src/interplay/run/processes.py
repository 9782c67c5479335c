"""Several processes that torchrun started train one run: the first keeps its folder, the others one that passes with them.

All run the same loop on states that are equal. What a clock or a signal decides in one of them (when to stop, how many updates
until the next look) is decided for all.
"""

import atexit
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from interplay.core.errors import InputError
from interplay.core.method import Method
from interplay.lm.together import Together
from interplay.run import devices, folder, state
from interplay.run.folder import Run


class Shared(devices.Host):
    """One seed after the other, each update shared among processes."""

    name = "processes"

    def __init__(self, method: Method, seeds: tuple[int, ...], among: Together):
        super().__init__(method, seeds)
        self._among = among

    def common(self, number: int) -> int:
        return self._among.largest(int(number))


def spread(layout: devices.Layout, among: Together, method: str) -> devices.Layout:
    """The layout for all who are `among`. Raises `InputError` for a method whose updates are not shared."""
    if among.size == 1:
        return layout
    if not layout.method.together:
        raise InputError(
            f"{method} trains in one process, not in {among.size}: start it without torchrun "
            "(language teams train in several: grpo, rloo, dr-mas, m-grpo, st-ppo, ...)"
        )
    return Shared(layout.method, layout.seeds, among)


def created(among: Together, path: Callable[[], Path], about: dict[str, Any]) -> Run:
    """The run folder at `path()` in the first process, a passing one without sinks in every other."""
    if among.rank == 0:
        return folder.create(path(), about, devices=devices.count())
    return folder.create(_passing(), about | {"sinks": []}, devices=devices.count())


def opened(among: Together, run: Run) -> Run:
    """A run to be resumed: itself in the first process, in every other a passing one with its newest good checkpoint."""
    if among.rank == 0:
        return run
    good, _ = state.find_good(run.checkpoints)
    passing = created(among, lambda: run.path, {name: run.settings[name] for name in run.settings if name != "format"})
    if good is not None:
        shutil.copytree(good, passing.checkpoints / good.name)
    return passing


def _passing() -> Path:
    """A folder that is gone when this process is."""
    path = Path(tempfile.mkdtemp(prefix="interplay-"))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path
