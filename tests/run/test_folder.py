"""Run folders: made once, read by anybody, whole after any kill, held by one process at a time."""

import errno
import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from interplay.core.errors import InputError
from interplay.run import environment, folder
from interplay.run.folder import create, next_name, open_run, plain, scrub, write_json_atomic

SETTINGS = {
    "method": "ippo",
    "game": "spread",
    "seeds": 3,
    "seed": 0,
    "steps": 1000,
    "settings": {"rate": 3e-4},
    "descriptions": {"rate": "step size"},
}


@pytest.fixture
def run(tmp_path):
    return create(tmp_path / "ippo-spread-0001", SETTINGS, devices=2)


def test_a_new_run_can_be_opened_and_read(run):
    again = open_run(str(run.path))
    assert again == run
    assert run.settings == {"format": 1} | SETTINGS
    assert run.name == "ippo-spread-0001"
    assert run.metrics() == []
    assert run.status() == folder.STATUS
    assert run.checkpoints == run.path / "checkpoints"
    assert run.replays == run.path / "replays"
    assert {entry.name for entry in run.path.iterdir()} == {"settings.json", "environment.json", "status.json", "lock"}


def test_the_environment_names_versions_machine_and_commit(run):
    environment = run.environment
    wanted = {"interplay", "python", "jax", "numpy", "platform", "devices", "cpu", "commit", "modified"}
    assert wanted <= set(environment)
    assert environment["devices"] == 2
    assert environment["python"] == ".".join(map(str, sys.version_info[:3]))
    assert environment["numpy"] == np.__version__
    assert environment["cpu"]


def test_the_commit_is_that_of_the_checkout(tmp_path, monkeypatch):
    package = tmp_path / "package"
    package.mkdir()
    monkeypatch.setattr(environment, "__file__", str(package / "environment.py"))
    monkeypatch.chdir(package)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert environment.described()["commit"] is None
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    for command in (["init", "-q"], ["add", "."], [*who, "commit", "-q", "-m", "first"]):
        (package / "file").write_text("one")
        subprocess.run(["git", "-C", package, *command], check=True)
    clean = environment.described()
    assert len(clean["commit"]) == 40
    assert clean["modified"] is False
    (package / "file").write_text("two")
    assert environment.described()["modified"] is True
    monkeypatch.setenv("PATH", "/nowhere")
    assert environment.described()["commit"] is None


def test_nothing_here_imports_jax():
    code = "import sys, interplay.run.sinks; print([m for m in ('jax', 'numpy') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_folder_with_a_run_or_anything_else_is_refused_untouched(run, tmp_path):
    before = (run.path / "settings.json").read_bytes()
    with pytest.raises(InputError, match=r"holds a run already.*interplay resume .*ippo-spread-0001"):
        create(run.path, SETTINGS | {"seed": 1})
    assert (run.path / "settings.json").read_bytes() == before
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("text")
    with pytest.raises(InputError, match=r"not empty \(chapter.txt\) and holds no run"):
        create(tmp_path / "thesis", SETTINGS)
    assert [entry.name for entry in (tmp_path / "thesis").iterdir()] == ["chapter.txt"]
    with pytest.raises(InputError, match="cannot write"):
        create(tmp_path / "thesis" / "chapter.txt", SETTINGS)
    with pytest.raises(InputError, match="cannot write"):
        create(tmp_path / "thesis" / "chapter.txt" / "run", SETTINGS)


def test_what_a_killed_create_leaves_can_be_used_again(tmp_path):
    path = tmp_path / "run"
    path.mkdir()
    (path / "lock").write_text("123\n")
    (path / ".settings.json.123.partial").write_text("{")
    assert create(path, SETTINGS).settings["method"] == "ippo"


