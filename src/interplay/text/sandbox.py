"""Programs that somebody else wrote, run where they can do no harm: the caller sends text and gets JSON back.

A program is Python source that defines functions. It is loaded in a fork of a warm interpreter inside a sandbox
(`sandbox_worker`: an empty, read-only world with no network; `seccomp`: a list of the few system calls that it may make),
with limits on time, memory and output, and one process with one thread. Searches such as FunSearch and AlphaEvolve, and
policy synthesis from self-play, stand on a runner of this kind.

**What the caller can trust.** That an `Outcome` came from the program it was asked of, and that nothing outside was read,
changed, reached or outlived. `outcome="killed"`, its reason and `seconds` are the caller's own observations.

**What the caller cannot trust: anything in `result`, `reason` of "raised", and `printed`.** The program's answer is made in
the program's own process, which it may bend as it likes: it may rewrite `json`, write an answer to the channel itself, or
leave before it returns. That gains it nothing, since it could as well have returned the same value: a result is *always*
what the program claims, never a fact. So the caller computes scores, from answers, outside. The channel belongs to one
program; an answer that comes before its question or two answers to one question end it; what is no JSON, not finite, too deep
or too long ends it. Results are never unpickled, evaluated or used as a name.

**What remains.** The kernel is shared: this stops programs that cheat, blunder or pry, not an attacker with a kernel exploit.
The interpreter's own library and the system's shared libraries can be read. Time can be measured, so that a program may
learn how busy the machine is. Programs may compute at full speed until their time is up.
"""

import contextlib
import dataclasses
import json
import math
import os
import queue
import select
import signal
import socket
import time
from collections.abc import Iterator
from typing import Any, Literal

from interplay.core.errors import InputError
from interplay.text import sandbox_guest
from interplay.text.sandbox_worker import Worker

DEEPEST = 100  # lists in lists; more would end in a RecursionError of whoever walks through it
PART = 1 << 16
LEAVING_SECONDS = 1.0  # that a program's process may take to end, once it has been told to


