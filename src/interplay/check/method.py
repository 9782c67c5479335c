"""What every method must do to be run, saved, resumed and laid over devices by the one loop.

The state keeps its form, the same key gives the same numbers, a checkpoint continues bit for bit, metrics are finite
numbers, and what a step is said to cost is what it costs.
"""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.core import Tracer

from interplay.check.words import called, differing, guarded, listed, not_arrays, reformed, refuse
from interplay.core.game import AnyGame
from interplay.core.method import Method
from interplay.core.team import Team
from interplay.run import devices
from interplay.run import state as states
from interplay.run.loop import MAY_BE_MISSING

UPDATES = 2


def check_method(method: Method, seed: int = 0) -> list[str]:
    """What is wrong with `method`, in sentences; an empty list where it does all that a method must do.

    Runs a handful of updates, so give it tiny settings. Checks that the state keeps structure, shapes and dtypes, that
    the same key gives the same bits, that saving and restoring continues bit for bit, that metrics are finite scalars,
    that `cost.steps` is how often the game was stepped, and, where `batched` is given and there are two devices, that
    one run can be laid over them with every device holding the same team.

        >>> check_method(ippo.build(ippo.Settings(batch=4, length=8, width=8, minibatches=1)))  # doctest: +SKIP
        []
    """
    step = jax.jit(method.step) if method.compiled else method.step
    init = jax.jit(method.init) if method.compiled else method.init
    problems: list[str] = []

    def run():
        with _counted(method.game) as counted:  # its steps are in the program from the first call on
            first = init(devices.starting_key(seed))
            jax.effects_barrier()
            counted.clear()
            problems.extend(_form(method, first, step))
            jax.effects_barrier()
            counts = tuple(counted)
        if not problems:
            problems.extend(_repeats(method, init, step, first, seed))
        if not problems:
            problems.extend(_cost(method, counts))
            if method.compiled and method.batched is not None:
                problems.extend(guarded("laying the games over two devices", lambda: _laid_over(method, first, seed)))

    problems += guarded("init or step", lambda: run() or ())
    return list(dict.fromkeys(problems))


def assert_method(method: Method, seed: int = 0) -> None:
    """Raise `InputError` with everything that `check_method` finds."""
    refuse("the method", check_method(method, seed))


def _form(method: Method, first: Any, step: Any) -> Iterator[str]:
    if leaves := not_arrays(first):
        yield f"the state holds {listed(leaves)}, which are no arrays: use jnp.asarray, or static fields"
        return
    after, metrics = step(first, devices.update_key(0, 0))
    if changed := reformed(first, after):
        yield f"step changes {listed(changed)}: a loop can only carry a state that keeps its form"
    if not isinstance(method.team(first), Team):
        yield f"team(state) is {type(method.team(first)).__name__}: return an interplay.core.team.Team"
    if not isinstance(metrics, dict) or not metrics:
        yield "step returns no metrics: return a dict of scalars, at least one"
        return
    for name, value in metrics.items():
        if np.shape(value):
            yield f"metric '{name}' has shape {np.shape(value)}: reduce it to one number"
        elif name not in MAY_BE_MISSING and not np.isfinite(value):
            yield f"metric '{name}' is {float(value)}: only {' and '.join(MAY_BE_MISSING)} may be missing (NaN)"


def _repeats(method: Method, init: Any, step: Any, first: Any, seed: int) -> Iterator[str]:
    """The same keys give the same bits, straight on and through a checkpoint."""
    if changed := differing(first, init(devices.starting_key(seed))):
        yield f"init gives another state for the same key ({listed(changed)}): draw all random numbers from the key"
    here = first
    for update in range(UPDATES):
        here, _ = step(here, devices.update_key(seed, update))
    key = devices.update_key(seed, UPDATES)
    after = step(here, key)
    if changed := differing(after, step(here, key)):
        yield f"step gives other numbers for the same state and key ({listed(changed)}): keep everything in the state"
        return
    with tempfile.TemporaryDirectory() as folder:
        path = states.save(Path(folder) / "000000000001", here, {})
        shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), here)
        restored = states.restore(path, shapes)
    if changed := differing(here, restored):
        yield f"a checkpoint changes {listed(changed)}: keep only arrays in the state"
    elif changed := differing(after, step(restored, key)):
        yield f"after a checkpoint the next step differs ({listed(changed)}): put all it depends on in the state"


def _cost(method: Method, counts: tuple[int, ...]) -> Iterator[str]:
    """How often one step of the method really stepped its game."""
    if counts and counts[0] != method.cost.steps:
        yield f"cost.steps is {method.cost.steps}, but one step of the method takes {counts[0]} of the game: say so"


@contextlib.contextmanager
def _counted(game: AnyGame) -> Iterator[list[int]]:
    """A list that gets one number, the steps taken while it is open; none where no step was seen."""
    kind: Any = type(game)
    counted: list[int] = []
    original = kind.step

    def note():
        counted[:] = [sum(counted) + 1]

    def step(self, *arguments):
        if any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(arguments)):
            # the callback has to depend on what is mapped, or it is called once for a whole batch
            jax.debug.callback(lambda *_: note(), jax.tree.leaves(arguments[-1])[0])
        else:
            note()
        return original(self, *arguments)

    kind.step = step
    jax.clear_caches()  # parts of the method that are traced already would never see the counting step
    try:
        yield counted
    finally:
        kind.step = original


def _laid_over(method: Method, first: Any, seed: int) -> Iterator[str]:
    """One update over two devices: the marks fit the state, and what is not split stays the same on both."""
    assert method.batched is not None
    marks = method.batched(first)
    if jax.tree.structure(marks) != jax.tree.structure(first):
        yield "batched(state) has another structure than the state: return True or False at every leaf"
        return
    pairs = zip(jax.tree_util.tree_leaves_with_path(first), jax.tree.leaves(marks), strict=True)
    sizes = {called(path): leaf.shape[:1] for (path, leaf), mark in pairs if mark}
    if len(set(sizes.values())) > 1:
        yield f"leaves marked by batched have leading axes {sorted(set(sizes.values()))}: mark what carries the games"
        return
    if jax.device_count() < 2 or any(not size or size[0] % 2 for size in sizes.values()):
        return
    layout = devices.Split(method, (seed,), 2)
    state = layout.place(jax.tree.map(lambda leaf: leaf[None], first))
    after, metrics = layout.advance(state, 0, 1)
    for name, value in metrics.items():
        if name not in MAY_BE_MISSING and not np.isfinite(value).all():
            yield f"metric '{name}' is {value.ravel()[0]} when the games are laid over two devices"
    apart = [
        called(path)
        for (path, leaf), mark in zip(jax.tree_util.tree_leaves_with_path(after), jax.tree.leaves(marks), strict=True)
        if not mark and len({np.asarray(shard.data).tobytes() for shard in leaf.addressable_shards}) > 1
    ]
    if apart:
        yield (
            f"the devices disagree about {listed(apart)} after one update: average what is learned with core.shards, "
            "and draw what all must share from the key itself, not from shards.own(key)"
        )
