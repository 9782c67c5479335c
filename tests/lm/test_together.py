"""Several processes train one team: two make the update that one makes, hold equal weights, stop and end together."""

import json
import os
import socket
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("torch")

from safetensors.numpy import load_file

from interplay.lm import together
from interplay.run import folder, training

pytestmark = pytest.mark.timeout(600)  # two processes that load torch: seconds, but minutes on a machine that is full

TEAM = '''
from interplay.lm.scene import workflow

@workflow("solver", "helper", solver=2, helper=2)
async def team(team, task):
    """The helper is asked about hard tasks only, so that a process may have nothing of it to learn from."""
    said = await team.say("solver", task)
    if task == "hard":
        said = await team.say("helper", task, said)
    team.pay({"solver": len(said.text) + team.random.normal(), "helper": team.random.normal()})
    return team.earned()

def tasks(random):
    return ("easy", "hard")[int(random.integers(2))]

tasks.vocabulary = ("easy", "hard", "a", "b", "c")
tasks.script = lambda request, random: random.choice(["a", "b c"])
'''
SMALL = {"width": 8, "depth": 1, "demonstrations": 5, "imitation": 1, "tasks": 3, "group": 2, "warmup": 0, "rate": 1e-3}
SMALL |= {"team": "spoken_team:team", "task": "spoken_team:tasks"}
CASES = {
    "dr-mas": {},
    "grpo": {"share": True, "passes": 2, "minibatches": 3, "entropy_weight": 0.01},
    "m-grpo": {"alignment": "duplicate", "peers": "arrival"},
    "advantage-alignment": {"tasks": 1, "group": 6, "compared": "all"},
    "st-ppo": {"delay": 1, "minibatches": 3},
}
UPDATE = 6  # episodes of one
WORKER = """
import hashlib, json, os, signal, sys
import numpy as np
from interplay.core.errors import LostError
from interplay.lm import together
from interplay.run import training

out, (cases, small, update) = sys.argv[1], map(json.loads, sys.argv[2:])

def begin(name, method, updates, **how):
    changes = {**small, **cases.get(method, {}), **how}
    return training.train(method, "two", steps=update * updates, out=f"{out}/{name}", **changes)

def ask(rows, progress):  # one of them only is told to stop
    if together.rank() == 1:
        os.kill(os.getpid(), signal.SIGTERM)

def leave(rows, progress):
    if together.rank() == 1:
        raise SystemExit(9)

def refused(work):
    try:
        work()
    except (ValueError, LostError) as wrong:
        return str(wrong)

def digest(run):
    newest = sorted(run.checkpoints.glob("*/state.safetensors"))[-1]
    return [newest.parent.name, hashlib.sha256(newest.read_bytes()).hexdigest()]

with together.joined() as among:
    told = {method: digest(begin(method, method, 1)) for method in cases}
    told["whole"] = digest(begin("whole", "dr-mas", 3))
    told["half"] = digest(begin("half", "dr-mas", 3, watch=ask))
    told["again"] = digest(training.resume(f"{out}/half"))
    told["few"] = refused(lambda: begin("few", "grpo", 1, tasks=1, group=1))
    told["other"] = refused(lambda: training.train("random", "spread", out=f"{out}/other"))
    told["same"] = refused(lambda: among.agreed([np.ones(2), np.zeros(1)]))
    told["apart"] = refused(lambda: among.agreed([np.ones(2), 1e-30 * np.full(1, among.rank)]))
    print(json.dumps(told), flush=True)
    try:
        begin("lost", "dr-mas", 9, watch=leave)
    except LostError as wrong:
        print(wrong, flush=True)
"""


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """What two processes tell, and where: all runs are in one folder, what passes is in another."""
    out = tmp_path_factory.mktemp("together")
    (out / "spoken_team.py").write_text(TEAM)
    (out / "passing").mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "TMPDIR": str(out / "passing")}
    shared |= {"OMP_NUM_THREADS": "1", "INTERPLAY_DEVICES": "1"}
    words = [sys.executable, "-c", WORKER, str(out), *map(json.dumps, (CASES, SMALL, UPDATE))]
    started = [
        subprocess.Popen(
            words, cwd=out, env={**os.environ, **shared, "RANK": rank}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        for rank in "01"
    ]  # fmt: skip
    try:
        said = [process.communicate(timeout=400) for process in started]
    finally:
        for process in started:
            process.kill()
    assert [process.returncode for process in started] == [0, 9], said
    lines = [heard.splitlines() for heard, _ in said]
    return out, [json.loads(first) for first, *_ in lines], lines[0][1:]


@pytest.mark.parametrize("method", CASES)
def test_two_processes_make_the_update_that_one_makes(two, method, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(two[0])
    changes = SMALL | CASES[method]
    ours = training.train(method, "two", steps=UPDATE, out=tmp_path / "run", **changes)
    theirs = folder.open_run(two[0] / method)
    (row,), (other,) = ours.metrics(), theirs.metrics()
    assert row.keys() == other.keys() and row["gradient_norm"] > 1e-3
    for name in row.keys() - {"seconds"}:
        assert other[name] == pytest.approx(row[name], rel=1e-4, abs=1e-5), name
    one, both = (load_file(next(run.checkpoints.glob("*/state.safetensors"))) for run in (ours, theirs))
    for name, value in one.items():
        np.testing.assert_allclose(both[name], value, rtol=1e-4, atol=2e-5, err_msg=name)


def test_all_hold_the_same_weights_to_the_bit_and_the_first_alone_keeps_them(two):
    out, (first, second), _ = two
    assert {name: first[name] for name in CASES} == {name: second[name] for name in CASES}
    assert first["whole"] == second["whole"] and first["whole"][0] == f"{3 * UPDATE:012d}"
    kept = {path.name for path in out.iterdir() if path.is_dir()}
    assert kept == {*CASES, "whole", "half", "lost", "passing"} and not list((out / "passing").iterdir())
    assert folder.open_run(out / "whole").settings["processes"] == 2


def test_one_that_is_told_to_stop_stops_all_and_resuming_is_the_run_that_was_not_stopped(two):
    _, told, _ = two
    assert told[0]["half"] == told[1]["half"] and told[0]["half"][0] < told[0]["whole"][0]
    assert told[0]["again"] == told[1]["again"] == told[0]["whole"]


def test_who_is_left_says_so_and_what_cannot_be_shared_is_refused(two):
    out, told, left = two
    assert len(left) == 1 and left[0].startswith("another process of this run ended or fell silent")
    assert folder.open_run(out / "lost").status()["state"] == "failed"
    for one in told:
        assert one["same"] is None and one["apart"].startswith("processes that train together hold different weights")
        assert one["few"].startswith("2 processes share 1 × 1 attempts: start fewer")
        assert one["other"].startswith("random trains in one process, not in 2: start it without torchrun")


class Pretended(together.Together):
    """Number `rank` of processes that have `counts` rows."""

    def __init__(self, rank, counts):
        self.rank, self.size, self._counts = rank, len(counts), counts

    def gathered(self, rows):
        return np.array(self._counts)


def test_shares_and_minibatches_are_those_of_one_process_divided():
    for counts in ((5, 0, 2), (1, 1, 1), (0, 0, 0)):
        every = [Pretended(rank, counts) for rank in range(3)]
        assert np.concatenate([one.share(7) for one in every]).tolist() == list(range(7))
        parts = [list(one.minibatches(counts[one.rank], 3, np.random.default_rng(1))) for one in every]
        begin = np.cumsum((0, *counts))
        alone = list(together.ALONE.minibatches(sum(counts), 3, np.random.default_rng(1)))
        assert {len(mine) for mine in parts} == {len(alone)}
        for index, batch in enumerate(alone):
            theirs = [begin[rank] + row for rank, mine in enumerate(parts) for row in mine[index]]
            assert sorted(theirs) == sorted(batch)


def test_alone_there_is_nobody_to_ask(monkeypatch):
    rows, values = np.arange(3), [0.1, -0.0]
    assert together.ALONE.gathered(rows) is rows and together.ALONE.total(values) is values
    assert together.ALONE.added(*values) == values and together.ALONE.union({3, 1}) == [1, 3]
    for name in together.STARTED:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WORLD_SIZE", "4")  # somebody else's variable
    with together.joined() as among:
        assert among is together.here() is together.ALONE and together.rank() == 0
