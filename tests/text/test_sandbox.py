"""The sandbox does its work, and nothing gets out: a hundred hostile programs, each beside bait that it could take.

A file in `hostile/` is one program. Its docstring says what it tries and its `# ends:` line how that must end; afterwards the
bait lies where it lay, the same sandbox serves an honest program, and once the pool is closed no process is left. Programs
marked `# shows outside` are also run without a sandbox, where they must succeed: else the battery would prove nothing.
"""

import concurrent.futures
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from interplay import cli
from interplay.core.errors import InputError
from interplay.text import sandbox, sandbox_worker, seccomp

HOSTILE = Path(__file__).parent / "hostile"
PRELUDE = (HOSTILE / "_prelude.py").read_text()
PROGRAMS = sorted(path.stem for path in HOSTILE.glob("[!_]*.py"))
QUICK = 0.5
HONEST = "def main(a, b):\n    return a * b"
SECRET, WORD = "INTERPLAY_SECRET_KEY", "swordfish-8271"
needs_bubblewrap = pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed")


@pytest.fixture(scope="module")
def pools():
    """Warm sandboxes by their time limit."""
    with sandbox.Pool(sandbox.Limits(seconds=20)) as patient, sandbox.Pool(sandbox.Limits(seconds=QUICK)) as quick:
        yield {"": patient, str(QUICK): quick}
        started = [pool._workers.queue[0]._started.result()[0].pid for pool in (patient, quick)]
        inside = [child for process in started for child in descendants(process)]
        assert len(inside) >= 2
    assert not [process for process in (*started, *inside) if Path(f"/proc/{process}").exists()]


@pytest.fixture
def pool(pools):
    return pools[""]


@pytest.fixture(scope="module")
def bait(tmp_path_factory):
    """What a program could take: a secret file, an open folder, servers of three kinds, an environment variable, a process."""
    folder = tmp_path_factory.mktemp("bait")
    secret = folder / "secret.txt"
    secret.write_text(WORD)
    with pytest.MonkeyPatch.context() as patch, Servers(folder) as servers:
        patch.setenv(SECRET, WORD)
        words = {"secret": str(secret), "folder": str(folder), "socket": str(folder / "socket"), "secret word": WORD}
        words |= {"port": servers[0].getsockname()[1], "abstract": servers[-1].getsockname()[1:].decode()}
        yield words | {"variable": SECRET, "pid": os.getpid()}, servers


class Servers:
    """A stream server, a datagram server on its port, and local ones by path and by abstract name."""

    def __init__(self, folder: Path):
        self.folder = folder

    def __enter__(self) -> list[socket.socket]:
        stream = socket.create_server(("127.0.0.1", 0))
        datagram = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        datagram.bind(stream.getsockname())
        local, abstract = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
        local.bind(str(self.folder / "socket"))
        abstract.bind(f"\0interplay-bait-{os.getpid()}")
        self.servers = [stream, datagram, local, abstract]
        for server in self.servers:
            server.setblocking(False)
            if server is not datagram:
                server.listen()
        return self.servers

    def __exit__(self, *_: object) -> None:
        for server in self.servers:
            server.close()


def visited(server: socket.socket) -> bool:
    """Whether anybody has spoken to a server since it was last asked."""
    try:
        if server.type == socket.SOCK_DGRAM:
            return bool(server.recv(100))
        server.accept()[0].close()
        return True
    except BlockingIOError:
        return False


def descendants(process: int) -> list[int]:
    """The processes that a process started, directly or not."""
    threads = Path(f"/proc/{process}/task").glob("*/children")
    children = [int(word) for thread in threads for word in thread.read_text().split()]
    return [*children, *(far for near in children for far in descendants(near))]


def marked(text: str, mark: str) -> str:
    found = re.search(rf"^# {mark}: (.*)$", text, re.MULTILINE)
    return found[1] if found else ""


def as_expected(outcome: sandbox.Outcome, expected: str) -> bool:
    """Whether an outcome is one of those of an `# ends:` line: `KIND WORDS or KIND WORDS`."""
    for way in expected.split(" or "):
        kind, _, words = way.partition(" ")
        if outcome.outcome == kind:
            if kind == "returned" and outcome.result == json.loads(words):
                return True
            if kind != "returned" and words in outcome.reason:
                return True
    return False


