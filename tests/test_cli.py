"""The command line as scripts use it: one object on standard output, one line on standard error, and the exit codes."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from interplay import cli
from interplay.commands.words import settings
from interplay.run import faults, folder, loop, state

TINY = ["--set", "width=8", "batch=4", "length=8", "passes=1", "minibatches=2"]
FIELDS = {"run", "method", "game", "seeds", "steps", "steps_per_second", "compile_seconds", "return", "execution"}
PROGRAM = [sys.executable, "-m", "interplay.cli"]


@pytest.fixture
def call(capsys):
    """`call("train", …)` gives the exit code, standard output and standard error."""

    def call(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            cli.main(list(words))
        return left.value.code, *capsys.readouterr()

    return call


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run made by the command line, and what it said."""
    path = tmp_path_factory.mktemp("runs") / "run"
    with pytest.MonkeyPatch.context() as patch:
        said = []
        patch.setattr("builtins.print", lambda *words, file=None, **_: said.append((file, " ".join(map(str, words)))))
        words = ["train", "ippo", "--game", "climbing", "--steps", "320", "--seeds", "2", "--out", str(path), *TINY]
        with pytest.raises(SystemExit) as left:
            cli.main([*words, "--json"])
    assert left.value.code == 0
    return path, [text for file, text in said if file is None]


@pytest.fixture
def run(trained, tmp_path):
    """A copy of the run that may be changed."""
    shutil.copytree(trained[0], tmp_path / "run")
    return tmp_path / "run"


def one_line(text: str) -> bool:
    return text.startswith("interplay: ") and text.endswith("\n") and text.count("\n") == 1


def test_train_prints_one_object(trained):
    path, out = trained
    assert len(out) == 1
    result = json.loads(out[0])
    assert set(result) >= FIELDS
    assert (result["run"], result["method"], result["game"]) == (str(path), "ippo", "climbing")
    assert (result["seeds"], result["steps"], result["execution"]) == (2, 320, "decentralized")
    assert set(result["return"]) == {"mean", "low", "high"}
    assert result["return"]["low"] <= result["return"]["mean"] <= result["return"]["high"]
    assert result["steps_per_second"] > 0
    assert result["compile_seconds"] > 0
    assert Path(result["report"]).exists()


