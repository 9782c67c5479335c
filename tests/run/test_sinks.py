"""Sinks: the lines that are always written, and the adapters against the trackers' own shapes of calls."""

import importlib
import json
import sys
import types
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from interplay.core.errors import InputError
from interplay.run.folder import create, open_run
from interplay.run.sinks import SINKS, JsonLines, by_step, make

SETTINGS = {
    "method": "ippo",
    "game": "spread",
    "seeds": 2,
    "seed": 0,
    "steps": 100,
    "settings": {"rate": 0.1},
    "descriptions": {},
}
ROWS = [
    {"step": 8, "seed": 0, "update": 1, "return": 1.5, "length": None},
    {"step": 8, "seed": 1, "update": 1, "return": float("nan"), "length": 3},
    {"step": 16, "seed": 0, "update": 2, "return": np.float32(2.5), "length": jnp.asarray(4.0)},
]
BY_STEP = [
    (8, {"update/seed-0": 1.0, "return/seed-0": 1.5, "update/seed-1": 1.0, "length/seed-1": 3.0}),
    (16, {"update/seed-0": 2.0, "return/seed-0": 2.5, "length/seed-0": 4.0}),
]
CONFIG = {"rate": 0.1, "method": "ippo", "game": "spread", "seeds": 2, "seed": 0, "steps": 100}


@pytest.fixture
def run(tmp_path):
    return create(tmp_path / "ippo-spread-0001", SETTINGS)


class Recorder(types.ModuleType):
    """A stand-in for a tracker's package: records each call, prints as trackers do, fails when told to."""

    def __init__(self, name: str, answers: dict, identity: str = ""):
        super().__init__(name)
        self.id = identity
        self.calls: list[tuple] = []
        self.fails: dict[str, Exception] = {}
        self.answers = answers

    def __getattr__(self, name: str):
        if name.startswith("__"):
            raise AttributeError(name)

        def call(*values, **named):
            print("tracker says hello")
            if name in self.fails:
                raise self.fails[name]
            self.calls.append((name, *values, *([named] if named else [])))
            return self.answers.get(name)

        return call


def install(monkeypatch, name: str, **answers) -> Recorder:
    module = Recorder(name, answers)
    monkeypatch.setitem(sys.modules, name, module)
    return module


def test_json_lines_appends_and_flushes_each_write(run):
    sink = JsonLines(run.metrics_file)
    sink.write(ROWS[:2])
    assert [row["step"] for row in run.metrics()] == [8, 8]
    sink.write(ROWS[2:])
    sink.write([])
    sink.sync()
    sink.close()
    sink.close()
    assert run.metrics() == [
        {"step": 8, "seed": 0, "update": 1, "return": 1.5, "length": None},
        {"step": 8, "seed": 1, "update": 1, "return": None, "length": 3},
        {"step": 16, "seed": 0, "update": 2, "return": 2.5, "length": 4.0},
    ]
    with JsonLinesClosing(run.metrics_file) as again:
        again.write([{"step": 24}])
    assert len(run.metrics()) == 4


class JsonLinesClosing(JsonLines):
    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


@pytest.mark.parametrize("whole", [b"", b'{"step": 1}\n', b'{"step": 1}\n{"step": 2}\n'])
@pytest.mark.parametrize("torn", [b"", b'{"st', b'{"text": "' + b"x" * 200_000])
def test_a_torn_last_line_is_cut_before_appending(run, whole, torn):
    run.metrics_file.write_bytes(whole + torn)
    with JsonLinesClosing(run.metrics_file) as sink:
        sink.write([{"step": 3}])
    assert run.metrics_file.read_bytes() == whole + b'{"step": 3}\n'