@needs_bubblewrap
@pytest.mark.parametrize("name", PROGRAMS)
def test_nothing_escapes(name, pools, bait):
    text = (HOSTILE / f"{name}.py").read_text()
    if marked(text, "only") not in ("", seccomp.machine()):
        pytest.skip("another machine's instructions")
    words, servers = bait
    before = (set(os.listdir(words["folder"])), set(os.listdir("/tmp")), set(os.listdir()), dict(os.environ))
    chosen = pools[marked(text, "seconds")]
    outcome = chosen.run(f"{PRELUDE}\n{text}", "main", (words,))
    assert as_expected(outcome, marked(text, "ends")), outcome
    assert len(outcome.printed) <= chosen.limits.printed
    assert len(outcome.reason) < 500
    assert not any(visited(server) for server in servers)
    now = (set(os.listdir(words["folder"])), set(os.listdir("/tmp")), set(os.listdir()), dict(os.environ))
    escaped = [
        name for fresh, old in zip(now[:3], before[:3], strict=True) for name in fresh - old if "escaped" in name
    ]
    assert not escaped and now[0] == before[0] and now[3] == before[3]
    assert not [file for file in now[2] - before[2] if "core" in file]
    assert Path(words["secret"]).read_text() == WORD
    assert pools[""].run(HONEST, "main", (6, 7)).result == 42
    if chosen is not pools[""]:
        assert chosen.run("def main(): return 'here'").outcome == "returned"


