"""Synthetic run folders for the pages: noisy curves that rise, moving circles to replay, nothing trained."""

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from interplay.run import folder

UPDATES = 120
STEPS_EACH = 8192
COLORS = ("#0072b2", "#d55e00", "#009e73")


class Shape(NamedTuple):
    """How a synthetic method learns: where it starts and ends, how fast, how seeds differ."""

    start: float = -42.0
    end: float = -22.0
    speed: float = 4.0
    spread: float = 0.8


SLOW = Shape()


def make_run(
    path: Path, method: str, game: str = "spread", seeds: Sequence[int] = (0, 1, 2), shape: Shape = SLOW
) -> Path:
    """Write a complete run folder with curves, an evaluation and a replay."""
    asked = {
        "method": method, "game": game, "seeds": len(seeds), "seed": seeds[0], "steps": UPDATES * STEPS_EACH,
        "settings": {"rate": 7e-4, "clip": 0.2, "width": 64, "centralized": method == "mappo", "schedule": None},
        "descriptions": {"rate": "Step size of Adam.", "clip": "Limit of the probability ratio's change.",
                         "width": "Units of each hidden layer.", "centralized": "Whether the critic sees the whole state."},
    }  # fmt: skip
    run = folder.create(path, asked, devices=2)
    rows = [row for update in range(1, UPDATES + 1) for row in rows_of(update, seeds, shape, method)]
    write_rows(path, rows)
    run.write_status(state="done", step=UPDATES * STEPS_EACH, steps_per_second=81234.5, compile_seconds=6.4)
    evaluation = {"return": {"mean": -21.4, "low": -22.0, "high": -20.9}, "episodes": 96, "mode": "greedy",
                  "per_seed": [-21.2, -21.5, -21.6], "per_agent": [-21.4, -21.4, -21.4]}  # fmt: skip
    (path / "evaluation.json").write_text(json.dumps(evaluation))
    write_replay(path / "replays" / "seed-0.json", game)
    return path


def rows_of(update: int, seeds: Sequence[int], shape: Shape, method: str) -> list[dict[str, Any]]:
    """One row for each seed of an update."""
    return [_row(update, seed, shape, np.random.default_rng([update, seed, len(method)])) for seed in seeds]


def _row(update: int, seed: int, shape: Shape, noise: np.random.Generator) -> dict[str, Any]:
    done = update / UPDATES
    learned = 1 - math.exp(-shape.speed * done)
    talent = shape.spread * math.sin(7.0 * seed + 1.0)
    return {
        "step": update * STEPS_EACH, "seed": seed, "update": update, "seconds": update * 0.11 + 0.004 * noise.normal(),
        "return": shape.start + (shape.end - shape.start + talent) * learned + 0.7 * noise.normal(),
        "episodes": 64, "length": 25.0,
        "policy_loss": -0.012 * math.exp(-done) + 0.003 * noise.normal(),
        "value_loss": 3.0 * math.exp(-2.5 * done) + 0.15 * abs(noise.normal()),
        "entropy": 1.6 * math.exp(-1.4 * done) + 0.02 * noise.normal(),
        "approx_kl": 0.012 + 0.003 * abs(noise.normal()),
        "clip_fraction": 0.11 + 0.02 * noise.normal(),
        "gradient_norm": 0.6 + 0.15 * abs(noise.normal()),
        "explained_variance": 1 - math.exp(-5 * done) + 0.02 * noise.normal(),
    }  # fmt: skip


def write_rows(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write the log of a run."""
    (path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def write_replay(path: Path, game: str, frames: int = 25) -> None:
    """Write a replay in which three agents move onto three landmarks."""
    path.parent.mkdir(exist_ok=True)
    landmarks = "".join(f'<circle cx="{x}" cy="{y}" r="4" fill="#666"/>' for x, y in ((25, 30), (70, 25), (55, 75)))
    drawings = []
    for frame in range(frames):
        left = 1 - frame / (frames - 1)
        agents = "".join(
            f'<circle cx="{x + 30 * left * math.cos(i * 2.1 + 3 * left):.2f}" cy="{y + 30 * left * math.sin(i * 2.1):.2f}" '
            f'r="7" fill="{COLORS[i]}" fill-opacity="0.85"/>'
            for i, (x, y) in enumerate(((25, 30), (70, 25), (55, 75)))
        )
        drawings.append(
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 100" width="400" height="400">'
            f'<rect width="100" height="100" fill="#fafaf7"/>{landmarks}{agents}</svg>'
        )
    rewards = [[-2.0 * (1 - frame / (frames - 1)) - 0.1 * agent for agent in range(3)] for frame in range(frames)]
    replay = {"game": game, "seed": 0, "mode": "greedy", "frames": drawings, "rewards": rewards,
              "return": sum(sum(row) / 3 for row in rewards), "caption": "after training"}  # fmt: skip
    path.write_text(json.dumps(replay))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """One complete run: three seeds of ippo on spread."""
    return make_run(tmp_path / "ippo-spread-0001", "ippo")


@pytest.fixture
def pair(run: Path) -> list[Path]:
    """Two methods on one game, three seeds each; the second is clearly better."""
    return [run, make_run(run.parent / "mappo-spread-0001", "mappo", shape=Shape(end=-17.0, speed=6.0, spread=0.4))]


@pytest.fixture
def make() -> Callable[..., Path]:
    """`make(path, method, game=..., seeds=..., shape=shape(...))` writes a run folder."""
    return make_run


@pytest.fixture
def shape() -> type[Shape]:
    """How a synthetic method learns."""
    return Shape