def test_a_full_disk_gives_a_line_and_leaves_whole_rows(run, monkeypatch):
    with pytest.raises(InputError, match="cannot write"):
        JsonLines(run.path / "nowhere" / "metrics.jsonl")
    sink = JsonLines(run.metrics_file)
    sink.write([{"step": 1}])
    real = sink._file

    class Filling:
        """Takes four bytes, then the disk is full."""

        def __init__(self):
            self.room = 4

        def write(self, data):
            if not self.room:
                raise OSError(28, "No space left on device")
            taken, self.room = real.write(data[: self.room]), 0
            return taken

        def __getattr__(self, name):
            return getattr(real, name)

    monkeypatch.setattr(sink, "_file", Filling())
    with pytest.raises(InputError, match=r"cannot write .*metrics.jsonl: the disk is full"):
        sink.write([{"step": 2}])
    assert run.metrics_file.read_bytes() == b'{"step": 1}\n'
    monkeypatch.undo()
    sink.write([{"step": 2}])
    sink.close()
    assert [row["step"] for row in run.metrics()] == [1, 2]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_device_that_is_always_full(tmp_path):
    (tmp_path / "metrics.jsonl").symlink_to("/dev/full")
    with pytest.raises(InputError, match="cannot write"):
        JsonLines(tmp_path / "metrics.jsonl").write([{"step": 1}])


def test_rows_of_one_step_are_joined():
    assert list(by_step(ROWS)) == BY_STEP
    assert list(by_step([])) == []


def read_events(folder: Path) -> list[tuple[int, str, float]]:
    """Read TensorBoard's files back: length, checksum, event, checksum."""
    event = importlib.import_module("tensorboardX.proto.event_pb2").Event
    scalars = []
    for file in sorted(folder.glob("events.*")):
        data = file.read_bytes()
        while data:
            size = int.from_bytes(data[:8], "little")
            record = event.FromString(data[12 : 12 + size])
            scalars += [(record.step, value.tag, value.simple_value) for value in record.summary.value]
            data = data[16 + size :]
    return scalars


def test_tensorboard_event_files_hold_every_number(run):
    sink = make("tensorboard", run)
    sink.write(ROWS)
    sink.close()
    assert read_events(run.path / "tensorboard" / "seed-0") == [
        (8, "update", 1.0),
        (8, "return", 1.5),
        (16, "update", 2.0),
        (16, "return", 2.5),
        (16, "length", 4.0),
    ]
    assert read_events(run.path / "tensorboard" / "seed-1") == [(8, "update", 1.0), (8, "length", 3.0)]


def test_wandb_calls_and_resuming(run, monkeypatch, capsys):
    monkeypatch.delenv("WANDB_PROJECT", raising=False)
    session = Recorder("session", {}, "abc123")
    package = install(monkeypatch, "wandb", init=session)
    sink = make("wandb", run)
    sink.write(ROWS)
    sink.close()
    wanted = {"project": "interplay", "name": "ippo-spread-0001", "config": CONFIG, "id": None, "resume": "allow"}
    assert package.calls == [("init", wanted)]
    assert session.calls == [*(("log", metrics, {"step": step}) for step, metrics in BY_STEP), ("finish",)]
    monkeypatch.setenv("WANDB_PROJECT", "mine")
    make("wandb", open_run(run.path)).close()
    assert package.calls[1] == ("init", wanted | {"project": "mine", "id": "abc123"})
    assert capsys.readouterr().out == ""


def test_mlflow_calls_and_resuming(run, monkeypatch, capsys):
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
    active = types.SimpleNamespace(info=types.SimpleNamespace(run_id="feed"))
    package = install(monkeypatch, "mlflow", start_run=active)
    sink = make("mlflow", run)
    sink.write(ROWS)
    sink.close()
    assert package.calls == [
        ("set_experiment", "interplay"),
        ("start_run", {"run_name": "ippo-spread-0001"}),
        ("log_params", CONFIG),
        *(("log_metrics", metrics, {"step": step}) for step, metrics in BY_STEP),
        ("end_run",),
    ]
    package.calls.clear()
    make("mlflow", run).close()
    assert package.calls == [("set_experiment", "interplay"), ("start_run", {"run_id": "feed"}), ("end_run",)]
    assert capsys.readouterr().out == ""