@pytest.mark.parametrize(
    "name", [name for name in PROGRAMS if "# shows outside" in (HOSTILE / f"{name}.py").read_text()]
)
def test_the_bait_can_be_taken_without_a_sandbox(name, bait, tmp_path):
    """The same programs succeed in an ordinary process, so that failing in the sandbox says something."""
    words, servers = bait
    kept = tmp_path / "secret.txt"
    kept.write_text(WORD)
    told = json.dumps(words | {"folder": str(tmp_path), "secret": str(kept), "outside": True})
    code = f"{PRELUDE}\n{(HOSTILE / f'{name}.py').read_text()}\nimport sys, json\n"
    code += "print(json.dumps(main(json.loads(sys.argv[1]))))"
    done = subprocess.run([sys.executable, "-c", code, told], capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert json.loads(done.stdout)
    if name in ("tcp_connect", "udp_send", "unix_sockets"):
        assert [visited(server) for server in servers].count(True) >= 1


@needs_bubblewrap
class TestHonest:
    def test_arguments_go_in_and_results_come_out(self, pool):
        source = "def main(a, b, c):\n    return {'sum': a + b, 'c': [c, (1, 2)], 'text': 'äß\\u2028', 'nothing': None}"
        outcome = pool.run(source, "main", (1, 2.5, {"x": [True]}))
        assert outcome == sandbox.Outcome(
            "returned",
            "",
            {"sum": 3.5, "c": [{"x": [True]}, [1, 2]], "text": "äß\u2028", "nothing": None},
            outcome.seconds,
        )
        assert 0 < outcome.seconds < 20

    def test_the_standard_library_can_be_used(self, pool):
        source = "import bisect, collections, copy, dataclasses, datetime, decimal, enum, fractions, functools, heapq\n"
        source += "import hashlib, itertools, math, random, re, statistics, string, textwrap, typing, zlib\n"
        source += "def main(): return math.tau"
        assert pool.run(source).result == pytest.approx(6.283185)

    def test_packages_are_there_when_asked_for(self):
        source = (
            "import numpy\ndef main(n):\n    a = numpy.eye(n)\n    return [a @ a, (a @ a).sum(), numpy.random.rand()]"
        )
        with sandbox.Pool(sandbox.Limits(seconds=30, packages=("numpy",))) as pool:
            first, second = (pool.run(source, "main", (2,)) for _ in range(2))
        assert first.result == second.result
        assert first.result[:2] == [[[1.0, 0.0], [0.0, 1.0]], 2.0]

    def test_arrays_may_be_arguments(self, pool):
        import numpy

        assert pool.run("def main(a): return a[1][0]", "main", (numpy.arange(4).reshape(2, 2),)).result == 2

    def test_errors_say_what_and_where(self, pool):
        cases = {
            "def main():\n    x = []\n    return x[3]": "IndexError: list index out of range (line 3)",
            "def main():\n    return 1 +": "SyntaxError: invalid syntax (line 2)",
            "x = 1 / 0": "ZeroDivisionError: division by zero (line 1)",
            "main = 3": "NameError: the program defines no function 'main'",
            "def main():\n    return {1, 2}": "TypeError: set is no JSON: return numbers, texts, lists and dicts",
            "def main(a):\n    return a": "TypeError: main() missing 1 required positional argument: 'a'",
            "def main():\n    raise ValueError": "ValueError (line 2)",
        }
        for source, reason in cases.items():
            outcome = pool.run(source)
            assert (outcome.outcome, outcome.reason, outcome.result) == ("raised", reason, None)

    def test_what_is_printed_is_kept(self, pool, pools):
        outcome = pool.run(
            "import sys\nprint('loading')\ndef main():\n    print('run'), print('wrong', file=sys.stderr)"
        )
        assert outcome.printed == "loading\nrun\nwrong\n"
        killed = pools[str(QUICK)].run("def main():\n    print('so far')\n    while True: pass")
        assert (killed.outcome, killed.printed) == ("killed", "so far\n")

    def test_the_same_program_gives_the_same_answer(self):
        source = "import random\ndef main(): return [random.random(), list({'a', 'b', 'c', 'd'}), hash('x')]"
        assert sandbox.run(source).result == sandbox.run(source).result

    def test_a_program_can_be_called_again_and_again(self, pool):
        source = "seen = []\ndef act(view):\n    seen.append(view)\n    return len(seen)\ndef fail(): return 1 / 0"
        with pool.open(source) as program:
            assert program.loaded.outcome == "returned"
            assert [program.call("act", (view,)).result for view in "abc"] == [1, 2, 3]
            assert program.call("fail").reason == "ZeroDivisionError: division by zero (line 5)"
            assert program.call("act", ("d",)).result == 4  # an error is an answer: the program goes on
        with pool.open(source) as program:
            assert program.call("act", ("a",)).result == 1

    def test_a_killed_program_stays_killed_and_one_that_did_not_load_too(self, pool):
        with pool.open("import os\ndef act(): os._exit(3)") as program:
            first, second = program.call("act"), program.call("act")
        assert first.reason == second.reason == "ended without an answer (exit code 3)"
        with pool.open("x = y") as program:
            assert program.loaded.reason == program.call("act").reason == "NameError: name 'y' is not defined (line 1)"

    def test_programs_run_at_once_and_apart(self):
        source = "import time\ndef main(n):\n    time.sleep(0.5)\n    return n"
        with sandbox.Pool(sandbox.Limits(seconds=30), workers=4) as pool:
            pool.run(HONEST, "main", (1, 1))
            began = time.monotonic()
            with concurrent.futures.ThreadPoolExecutor(8) as threads:
                found = list(threads.map(lambda n: pool.run(source, "main", (n,)).result, range(8)))
            took = time.monotonic() - began
        assert found == list(range(8))
        assert 1.0 <= took < 3.9  # 8 half seconds on 4 workers, not in a row


@needs_bubblewrap
class TestChannel:
    def test_an_answer_before_its_question_ends_the_program(self, pool):
        source = f"{PRELUDE}\ndef main(): return 1\ndef early():\n    os.write(channel(), framed(b'{{\"returned\": 1}}') * 2)"
        source += "\ndef later():\n    import time\n    time.sleep(0.2)\n    os.write(channel(), framed(b'{\"returned\": 7}'))"
        with pool.open(source) as program:
            assert program.call("early").reason.startswith("answered")
        with pool.open(source) as program:  # one answer by hand, and the usual one behind it
            assert program.call("later").outcome in ("returned", "killed")
            time.sleep(0.3)
            assert program.call("main").reason in ("answered before it was asked", "answered twice")

    def test_forged_state_does_not_reach_the_next_program(self, pool):
        forging = (HOSTILE / "patched_modules.py").read_text()
        assert pool.run(f"{PRELUDE}\n{forging}", "main", ({},)).result == "forged"
        source = "import builtins, json, os, struct, sys\ndef main():\n    return [len('abc'), json.dumps(1), "
        source += "'LEFT' in os.environ, '/tmp' in sys.path, hasattr(builtins, 'left_behind')]"
        assert pool.run(source).result == [3, "1", False, False, False]

    def test_arguments_must_be_json(self, pool):
        for wrong in (float("nan"), {1, 2}, object()):
            with pytest.raises(InputError, match="takes its arguments as JSON"):
                pool.run(HONEST, "main", (wrong, 1))
        assert pool.run(HONEST, "main", (6, 7)).result == 42

    def test_large_arguments_arrive_whole(self, pool):
        assert pool.run("def main(text): return len(text)", "main", ("x" * 5_000_000,)).result == 5_000_000

    def test_a_program_that_does_not_listen_runs_out_of_time(self, pools):
        source = (
            f"{PRELUDE}\ndef main():\n    os.write(channel(), framed(b'{{\"returned\": 1}}'))\n    while True: pass"
        )
        with pools[str(QUICK)].open(source) as program:
            assert program.call("main").result == 1
            assert program.call("main", ("x" * 5_000_000,)).reason == "took longer than 0.5 s"


@needs_bubblewrap
class TestLife:
    def test_a_warm_sandbox_starts_a_program_in_a_few_milliseconds(self, pool):
        pool.run(HONEST, "main", (1, 1))
        began = time.perf_counter()
        for _ in range(50):
            pool.run(HONEST, "main", (1, 1))
        assert (time.perf_counter() - began) / 50 < 0.15

    def test_a_sandbox_that_died_is_replaced(self, pool):
        pool.run(HONEST, "main", (1, 1))
        process = pool._workers.queue[0]._started.result()[0]
        process.kill()
        process.wait()
        assert pool.run(HONEST, "main", (6, 7)).result == 42

    def test_a_sandbox_killed_under_a_program_is_told_apart(self, pool):
        with pool.open("def main():\n    while True: pass") as program:
            process = program._worker._started.result()[0]
            with concurrent.futures.ThreadPoolExecutor(1) as thread:
                asked = thread.submit(program.call, "main")
                time.sleep(0.2)
                process.kill()
                assert asked.result().reason == "the sandbox was killed from outside"
        assert pool.run(HONEST, "main", (6, 7)).result == 42

    def test_sandboxes_outlive_the_thread_that_asked_for_them(self):
        with concurrent.futures.ThreadPoolExecutor(1) as thread:
            pool = thread.submit(sandbox.Pool).result()
            worker = pool._workers.queue[0]
            assert thread.submit(pool.run, HONEST, "main", (6, 7)).result().result == 42
        time.sleep(0.2)
        with pool:
            assert worker.alive
            assert pool.run(HONEST, "main", (6, 7)).result == 42
            assert pool._workers.queue[0] is worker

    def test_nothing_outlives_the_caller(self):
        code = "from interplay.text import sandbox\npool = sandbox.Pool()\nprint('up', flush=True)\n"
        code += "pool.run('def main():\\n    while True: pass')"
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as caller:
            assert caller.stdout is not None and caller.stdout.readline() == b"up\n"
            until = time.monotonic() + 30
            while (
                len(inside := descendants(caller.pid)) < 3 and time.monotonic() < until
            ):  # bubblewrap, the warm one, its copy
                time.sleep(0.02)
            assert len(inside) == 3
            caller.send_signal(signal.SIGKILL)
        until = time.monotonic() + 30
        while any(map(running, inside)) and time.monotonic() < until:
            time.sleep(0.02)
        assert not any(map(running, inside))

    def test_a_closed_pool_says_so(self):
        pool = sandbox.Pool()
        pool.close()
        pool.close()
        with pytest.raises(InputError, match="closed"):
            pool.run(HONEST)

    def test_processor_time_is_limited_over_all_calls(self):
        source = "def main():\n    for _ in range(10 ** 9): pass"
        with sandbox.Pool(sandbox.Limits(seconds=60, lifetime=1)) as pool:
            assert pool.run(source).reason == "used more than 1 s of processor time"


def running(process: int) -> bool:
    """Whether a process is there and more than an entry that its parent has not read."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


class TestRefusal:
    def test_without_bubblewrap_nothing_runs_and_the_error_says_how_to_install_it(self, monkeypatch, tmp_path):
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(InputError, match="apt-get install bubblewrap"):
            sandbox.run(HONEST)

    def test_a_bubblewrap_that_fails_is_quoted(self, monkeypatch, tmp_path):
        fake = tmp_path / "bwrap"
        fake.write_text("#!/bin/sh\necho 'bwrap: No permissions to create a new namespace' >&2\nexit 1\n")
        fake.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        with pytest.raises(InputError, match="does not start here: bwrap: No permissions to create a new namespace"):
            sandbox.run(HONEST)

    def test_machines_without_a_list_of_calls_are_refused(self, monkeypatch):
        monkeypatch.setattr(seccomp.platform, "machine", lambda: "riscv64")
        monkeypatch.setattr(sandbox_worker.shutil, "which", lambda _: "/usr/bin/bwrap")
        with pytest.raises(InputError, match="x86_64 and aarch64 only"):
            sandbox.run(HONEST)

    @needs_bubblewrap
    def test_packages_that_cannot_be_had_are_refused(self, monkeypatch, tmp_path):
        for name in ("no_such_package", "../etc", "os.path"):
            with pytest.raises(InputError, match="cannot offer the package"):
                sandbox.run(HONEST, limits=sandbox.Limits(packages=(name,)))
        (tmp_path / "broken.py").write_text("import no_such_package")
        monkeypatch.syspath_prepend(str(tmp_path))
        with pytest.raises(InputError, match="does not start here: ModuleNotFoundError"):
            sandbox.run(HONEST, limits=sandbox.Limits(packages=("broken",)))

    @pytest.mark.parametrize("wrong", [{"seconds": 0}, {"memory": -1}, {"seconds": float("inf")}, {"answer": 0}])
    def test_limits_must_be_limits(self, wrong):
        with pytest.raises(InputError, match=f"the limit '{next(iter(wrong))}'"):
            sandbox.Limits(**wrong)

    def test_a_pool_has_workers(self):
        with pytest.raises(InputError, match="workers=1"):
            sandbox.Pool(workers=0)


@needs_bubblewrap
class TestCommand:
    @pytest.fixture
    def call(self, capsys, tmp_path):
        def call(source: str, *words: str) -> tuple[int, str, str]:
            file = tmp_path / "program.py"
            file.write_text(source)
            capsys.readouterr()
            with pytest.raises(SystemExit) as left:
                cli.main(["sandbox", str(file), *words])
            return left.value.code, *capsys.readouterr()

        return call

    def test_one_object_on_standard_output(self, call):
        code, out, wrong = call(
            "def act(a, b):\n    print('hello')\n    return [a, b]",
            "--call",
            "act",
            "--arguments",
            '[1, "x"]',
            "--json",
        )
        found = json.loads(out)
        assert code == 0 and wrong == "hello\n"
        assert found == {"outcome": "returned", "reason": "", "result": [1, "x"], "seconds": found["seconds"]}

    def test_raised_and_killed(self, call):
        assert json.loads(call("def main(): 1 / 0", "--json")[1])["outcome"] == "raised"
        killed = json.loads(call("while True: pass", "--seconds", "0.3", "--json")[1])
        assert (killed["outcome"], killed["reason"]) == ("killed", "took longer than 0.3 s")
        small = json.loads(call("def main(): return len(bytearray(100 << 20))", "--memory", "100", "--json")[1])
        assert small["reason"].startswith("MemoryError")

    def test_for_people_without_steering_their_terminal(self, call):
        code, out, wrong = call("def main():\n    print('\\x1b[2Jx')\n    raise ValueError('\\x1b]0;title\\x07')")
        assert code == 0 and "\x1b" not in out + wrong
        assert out.startswith("raised: ValueError: �]0;title� (line 3) in 0.")

    def test_bad_input_is_one_line(self, call, tmp_path, capsys):
        for words in (["--arguments", "{}"], ["--arguments", "[1"], ["--packages", "no_such"], ["--seconds", "-1"]):
            code, out, wrong = call(HONEST, *words)
            assert (code, out, wrong.count("\n")) == (2, "", 1)
        with pytest.raises(SystemExit) as left:
            cli.main(["sandbox", str(tmp_path / "missing.py")])
        assert left.value.code == 2 and "give a file" in capsys.readouterr().err