def test_settings_must_be_complete(tmp_path):
    with pytest.raises(InputError, match="settings of a run need game"):
        create(tmp_path / "run", {name: value for name, value in SETTINGS.items() if name != "game"})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"api_key": "anything"}, "api_key"),
        ({"wandb_api_key": "anything"}, "wandb_api_key"),
        ({"note": "uses topsecretvalue42 inside"}, "note"),
        ({"address": "https://me:password@example.org/v1"}, "address"),
    ],
)
def test_secrets_are_refused(tmp_path, monkeypatch, settings, name):
    monkeypatch.setenv("WANDB_API_KEY", "topsecretvalue42")
    with pytest.raises(InputError, match=f"setting '{name}' holds a secret") as caught:
        create(tmp_path / "run", SETTINGS | {"settings": settings})
    assert "topsecret" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_settings_that_only_sound_like_secrets_are_fine(tmp_path):
    settings = {
        "key_width": 64,
        "pad_token": "<pad>",
        "max_tokens": 5,
        "api_key": "",
        "address": "http://localhost:80/v1",
    }
    assert create(tmp_path / "run", SETTINGS | {"settings": settings}).settings["settings"] == settings


def test_text_written_anywhere_shows_no_secret(run, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_abcdefgh")
    monkeypatch.setenv("MY_KEY", "short")
    note = {"step": 1, "seed": 0, "metric": "x", "message": "got hf_abcdefgh, short", "checkpoint": None}
    run.write_status(state="failed", notes=[note])
    assert run.status()["notes"][0]["message"] == "got ***, short"
    assert scrub("http://u:p@host/x") == "http://***@host/x"


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (
            lambda path: (path / "settings.json").write_text(json.dumps({"format": 2} | SETTINGS)),
            "has format 2, this version",
        ),
        (lambda path: (path / "settings.json").write_text("{"), "settings.json cannot be read as JSON"),
        (lambda path: (path / "settings.json").write_text("[]"), "settings.json holds no JSON object"),
        (lambda path: (path / "settings.json").write_text('{"format": 1}'), "lacks method, game"),
        (
            lambda path: (path / "settings.json").unlink(),
            "is no run folder .*give a folder that `interplay train` made",
        ),
    ],
)
def test_a_folder_that_cannot_be_read_says_what_to_do(run, harm, message):
    harm(run.path)
    with pytest.raises(InputError, match=message) as caught:
        open_run(run.path)
    assert "\n" not in str(caught.value)


def test_a_wrong_path_names_the_nearest_run(run):
    with pytest.raises(InputError, match=r"there is no run folder .*nearest: .*ippo-spread-0001\)"):
        open_run(run.path.with_name("ippo-spread-001"))
    with pytest.raises(InputError, match=r"is no run folder .*give one of .*ippo-spread-0001"):
        open_run(run.path.parent)


def test_names_count_up_and_are_safe_for_any_game(tmp_path):
    assert next_name(tmp_path / "runs", "ippo", "spread") == tmp_path / "runs" / "ippo-spread-0001"
    (tmp_path / "runs" / "ippo-spread-0041").mkdir()
    (tmp_path / "runs" / "ippo-spread-fast-0099").mkdir()
    assert next_name(tmp_path / "runs", "ippo", "spread").name == "ippo-spread-0042"
    for game, name in {
        "jaxmarl:smax/2s3z": "mappo-jaxmarl-smax-2s3z-0001",
        "openspiel:leduc_poker(players=3)": "mappo-openspiel-leduc_poker-players-3-0001",
        "../../etc": "mappo-etc-0001",
    }.items():
        path = next_name(tmp_path / "runs", "mappo", game)
        assert path == tmp_path / "runs" / name
        assert create(path, SETTINGS).path == path
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write"):
        next_name(tmp_path / "file", "ippo", "spread")


