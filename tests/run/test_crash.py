"""Kill -9 at random moments, resume, and again: the numbers are those of the run that nobody disturbed."""

import json
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from interplay.run import folder, loop, state, training

TINY = {"width": 8, "batch": 4, "length": 8, "passes": 1, "minibatches": 2}
PROGRAM = [sys.executable, "-m", "interplay.cli"]
WORDS = ["--checkpoint-seconds", "0.1", "--json"]


class Campaign(NamedTuple):
    """What came of it: kills, how many of them hit a process that trained, and what they left behind."""

    kills: int
    training: int
    partials: int
    torn: int


def start(path: Path, steps: int) -> subprocess.Popen:
    """The run's first process, or the one that resumes it."""
    tiny = [f"{name}={value}" for name, value in TINY.items()]
    first = ["train", "ippo", "--game", "climbing", "--steps", str(steps), "--out", str(path), "--set", *tiny]
    words = ["resume", str(path)] if (path / "settings.json").exists() else first
    return subprocess.Popen([*PROGRAM, *words, *WORDS], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def trains(path: Path, process: subprocess.Popen, before: int) -> bool:
    """Wait until this process has written metrics; False if it ended first."""
    deadline = time.monotonic() + 200
    while process.poll() is None and time.monotonic() < deadline:
        status = json.loads((path / "status.json").read_bytes()) if (path / "status.json").exists() else {}
        if status.get("state") == "running" and (path / "metrics.jsonl").exists() and status.get("step", 0) != before:
            return True
        time.sleep(0.01)
    return False


def campaign(path: Path, steps: int, kills: int, seed: int) -> Campaign:
    """Kill the run `kills` times, mostly while it trains, now and then while it starts."""
    chance, training_kills, partials, torn, done = random.Random(seed), 0, 0, 0, 0
    while done < kills:
        before = folder.open_run(path).status()["step"] if (path / "settings.json").exists() else 0
        process = start(path, steps)
        if chance.random() < 0.2:
            time.sleep(chance.uniform(0.0, 4.0))
        else:
            training_kills += trains(path, process, before)
            time.sleep(chance.uniform(0.0, 0.3))
        assert process.poll() is None, f"the run ended before it was killed {kills} times: {process.communicate()}"
        process.kill()
        process.communicate()
        done += 1
        partials += len(list(path.glob("checkpoints/.*.partial")))
        metrics = path / "metrics.jsonl"
        torn += metrics.exists() and metrics.stat().st_size > 0 and not metrics.read_bytes().endswith(b"\n")
        if (path / "settings.json").exists():
            assert state.find_good(path / "checkpoints")[1] == []  # nothing half-written bears a checkpoint's name
    return Campaign(done, training_kills, partials, torn)


def compare(path: Path, steps: int, whole: folder.Run) -> None:
    """Finish the killed run and hold it against the undisturbed one."""
    out, err = start(path, steps).communicate(timeout=280)
    result = json.loads(out)
    assert (result["state"], result["steps"]) == ("done", whole.status()["step"]), err
    killed = folder.open_run(path)
    first, second = (state.check(state.latest(run.checkpoints)) for run in (whole, killed))
    assert first["digest"] == second["digest"]  # parameters, optimizer and games, bit for bit
    without_time = lambda run: [row | {"seconds": 0} for row in run.metrics()]
    assert without_time(killed) == without_time(whole)
    assert [row["update"] for row in killed.metrics()] == list(range(1, steps // 32 + 1))
    assert sorted(path.name for path in killed.checkpoints.iterdir())[-1] == f"{steps:012d}"
    assert not list(killed.checkpoints.glob(".*"))


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("kills", "updates"), [(3, 12_000), pytest.param(36, 60_000, marks=pytest.mark.slow)])
def test_kill_9_at_random_moments_changes_no_bit(tmp_path, kills, updates, capsys):
    steps = 32 * updates
    whole = training.train("ippo", "climbing", steps=steps, out=tmp_path / "whole", pace=loop.Pace(save=5.0), **TINY)
    result = campaign(tmp_path / "killed", steps, kills, seed=kills)
    compare(tmp_path / "killed", steps, whole)
    with capsys.disabled():
        print(f" {result}", end="")
    assert result.training >= kills // 2