def test_a_finished_run_resumes_to_what_it_was(run, call):
    before = state.check(state.latest(run / "checkpoints"))["digest"]
    code, out, err = call("resume", str(run), "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["steps"] == 320
    assert state.check(state.latest(run / "checkpoints"))["digest"] == before


def test_evaluate(run, call):
    code, out, err = call("evaluate", str(run), "--episodes", "4", "--json")
    result = json.loads(out)
    assert (code, err) == (0, "")
    assert (result["episodes"], result["mode"], result["execution"]) == (4, "greedy", "decentralized")
    assert json.loads((run / "evaluation.json").read_text()) == result
    code, out, err = call("evaluate", str(run), "--episodes", "4", "--sampled")
    assert "sampled actions" in out
    assert "the team runs decentralized" in out


def test_evaluate_plays_seeds_with_each_other(run, call):
    code, out, err = call("evaluate", str(run), "--episodes", "4", "--crossplay", "--json")
    result = json.loads(out)
    seeds = len(result["seeds"])
    assert (code, err) == (0, "")
    assert [len(row) for row in result["crossplay"]] == [seeds] * seeds
    assert [row[i] for i, row in enumerate(result["crossplay"])] == pytest.approx(result["per_seed"])
    code, out, err = call("evaluate", str(run), "--episodes", "4", "--crossplay")
    assert "first agent of" in out and "with seed 0" in out


def test_a_method_of_ones_own_goes_by_its_modules_name(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_own_rule.py").write_text("from interplay.methods.baselines.random import Settings, build\n")
    words = [
        "train",
        "my_own_rule",
        "--game",
        "climbing",
        "--steps",
        "16",
        "--out",
        "run",
        "--set",
        "batch=8",
        "length=1",
    ]
    code, out, err = call(*words, "--json")
    assert (code, json.loads(out)["method"]) == (0, "my_own_rule")
    (tmp_path / "no_method.py").write_text("x = 1\n")
    code, out, err = call("train", "no_method", "--game", "climbing")
    assert code == 2 and "is no method: it needs a dataclass Settings and a function build" in err


def test_replay_report_and_compare(run, call, tmp_path):
    code, out, err = call("replay", str(run), "--json")
    result = json.loads(out)
    assert (code, err) == (0, "")
    assert result["frames"] == 2
    assert Path(result["replay"]).exists()
    assert "<svg" in Path(result["report"]).read_text()
    code, out, _ = call("report", str(run), "--json")
    assert json.loads(out) == {"report": str(run / "report.html")}
    other = shutil.copytree(run, tmp_path / "other")
    page = tmp_path / "page.html"
    code, out, err = call("compare", str(run), str(other), "--out", str(page), "--json")
    result = json.loads(out)
    assert (code, err, result["report"]) == (0, "", str(page))
    assert [row["run"] for row in result["runs"]] == [str(run), str(other)]
    assert page.stat().st_size > 10_000
    assert "open" in call("compare", str(run), "--out", str(page))[1]


def test_list_and_doctor(call):
    tables = json.loads(call("list", "--json")[1])
    assert "ippo" in tables["methods"] and "spread" in tables["games"]
    assert set(json.loads(call("list", "methods", "--json")[1])) == {"methods"}
    assert "ippo" in call("list")[1]
    code, out, err = call("doctor", "--json")
    found = json.loads(out)
    assert (code, err, found["devices"]) == (0, "", 2)
    assert set(found["parts"]["PettingZoo games"]) == {"works", "install"}
    assert "compile cache" in call("doctor")[1]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("train ipo --game climbing", "did you mean ippo"),
        ("train ippo --game climbin", "did you mean climbing"),
        ("train ippo --game climbing --set widht=3", "did you mean width"),
        ("train ippo --game climbing --set width", "write FIELD=VALUE"),
        ("train ippo --game climbing --set steps=3", "give the steps as --steps"),
        ("train ippo --game climbing --steps -3", "cannot train for -3 steps: give 1 or more"),
        ("train ippo --game climbing --steps 2.5", "--steps"),
        ("train ippo --game climbing --seeds 0", "give 1 or more"),
        ("train ippo --game climbing --set batch=4 length=8 minibatches=3", "change batch, length or minibatches"),
        ("train ippo --game climbing --out OCCUPIED", "is not empty"),
        ("train ippo --game climbing --out FILE/run", "a file stands where a folder is needed"),
        ("train ippo --game climbing --sink carrier-pigeon", "carrier-pigeon"),
        ("train ippo --game climbing --frobnicate", "Unrecognized options: --frobnicate"),
        ("train ippo", "--game"),
        ("frobnicate", "Unrecognized options: frobnicate"),
        ("resume nowhere", "there is no run folder nowhere"),
        ("evaluate nowhere", "there is no run folder nowhere"),
        ("replay OCCUPIED", "is no run folder (it has no settings.json)"),
        ("compare nowhere", "nowhere: `interplay train` makes one"),
        ("report", "run folder"),
    ],
)
def test_bad_input_is_one_line_and_code_2(words, says, call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("OCCUPIED").mkdir()
    Path("OCCUPIED/thesis.txt").touch()
    Path("FILE").touch()
    code, out, err = call(*words.split())
    assert (code, out) == (2, "")
    assert one_line(err), err
    assert says in err
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["FILE", "thesis.txt"]


def test_a_run_is_never_written_over(run, call):
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    code, _, err = call("train", "ippo", "--game", "climbing", "--out", str(run))
    assert code == 2
    assert one_line(err)
    assert "holds a run already" in err
    assert f"interplay resume {run}" in err
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_corrupt_checkpoints_and_other_versions_are_one_line(run, call):
    newest = state.latest(run / "checkpoints")
    (newest / "state.safetensors").write_bytes(b"torn")
    code, out, err = call("evaluate", str(run), "--json")
    assert (code, out) == (2, "")
    assert one_line(err)
    assert "has no checkpoint to use" in err and newest.name in err
    settings = run / "settings.json"
    settings.write_text(settings.read_text().replace('"format": 1', '"format": 99'))
    for command in ("resume", "evaluate", "replay", "report"):
        code, _, err = call(command, str(run))
        assert code == 2
        assert one_line(err)
        assert "this version reads format 1" in err


@pytest.mark.parametrize(
    ("number", "says"), [(28, "the disk is full: free some space"), (30, "the file system is read-only")]
)
def test_a_disk_that_refuses_is_one_line(number, says, run, call, monkeypatch):
    def refuse(path, data):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(folder, "write_flushed", refuse)
    for words in (["evaluate", str(run), "--episodes", "2"], ["report", str(run)]):
        code, _, err = call(*words)
        assert code == 2, err
        assert one_line(err)
        assert says in err


def test_an_interrupted_run_says_how_to_go_on(tmp_path, call, monkeypatch):
    watched = loop._paced
    monkeypatch.setattr(loop, "_paced", lambda *given: [signal.raise_signal(signal.SIGINT), watched(*given)][1])
    path = tmp_path / "run"
    code, out, err = call(
        "train", "ippo", "--game", "climbing", "--out", str(path), "--seeds", "2", "--steps", "320", *TINY, "--json"
    )
    assert code == 130
    result = json.loads(out)
    assert result["state"] == "interrupted"
    assert err.splitlines()[-1] == f"stopped at step 32 and saved; continue with: interplay resume {path}"
    assert state.step_of(state.latest(path / "checkpoints")) == 32


def test_an_exploding_run_is_one_line_code_1_and_a_report(tmp_path, call):
    path = tmp_path / "run"
    words = [
        "train",
        "ippo",
        "--game",
        "climbing",
        "--out",
        str(path),
        "--seeds",
        "2",
        "--steps",
        "3200",
        *TINY,
        "rate=1e30",
    ]
    code, out, err = call(*words, "--json")
    assert (code, out) == (1, "")
    last = err.splitlines()[-1]
    assert last.startswith("interplay: training broke at step ")
    assert "Train again with a smaller learning rate" in last
    assert folder.open_run(path).status()["state"] == "failed"
    page = (path / "report.html").read_text()
    assert "training broke at step" in page
    assert "This run stopped by itself" in page
    assert not list((path / "checkpoints").glob("0*")) or state.latest(path / "checkpoints")


GAME = """
from interplay.games.matrix import climbing

def Broken(colour):
    return climbing()

def Raising():
    print("before")
    raise KeyError("nothing")
"""


def test_faults_of_a_users_file_are_told_with_their_place(tmp_path, call, monkeypatch):
    (tmp_path / "theirs.py").write_text(GAME)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    code, out, err = call("train", "ippo", "--game", "theirs:Raising", "--json")
    assert (code, out) == (2, "")
    assert err == f"before\ninterplay: theirs.py:9: KeyError: 'nothing' ({faults.TRACEBACK}=1 shows all)\n"
    monkeypatch.setenv(faults.TRACEBACK, "1")
    code, _, err = call("train", "ippo", "--game", "theirs:Raising")
    assert code == 2
    assert "Traceback (most recent call last)" in err
    sys.modules.pop("theirs")


def test_a_fault_of_ours_shows_its_traceback_and_code_1(call, monkeypatch):
    def broken():
        raise AssertionError("cannot happen")

    monkeypatch.setattr("interplay.run.health.examine", broken)
    monkeypatch.setattr(faults, "_is_users", lambda name: False)
    code, out, err = call("doctor")
    assert (code, out) == (1, "")
    assert "Traceback" in err
    assert err.splitlines()[-1].startswith("interplay: this is a fault of Interplay")


def test_repeated_flags_are_joined():
    words = ["train", "x", "--set", "a=1", "--seeds", "2", "--set", "b=2", "c=3", "--json", "--set", "a=4"]
    assert cli._joined(words) == ["train", "x", "--seeds", "2", "--json", "--set", "a=1", "b=2", "c=3", "a=4"]


def test_settings_are_read_as_python_and_else_as_text():
    assert settings(("a=1", "b=0.5", "c=True", "d=spread", "e=(1, 2)")) == {
        "a": 1, "b": 0.5, "c": True, "d": "spread", "e": (1, 2)}  # fmt: skip


def test_help_starts_at_once_and_without_jax():
    script = """if True:
        import sys
        from interplay import cli
        try:
            cli.main(["--help"])
        except SystemExit:
            print(sorted(sys.modules))
    """
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert "train" in answer.stdout
    for name in ("jax", "numpy", "equinox", "matplotlib", "rich.progress"):
        assert f"'{name}'" not in answer.stdout, name
    seconds = []
    for _ in range(3):
        began = os.times()
        subprocess.run([*PROGRAM, "--help"], capture_output=True, timeout=60, check=True)
        ended = os.times()  # processor time of the child: other processes on this machine do not count
        seconds.append(ended.children_user - began.children_user + ended.children_system - began.children_system)
    assert min(seconds) < 0.5


def test_a_reader_that_leaves_is_no_fault():
    answer = subprocess.run(
        f"{sys.executable} -m interplay.cli list | head -c 1", shell=True, capture_output=True, text=True
    )
    assert answer.stderr == ""


def test_ctrl_c_from_outside(tmp_path):
    """The whole program: Ctrl-C while it trains, code 130, a checkpoint and the way on; standard output stays empty."""
    path = tmp_path / "run"
    words = ["train", "ippo", "--game", "climbing", "--steps", "100000000", "--out", str(path), *TINY]
    with subprocess.Popen([*PROGRAM, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 240
        while not ((path / "metrics.jsonl").exists() and (path / "metrics.jsonl").stat().st_size):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == ""
    assert err.splitlines()[-1].endswith(f"and saved; continue with: interplay resume {path}")
    assert state.step_of(state.latest(path / "checkpoints")) == folder.open_run(path).status()["step"] > 0
