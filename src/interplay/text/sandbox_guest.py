"""What runs inside the sandbox: a Python that is ready, forks for each program, and lets the copy tie itself down.

It is run as a file of its own by another interpreter (no package of ours can be seen in there), in the manner of Android's
zygote and of the fork servers of fuzzers: what is slow to start is started once, and each program gets a fresh copy of it.
The copy gives up the way to its parent, takes limits on memory and processor time, installs the filter of system calls, and
only then reads the program. From that moment on nothing in the copy is to be trusted; what is above it is never touched by it.

Two ways lead out. `control` carries whole messages between the trusted parent and this file: one that greets, one for each
program with the two ends that it gets, one back with how it ended. `channel` carries questions and answers of one program,
each as JSON behind its length, and belongs to that program alone.
"""

import ctypes
import gc
import importlib
import io
import json
import os
import random
import resource
import select
import socket
import struct
import sys
from typing import Any

LENGTH = struct.Struct("=I")
LONGEST = 300  # characters of an error that are told
SET_DUMPABLE, SET_FILTER, FILTER_MODE = 4, 22, 2  # prctl(2), seccomp(2)
PROGRAM = "<program>"


class Filter(ctypes.Structure):
    """struct sock_fprog: how many lines, and where they stand."""

    _fields_ = (("length", ctypes.c_ushort), ("lines", ctypes.c_char_p))


def serve(control: socket.socket) -> None:
    """Greet the parent, then fork for every program that it sends, one at a time, until it has gone."""
    greeting = json.loads(control.recv(1 << 20) or b"null")
    if greeting is None:
        return
    try:
        for name in greeting["packages"]:
            importlib.import_module(name)
        if "numpy" in sys.modules:
            importlib.import_module("numpy.random")  # it is slow, and every copy seeds it
    except Exception as wrong:
        control.send(told(wrong).encode())
        return
    gc.collect()
    gc.freeze()
    control.send(b"ready")
    while True:
        message, ends, _, _ = socket.recv_fds(control, 1 << 12, 2)
        if not message:
            return
        child = os.fork()
        if child == 0:
            control.close()
            become(ends[0], ends[1], json.loads(message), bytes.fromhex(greeting["filter"]))
        for end in ends:
            os.close(end)
        control.send(str(ending(control, child)).encode())


def ending(control: socket.socket, child: int) -> int:
    """Wait for the copy, and give its status; should the parent go or speak first, leave, which ends the copy too."""
    watched = os.pidfd_open(child)
    ready = select.poll()
    ready.register(control, select.POLLIN)
    ready.register(watched, select.POLLIN)
    if any(end == control.fileno() for end, _ in ready.poll()):
        os._exit(0)
    os.close(watched)
    return os.waitpid(child, 0)[1]


def become(channel: int, printed: int, limits: dict[str, int], lines: bytes) -> None:
    """Turn this copy into one that can only compute, then serve the program's channel. Never returns."""
    try:
        for stream, name in ((1, "stdout"), (2, "stderr")):
            os.dup2(printed, stream)
            setattr(sys, name, io.TextIOWrapper(io.FileIO(stream, "w"), errors="backslashreplace", line_buffering=True))
        os.close(printed)
        random.seed(0)  # the same program gives the same answer
        if "numpy" in sys.modules:
            sys.modules["numpy"].random.seed(0)
        confine(limits, lines)
        converse(channel)
    except BaseException as wrong:
        os.write(2, f"{type(wrong).__name__}: {wrong}\n".encode())
        os._exit(1)
    finally:
        os._exit(0)


def confine(limits: dict[str, int], lines: bytes) -> None:
    """Limit what this process may use, then what it may ask the kernel for; there is no way back from either."""
    memory, seconds = limits["memory"], limits["seconds"]
    resource.setrlimit(
        resource.RLIMIT_CPU, (seconds, seconds + 1)
    )  # a signal that says why, then one that cannot be missed
    for what, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, 64),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))
    control = ctypes.CDLL(None, use_errno=True).prctl
    control.argtypes = (ctypes.c_int, *4 * (ctypes.c_ulong,))
    control(SET_DUMPABLE, 0, 0, 0, 0)
    program = Filter(len(lines) // 8, lines)
    if control(SET_FILTER, FILTER_MODE, ctypes.addressof(program), 0, 0):
        raise OSError(ctypes.get_errno(), "the filter of system calls was refused")


def converse(channel: int) -> None:
    """Answer questions about the program until the parent closes the channel."""
    names: dict[str, Any] = {"__name__": "program", "__builtins__": __builtins__}
    while question := receive(channel):
        answer = reply(json.loads(question), names)
        sys.stdout.flush()
        unsent = memoryview(LENGTH.pack(len(answer)) + answer)
        while unsent:
            unsent = unsent[os.write(channel, unsent) :]


def receive(channel: int) -> bytes:
    """The next question, or nothing once the parent has closed the channel."""
    size = _exactly(channel, LENGTH.size)
    return size and _exactly(channel, LENGTH.unpack(size)[0])


def _exactly(channel: int, size: int) -> bytes:
    got = bytearray()
    while len(got) < size:
        part = os.read(channel, size - len(got))
        if not part:
            return b""
        got += part
    return bytes(got)


def reply(question: dict[str, Any], names: dict[str, Any]) -> bytes:
    """Load the program, or call one of its functions: `{"returned": value}` or `{"raised": what, "line": where}`."""
    try:
        if "source" in question:
            exec(compile(question["source"], PROGRAM, "exec"), names)
            return b'{"returned": null}'
        if not callable(names.get(question["call"])):
            raise NameError(f"the program defines no function '{question['call']}'")
        value = names[question["call"]](*question["arguments"])
        return json.dumps({"returned": value}, allow_nan=False, default=plain).encode()
    except BaseException as wrong:  # what a program raises is its answer, be it SystemExit
        return json.dumps({"raised": told(wrong)}).encode()


def plain(value: Any) -> Any:
    """Arrays and their scalars as lists and numbers; whatever else is no JSON is refused."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is no JSON: return numbers, texts, lists and dicts")


def told(wrong: BaseException) -> str:
    """An error in one short line, with the last line of the program that took part in it."""
    line, trace = None, wrong.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == PROGRAM:
            line = trace.tb_lineno
        trace = trace.tb_next
    if isinstance(wrong, SyntaxError) and wrong.filename == PROGRAM:
        wrong, line = SyntaxError(wrong.msg), wrong.lineno
    text = " ".join(str(wrong).split())[:LONGEST]
    where = "" if line is None else f" (line {line})"
    return f"{type(wrong).__name__}{': ' if text else ''}{text}{where}"


if __name__ == "__main__":
    serve(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, fileno=int(sys.argv[1])))