@dataclasses.dataclass(frozen=True)
class Limits:
    """How much a program may use before it is killed, and what it may import."""

    seconds: float = 5.0
    """Wall-clock time of one call (loading the program is one)."""
    memory: float = 512.0
    """Address space, in megabytes; past it the program gets a MemoryError."""
    printed: int = 1 << 16
    """Bytes that it may print in one call."""
    answer: int = 1 << 20
    """Bytes of one result, as JSON."""
    lifetime: float = 600.0
    """Processor seconds of all its calls together."""
    packages: tuple[str, ...] = ()
    """Installed packages that it may import besides the standard library, such as numpy; they are loaded beforehand."""

    def __post_init__(self):
        for field in dataclasses.fields(self)[:-1]:
            value = getattr(self, field.name)
            if not (math.isfinite(value) and value > 0):
                raise InputError(f"the limit '{field.name}' is {value}: give a finite number above 0")


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a call ended."""

    outcome: Literal["returned", "raised", "killed"]
    """`returned`: there is a result. `raised`: the program raised an error. `killed`: it was ended, or ended itself."""
    reason: str
    """Empty when it returned; the error and its line; or why it was killed."""
    result: Any
    """What the function returned, as JSON gives it back (tuples are lists); None unless it returned."""
    seconds: float
    """Wall-clock time that the caller waited."""
    printed: str = ""
    """What it printed meanwhile, standard output and standard error together."""


class _Ended(Exception):
    """The program is to be killed, or has gone; the words say why."""


def run(source: str, call: str = "main", arguments: tuple[Any, ...] = (), limits: Limits | None = None) -> Outcome:
    """Load a program in a sandbox of its own and call one of its functions.

    Starts a sandbox and throws it away; where there are many programs, `Pool` keeps sandboxes warm. `arguments` are sent as
    JSON. Raises InputError where bubblewrap is missing or does not work, and for arguments that are no JSON.

    >>> run("def main(n):\\n    return sum(range(n))", arguments=(10,)).result
    45
    """
    with Pool(limits) as pool:
        return pool.run(source, call, arguments)


class Pool:
    """Warm sandboxes: a program takes one, and a fresh one grows in the background where a program had to be killed.

    Threads may share a pool; as many programs run at once as there are workers, and others wait for their turn. Close it, or
    use it in a `with` statement.

    >>> with Pool(workers=1) as pool:
    ...     [pool.run(f"def main(): return {n} ** 2").result for n in range(3)]
    [0, 1, 4]
    """

    def __init__(self, limits: Limits | None = None, workers: int = 1):
        self.limits = Limits() if limits is None else limits
        if workers < 1:
            raise InputError(f"a pool of {workers} sandboxes can run nothing: give workers=1 or more")
        self._workers: queue.Queue[Worker] = queue.Queue()
        for _ in range(workers):
            self._workers.put(Worker(self.limits.packages))
        self.workers = workers
        self._closed = False

    def run(self, source: str, call: str = "main", arguments: tuple[Any, ...] = ()) -> Outcome:
        """Load a program and call one of its functions; the time limit holds for both together."""
        with self.open(source) as program:
            loaded = program.loaded
            if loaded.outcome != "returned":
                return loaded
            found = program.call(call, arguments, spent=loaded.seconds)
        return dataclasses.replace(
            found, seconds=loaded.seconds + found.seconds, printed=loaded.printed + found.printed
        )

    @contextlib.contextmanager
    def open(self, source: str) -> Iterator["Program"]:
        """A program that stays loaded and is called again and again, such as a policy that acts at every step of a game.

        >>> with Pool() as pool, pool.open("seen = []\\ndef act(x):\\n    seen.append(x)\\n    return len(seen)") as policy:
        ...     [policy.call("act", (view,)).result for view in ("left", "right")]
        [1, 2]
        """
        if self._closed:
            raise InputError("this pool of sandboxes is closed: make another, or keep it open longer")
        worker = self._workers.get()
        program = None
        try:
            if not worker.alive:
                worker.stop()
                worker = Worker(self.limits.packages)
            program = Program(worker, source, self.limits)
            yield program
        finally:
            try:
                if program is None or not program.close():
                    worker.stop()
                    worker = Worker(self.limits.packages)
            finally:
                self._workers.put(worker)

    def close(self) -> None:
        """Stop all sandboxes, once their programs have ended."""
        if self._closed:
            return
        self._closed = True
        for _ in range(self.workers):
            self._workers.get().stop()

    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Program:
    """One program in one sandbox. `loaded` says how loading it went; `call` asks it something."""

    def __init__(self, worker: Worker, source: str, limits: Limits):
        self._worker, self._limits = worker, limits
        self._channel, self._reading = worker.begin(int(limits.memory * 2**20), math.ceil(limits.lifetime))
        self._listening = True  # whether the program still holds the end into which it prints
        self._over: Outcome | None = None
        self.loaded = self._ask({"source": source})
        if self.loaded.outcome == "raised":
            self._over = self.loaded

    def call(self, function: str, arguments: tuple[Any, ...] = (), spent: float = 0.0) -> Outcome:
        """Call a function of the program; once it has been killed, or did not load, every call ends as that did.

        `spent` seconds of the time limit count as used up already. Raises InputError for arguments that are no JSON.
        """
        if self._over is not None:
            return dataclasses.replace(self._over, seconds=0.0, printed="")
        return self._ask({"call": function, "arguments": list(arguments)}, spent)

    def close(self) -> bool:
        """Let the program end. True where it did, and its sandbox can serve another; else the sandbox must be stopped."""
        with contextlib.suppress(OSError):
            self._channel.shutdown(socket.SHUT_RDWR)  # closing is not enough where the caller has been forked meanwhile
        self._channel.close()
        os.close(self._reading)
        return self._worker.alive and (not self._worker.running or self._worker.end(LEAVING_SECONDS) is not None)

    def _ask(self, question: dict[str, Any], spent: float = 0.0) -> Outcome:
        """One question, and what became of it."""
        sent = _packed(question)
        began, heard = time.monotonic(), bytearray()
        try:
            answer = _read(self._exchange(sent, heard, began + self._limits.seconds - spent))
            kind, reason = ("raised", answer["raised"]) if "raised" in answer else ("returned", "")
            result = answer.get("returned")
        except _Ended as end:
            kind, reason, result = "killed", str(end), None
            if self._worker.running:
                self._worker.stop()
        took = time.monotonic() - began
        printed = heard[: self._limits.printed].decode(errors="replace")
        outcome = Outcome(kind, reason, result, took, printed)
        if kind == "killed":
            self._over = outcome
        return outcome

    def _exchange(self, sent: bytes, heard: bytearray, deadline: float) -> bytes:
        """Send a question and read its answer, both in parts, while what is printed is collected."""
        unsent, got = memoryview(sent), bytearray()
        ready = select.poll()
        if self._listening:
            ready.register(self._reading, select.POLLIN)
        ready.register(self._channel, select.POLLIN | select.POLLOUT)
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                raise _Ended(f"took longer than {self._limits.seconds:.3g} s")
            for end, events in ready.poll(left * 1000 + 1):
                if end == self._reading:
                    if not self._hear(heard):
                        ready.unregister(end)
                elif events & ~select.POLLOUT:
                    if self._receive(got, early=bool(unsent)):
                        self._hear(heard)
                        return bytes(got[sandbox_guest.LENGTH.size :])
                elif unsent:
                    unsent = unsent[self._channel.send(unsent) :]
                    if not unsent:
                        ready.modify(self._channel, select.POLLIN)

    def _hear(self, heard: bytearray) -> bool:
        """Take in what has been printed by now; False once nobody can print any more."""
        while self._listening:
            try:
                part = os.read(self._reading, PART)
            except BlockingIOError:
                break
            self._listening = bool(part)
            heard += part
            if len(heard) > self._limits.printed:
                raise _Ended(f"printed more than {self._limits.printed:,} bytes")
        return self._listening

    def _receive(self, got: bytearray, early: bool) -> bool:
        """Take in some of an answer; True once it is whole."""
        try:
            part = self._channel.recv(PART)
        except ConnectionResetError:
            part = b""
        if not part:
            raise _Ended(self._why_gone())
        if early:
            raise _Ended("answered before it was asked")
        got += part
        if len(got) < sandbox_guest.LENGTH.size:
            return False
        size = sandbox_guest.LENGTH.unpack(got[: sandbox_guest.LENGTH.size])[0]
        if size > self._limits.answer:
            raise _Ended(f"answered with {size:,} bytes, more than {self._limits.answer:,}")
        missing = sandbox_guest.LENGTH.size + size - len(got)
        if missing < 0:
            raise _Ended("answered twice")
        return missing == 0

    def _why_gone(self) -> str:
        """How the program's process ended, as the sandbox's trusted half reports it."""
        status = self._worker.end(LEAVING_SECONDS)
        if status is None:
            return "closed its channel" if self._worker.alive else "the sandbox was killed from outside"
        code = os.waitstatus_to_exitcode(status)
        if code == -signal.SIGXCPU:
            return f"used more than {self._limits.lifetime:.3g} s of processor time"
        return f"ended without an answer ({f'exit code {code}' if code >= 0 else signal.Signals(-code).name})"


def _packed(question: dict[str, Any]) -> bytes:
    """A question as JSON behind its length; arrays go as lists.

    Raises InputError where something in it is no JSON.
    """
    try:
        text = json.dumps(question, allow_nan=False, default=sandbox_guest.plain).encode()
    except (TypeError, ValueError, RecursionError) as wrong:
        raise InputError(f"the sandbox takes its arguments as JSON: {wrong}") from None
    return sandbox_guest.LENGTH.pack(len(text)) + text


def _read(text: bytes) -> dict[str, Any]:
    """An answer from a program that may have written anything at all."""
    try:
        answer = json.loads(text.decode(), parse_constant=_refuse, parse_float=_finite)
        if text.count(b"[") + text.count(b"{") > DEEPEST:
            _shallow(answer)
        if b"\\u" in text:
            json.dumps(answer, ensure_ascii=False).encode()  # half a character could be neither printed nor written
    except (ValueError, RecursionError) as wrong:
        raise _Ended(f"answered with something that is no JSON: {str(wrong)[:100]}") from None
    if not isinstance(answer, dict) or len(answer) != 1 or not ({"returned", "raised"} & answer.keys()):
        raise _Ended("answered with something that is no answer")
    if "raised" in answer and not (isinstance(answer["raised"], str) and len(answer["raised"]) <= PART):
        raise _Ended("answered with something that is no answer")
    return answer


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not finite")


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _refuse(text)  # type: ignore[return-value]


def _shallow(value: Any) -> None:
    """Raise where lists and dicts are nested deeper than `DEEPEST`."""
    layer = [value]
    for _ in range(DEEPEST):
        layer = [
            inner
            for outer in layer
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, list | dict)
        ]
        if not layer:
            return
    raise ValueError("lists and dicts in it are nested too deep")