def test_trackio_calls(run, monkeypatch, capsys):
    package = install(monkeypatch, "trackio")
    sink = make("trackio", run)
    sink.write(ROWS)
    sink.close()
    start = {"project": "interplay", "name": "ippo-spread-0001", "config": CONFIG, "resume": "allow"}
    logs = [("log", metrics, {"step": step}) for step, metrics in BY_STEP]
    assert package.calls == [("init", start), *logs, ("finish",)]
    assert capsys.readouterr().out == ""


def test_two_trackers_remember_their_own_run(run, monkeypatch):
    install(monkeypatch, "wandb", init=types.SimpleNamespace(id="w", log=print, finish=print))
    install(monkeypatch, "mlflow", start_run=types.SimpleNamespace(info=types.SimpleNamespace(run_id="m")))
    make("wandb", run)
    make("mlflow", run)
    assert json.loads((run.path / "sinks.json").read_text()) == {"wandb": "w", "mlflow": "m"}


@pytest.mark.parametrize("name", ["tensorboard", "wandb", "mlflow", "trackio"])
def test_a_missing_package_names_the_extra(run, monkeypatch, name):
    package = {"tensorboard": "tensorboardX"}.get(name, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=rf"needs {package}: pip install 'interplay\[sinks\]'"):
        make(name, run)


def test_an_unknown_sink_lists_the_known_ones(run):
    with pytest.raises(InputError, match="no sink 'wnb': use jsonl, tensorboard, wandb, mlflow, trackio"):
        make("wnb", run)
    make("jsonl", run).close()
    assert set(SINKS) == {"jsonl", "tensorboard", "wandb", "mlflow", "trackio"}


@pytest.mark.parametrize("name", ["wandb", "mlflow", "trackio"])
def test_a_tracker_that_cannot_start_gives_one_line_without_keys(run, monkeypatch, capsys, name):
    monkeypatch.setenv("WANDB_API_KEY", "topsecretvalue42")
    package = install(monkeypatch, name)
    package.fails = dict.fromkeys(["init", "set_experiment"], RuntimeError("key topsecretvalue42 is wrong\nmore"))
    with pytest.raises(
        InputError, match=rf"{name} cannot start \(RuntimeError: key \*\*\* is wrong\): log in"
    ) as caught:
        make(name, run)
    assert caught.value.__suppress_context__
    assert "topsecret" not in capsys.readouterr().err


def test_a_tracker_that_fails_while_training_is_reported_once(run, monkeypatch, capsys):
    monkeypatch.setenv("TRACKIO_TOKEN", "topsecretvalue42")
    package = install(monkeypatch, "trackio")
    sink = make("trackio", run)
    package.fails = {
        "log": ConnectionError("http://user:pass@host?t=topsecretvalue42"),
        "finish": ConnectionError("no"),
    }
    sink.write(ROWS)
    package.fails.pop("log")
    sink.write(ROWS)
    sink.close()
    lines = [line for line in capsys.readouterr().err.splitlines() if "tracker says" not in line]
    assert lines == [
        "trackio does not take metrics (ConnectionError: http://***@host?t=***): "
        "training goes on, metrics.jsonl has all"
    ]
    assert len([call for call in package.calls if call[0] == "log"]) == 2


def test_no_secret_of_the_environment_reaches_the_run_folder(run, monkeypatch):
    for name in ("WANDB_API_KEY", "MLFLOW_TRACKING_PASSWORD", "HF_TOKEN"):
        monkeypatch.setenv(name, "topsecretvalue42")
    install(monkeypatch, "wandb", init=types.SimpleNamespace(id="w", log=print, finish=print))
    for name in ("jsonl", "tensorboard", "wandb"):
        sink = make(name, run)
        sink.write(ROWS)
        sink.close()
    run.write_status(state="done")
    files = [path for path in run.path.rglob("*") if path.is_file()]
    assert len(files) > 6
    assert not [path for path in files if b"topsecretvalue42" in path.read_bytes()]
