"""A method that costs nothing, to watch the loop with, and the smallest settings of the real ones."""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import pytest

from interplay.core.budget import Budget
from interplay.core.method import Method
from interplay.run import devices, folder, loop

STEPS = 4  # environment steps an update of the toy method takes


class Weights(eqx.Module):
    """What the toy method learns: it stands where a team stands."""

    value: jax.Array
    needs: str = eqx.field(static=True, default="decentralized")


def walk(metric: Callable = lambda number: 0.0, weight: Callable = lambda number: 0.0, compiled: bool = True) -> Method:
    """A random walk; `metric(n)` and `weight(n)` are added to the metric and the weights of update n (from 1)."""

    def init(key):
        return {"team": Weights(jax.random.normal(key, (3,))), "number": jnp.int32(0)}

    def step(state, key):
        number = state["number"] + 1
        value = state["team"].value * 0.9 + jax.random.normal(key, (3,)) + weight(number)
        episodes = jnp.float32(number % 2)
        metrics = {"return": jnp.where(episodes > 0, value[0], jnp.nan), "episodes": episodes}
        return {"team": Weights(value), "number": number}, metrics | {"size": jnp.sum(value**2) + metric(number)}

    return Method(init, step, lambda state: state["team"], Budget(steps=STEPS), None, compiled)  # type: ignore[arg-type]


@pytest.fixture
def toy() -> Callable[..., Method]:
    """`toy(metric=…, weight=…)` makes the toy method."""
    return walk


@pytest.fixture
def tiny() -> dict[str, Any]:
    """Settings that train in no time."""
    return {"width": 8, "batch": 4, "length": 8, "passes": 1, "minibatches": 2}


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., folder.Run]:
    """`start("name")` makes a run folder in which nothing was trained yet."""

    def start(name: str = "run", seeds: int = 1) -> folder.Run:
        about = {"method": "toy", "game": "none", "seeds": seeds, "seed": 0, "steps": 400, "settings": {}}
        return folder.create(tmp_path / name, about)

    return start


@pytest.fixture
def go() -> Callable[..., loop.Progress]:
    """`go(layout, run, updates, stop=k)` trains, pressing Ctrl-C after k updates."""

    def go(
        layout: devices.Layout, run: folder.Run, updates: int, stop: int | None = None, **pace: Any
    ) -> loop.Progress:
        def watch(rows, progress):
            if stop is not None and progress.update >= stop:
                signal.raise_signal(signal.SIGINT)

        steps = updates * layout.method.cost.steps
        return loop.train(layout, run, steps, watch=watch, pace=loop.Pace(**pace))[1]

    return go
