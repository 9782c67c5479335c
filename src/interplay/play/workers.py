"""A bench whose games live in other processes: slow games use all cores, and one that hangs can be stopped.

Commands are small JSON headers, arrays travel as their raw bytes over a pipe; nothing is pickled but the game's name. A
process is started fresh ("spawn"), so that JAX's threads are not forked. It ends with its parent, however that ends.
"""

import contextlib
import functools
import json
import multiprocessing
import multiprocessing.connection
import signal
import sys
import time
import weakref
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, NoReturn

import numpy as np

from interplay.core.errors import GameError, InputError
from interplay.core.game import Box, Discrete, HostGame, Spec
from interplay.play.bench import Bench, Rows, action_room, blank, located, mover_name

PATIENCE = 1.0  # seconds that other processes get to answer once one has told of a fault
BIRTH = 120.0  # seconds granted to import and make a game, on top of the user's timeout
MAKE = "interplay.games:make"


class Recipe(NamedTuple):
    """How another process makes the game: a function by name and JSON arguments for it."""

    function: str
    arguments: list
    keywords: dict

    def __call__(self) -> HostGame:
        import importlib

        module, _, attribute = self.function.partition(":")
        maker: Any = functools.reduce(getattr, attribute.split("."), importlib.import_module(module))
        return maker(*self.arguments, **self.keywords)


def recipe(make: Callable[[], HostGame]) -> Recipe:
    """The recipe of a game maker: an importable function, or a `functools.partial` of one with plain arguments.

    Raises `InputError` for closures and for functions typed at a prompt, which another process cannot find.
    """
    if isinstance(make, Recipe):
        return make
    function, arguments, keywords = make, [], {}
    if isinstance(make, functools.partial):
        function, arguments, keywords = make.func, list(make.args), dict(make.keywords)
    module, name = getattr(function, "__module__", "__main__"), getattr(function, "__qualname__", "<locals>")
    if module == "__main__" or "<" in name:
        raise InputError("worker processes cannot find this game: give its name, such as 'my_module:MyGame'")
    try:
        json.dumps([arguments, keywords])
    except TypeError:
        raise InputError("worker processes need a game with plain parameters: numbers, strings and lists") from None
    return Recipe(f"{module}:{name}", arguments, keywords)


class Workers:
    """The two verbs of `Bench` over `count` processes that share `batch` games; see there.

    A game that does not answer within `timeout` seconds is reported with its number and step. After any fault all
    processes are stopped and this object is of no further use.
    """

    def __init__(self, make: Callable[[], HostGame], batch: int, count: int, timeout: float):
        context = multiprocessing.get_context("spawn")
        made = recipe(make)
        self.timeout, self._known = timeout, False
        self.title = str(made.arguments[0]) if made.function == MAKE else made.function
        self._parts = [part for part in np.array_split(np.arange(batch), min(count, batch)) if len(part)]
        self._lines, self._processes, self._watched = [], [], []
        for part in self._parts:
            ours, theirs = context.Pipe()
            watched = context.RawArray("q", [int(part[0]), 0, -1])  # the game being entered, its step, whose turn it is
            given = (theirs, watched, tuple(made), len(part), int(part[0]))
            process = context.Process(target=serve, args=given, daemon=True)
            process.start()
            theirs.close()
            self._lines.append(ours)
            self._processes.append(process)
            self._watched.append(watched)
        self.close = weakref.finalize(self, _stop, self._lines, self._processes)
        born = self._replies(range(len(self._parts)), BIRTH + timeout)
        self.spec, self.title, self._known = _spec(born[0]["spec"]), born[0]["title"], True

    @property
    def alive(self) -> bool:
        """Whether the processes are still there."""
        return self.close.alive

    def reset(self, rows: Iterable[Any], seeds: Iterable[Any], out: Rows) -> None:
        """As `Bench.reset`."""
        seed_of = dict(zip(map(int, rows), map(int, seeds), strict=True))
        self._ask("reset", seed_of, seed_of.__getitem__, None, out)

    def step(self, rows: Iterable[Any], action: np.ndarray, out: Rows) -> None:
        """As `Bench.step`."""
        self._ask("step", rows, lambda row: 0, action, out)

    def _ask(self, verb: str, rows: Iterable[Any], seed: Callable, action: np.ndarray | None, out: Rows) -> None:
        if not self.alive:
            raise GameError(f"{self.title}: its processes were stopped")
        wanted = set(map(int, rows))
        asked = {}
        for index, part in enumerate(self._parts):
            mine = [int(row) for row in part if int(row) in wanted]
            if not mine:
                continue
            asked[index] = mine
            header = {"verb": verb, "rows": [row - int(part[0]) for row in mine], "seeds": [seed(row) for row in mine]}
            self._send(index, json.dumps(header).encode(), None if action is None else action[mine].tobytes())
        self._replies(asked, self.timeout, lambda index, data: _unpack(data, self.spec, asked[index], out))

    def _send(self, index: Any, header: bytes, action: bytes | None) -> None:
        try:
            self._lines[index].send_bytes(header)
            if action is not None:
                self._lines[index].send_bytes(action)
        except OSError:
            self._fail(index, "its process has ended")

    def _replies(self, asked: Any, seconds: float, take: Callable | None = None) -> dict[int, dict]:
        """Read one answer of each process in `asked`, in whatever order they come; raise the first one's fault."""
        waiting, answers = {self._lines[index]: index for index in asked}, {}
        deadline = time.monotonic() + seconds
        while waiting:
            ready = multiprocessing.connection.wait(list(waiting), max(0.0, deadline - time.monotonic()))
            for line in ready:
                index = waiting.pop(line)
                answers[index] = self._answer(index, line, take)
                if (
                    "error" in answers[index]
                ):  # others may be about to say the same: name the first game, not the fastest
                    deadline = min(deadline, time.monotonic() + PATIENCE)
            if not ready:
                break
        faults = [answer for _, answer in sorted(answers.items()) if "error" in answer]
        if faults:
            self.close()
            raise (InputError if faults[0]["input"] else GameError)(faults[0]["error"])
        if waiting:
            self._fail(min(waiting.values()), f"no answer within {self.timeout:g} s; its process was stopped")
        return answers

    def _answer(self, index: Any, line: Any, take: Callable | None) -> dict:
        try:
            header = json.loads(line.recv_bytes())
            if "error" not in header and take is not None:
                take(index, line.recv_bytes())
            return header
        except (EOFError, OSError):
            self._processes[index].join(1.0)
            code = self._processes[index].exitcode
            hint = "" if self._known else "; a script that trains needs `if __name__ == '__main__':` around that"
            self._fail(index, f"its process has ended (exit code {code}){hint}")

    def _fail(self, index: Any, what: str) -> NoReturn:
        game, step, mover = self._watched[index]
        agent = mover_name(self.spec, mover) if self._known else None
        self.close()
        raise GameError(f"{located(self.title, game, step, agent)}: {what}")