def test_two_callers_never_get_the_same_name(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        paths = list(pool.map(lambda _: next_name(tmp_path, "ippo", "spread"), range(64)))
    assert sorted(path.name for path in paths) == [f"ippo-spread-{number:04d}" for number in range(1, 65)]


def test_a_torn_last_line_is_left_out_and_damage_inside_is_named(run):
    rows = [{"step": step, "return": None} for step in (1, 2)]
    whole = "".join(json.dumps(row) + "\n" for row in rows).encode()
    for torn in (b"", b"{", b'{"step": 3, "name": "\xc3', b'{"step": 3}'):
        run.metrics_file.write_bytes(whole + torn)
        assert run.metrics() == rows
    run.metrics_file.write_bytes(b"\0\0\n" + whole)
    with pytest.raises(InputError, match=r"metrics.jsonl line 1 is damaged: delete that line"):
        run.metrics()


def test_rows_after_the_checkpoint_are_dropped_and_the_others_stay_byte_for_byte(run):
    lines = [f'{{"step":{step},  "seed": {seed}, "x": 1.10}}\n' for step in (10, 20, 30) for seed in (0, 1)]
    run.truncate_metrics(20)
    assert not run.metrics_file.exists()
    run.metrics_file.write_text("".join(lines) + '{"step": 4')
    run.truncate_metrics(20)
    assert run.metrics_file.read_text() == "".join(lines[:4])
    run.truncate_metrics(0)
    assert run.metrics_file.read_text() == ""
    assert not [entry for entry in run.path.iterdir() if entry.name.endswith(".partial")]


def test_status_changes_field_by_field(run):
    run.write_status(step=np.int64(5), steps_per_second=np.float32(2.5), compile_seconds=float("inf"))
    run.write_status(state="interrupted")
    wanted = {"state": "interrupted", "step": 5, "steps_per_second": 2.5, "compile_seconds": None}
    assert run.status() == folder.STATUS | wanted
    with pytest.raises(InputError, match="no field 'speed'"):
        run.write_status(speed=3)
    with pytest.raises(InputError, match="state 'over' is unknown: use running, done"):
        run.write_status(state="over")
    (run.path / "status.json").unlink()
    assert run.status() == folder.STATUS


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_disk_that_refuses_leaves_the_old_file(run, monkeypatch, call):
    def refuse(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    run.write_status(step=5)
    with monkeypatch.context() as patch:
        patch.setattr(os, call, refuse)
        with pytest.raises(InputError, match=r"cannot write .*status.json: the disk is full: free some space"):
            run.write_status(step=6)
    assert run.status()["step"] == 5
    assert not list(run.path.glob(".*"))


def test_plain_values():
    value = {1: (np.float32(0.5), np.arange(2)), "bad": [np.nan, -np.inf], "flag": np.bool_(True), "path": Path("a/b")}
    assert plain(value) == {"1": [0.5, [0, 1]], "bad": [None, None], "flag": True, "path": "a/b"}
    with pytest.raises(InputError, match="cannot write object as JSON"):
        plain(object())


HOLD = """
import sys, time
from interplay.run.folder import open_run
with open_run(sys.argv[1]).lock():
    print("held", flush=True)
    time.sleep(60)
"""


def test_one_process_at_a_time_trains_into_a_folder(run):
    assert not run.is_training()
    with subprocess.Popen([sys.executable, "-c", HOLD, str(run.path)], stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            assert run.is_training()
            message = rf"another process \({holder.pid}\) is training into .*ippo-spread-0001: .*ippo-spread-0001/lock"
            with pytest.raises(InputError, match=message), run.lock():
                pytest.fail("two processes held one folder")
        finally:
            holder.send_signal(signal.SIGKILL)
    assert not run.is_training()
    with run.lock():
        assert run.is_training()
        assert (run.path / "lock").read_text() == f"{os.getpid()}\n"
    assert not run.is_training()


def test_a_lock_that_cannot_be_made_gives_a_line(run):
    (run.path / "lock").unlink()
    (run.path / "lock").mkdir()
    with pytest.raises(InputError, match=r"cannot write .*lock"), run.lock():
        pytest.fail("a folder is no lock")


KILLED = """
import sys
from pathlib import Path
from interplay.run.folder import write_json_atomic
number = 0
print("started", flush=True)
while True:
    number += 1
    write_json_atomic(Path(sys.argv[1]), {"number": number, "long": "x" * 100_000, "again": number})
"""


def test_a_kill_while_writing_leaves_the_old_or_the_new_file(tmp_path):
    path = tmp_path / "status.json"
    write_json_atomic(path, {"number": 0, "again": 0})
    for pause in (0.0, 0.003, 0.017, 0.04):
        with subprocess.Popen([sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            with pytest.raises(subprocess.TimeoutExpired):
                writer.wait(pause)
            writer.kill()
        value = json.loads(path.read_text())
        assert value["number"] == value["again"]