def _stop(lines: list, processes: list) -> None:
    """End the processes and wait for them, so that none is left behind."""
    for line in lines:
        line.close()  # an idle process sees this and ends by itself
    for process in processes:
        process.join(0.2)
        if process.is_alive():
            process.kill()
            process.join()
        process.close()


def _unpack(data: bytes, spec: Spec, rows: list[int], out: Rows) -> None:
    start = 0
    for field, target in zip(blank(spec, len(rows)), out, strict=True):
        target[rows] = np.frombuffer(data, field.dtype, field.size, start).reshape(field.shape)
        start += field.nbytes


def _described(spec: Spec) -> dict:
    plain = {name: getattr(spec, name) for name in spec.__dataclass_fields__ if name != "action"}
    action = spec.action
    kind = {"count": action.count} if isinstance(action, Discrete) else [action.size, action.low, action.high]
    return {**plain, "action": kind}


def _spec(described: dict[str, Any]) -> Spec:
    kind = described.pop("action")
    action = Discrete(kind["count"]) if isinstance(kind, dict) else Box(*kind)
    fields: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in described.items()
    }
    return Spec(action=action, **fields)


def serve(line: Any, watched: Any, made: tuple, count: int, first: int) -> None:
    """What a worker process does: make `count` games, then obey headers until the line is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then closes the line
    sys.stdout = sys.stderr  # standard output is for the parent's results, whatever games have to say

    def watch(game: int, step: Any, mover: int) -> None:
        watched[0], watched[1], watched[2] = game, step, mover

    try:
        bench = Bench(Recipe(*made), count, first, watch)
    except Exception as wrong:  # making somebody else's game may raise anything
        _refuse(line, wrong, f"cannot make {made[1][0] if made[1] else made[0]}: {type(wrong).__name__}: ")
        return
    try:
        line.send_bytes(json.dumps({"spec": _described(bench.spec), "title": bench.title}).encode())
        while True:
            _obey(bench, line)
    except GameError as wrong:
        _refuse(line, wrong, "")
    except (EOFError, OSError):  # the parent is done with us, or is no more
        return


def _refuse(line: Any, wrong: Exception, prefix: str) -> None:
    ours = isinstance(wrong, (InputError, GameError))
    header = {"error": str(wrong) if ours else f"{prefix}{wrong}", "input": isinstance(wrong, InputError)}
    with contextlib.suppress(OSError):  # the parent may have heard of another fault and be gone
        line.send_bytes(json.dumps(header).encode())


def _obey(bench: Bench, line: Any) -> None:
    header = json.loads(line.recv_bytes())
    rows, spec = header["rows"], bench.spec
    out = blank(spec, len(bench.games))
    if header["verb"] == "reset":
        bench.reset(rows, header["seeds"], out)
    else:
        action = action_room(spec, len(bench.games))
        action[rows] = np.frombuffer(line.recv_bytes(), action.dtype).reshape(len(rows), *action.shape[1:])
        bench.step(rows, action, out)
    line.send_bytes(b"{}")
    line.send_bytes(b"".join(field[rows].tobytes() for field in out))
