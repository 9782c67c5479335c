"""One sandbox as a process: bubblewrap builds an empty world around a Python that waits for programs.

The world has its own users, processes, network, host name and shared memory (Linux namespaces), a root that is empty but for
the interpreter, its standard library, the system's shared libraries and the packages asked for, all read-only, no `/proc`,
no `/dev`, no `/tmp`, no capability, and a filter of system calls. Flatpak builds the worlds of its applications with the same
tool, and build systems such as Bazel use the same namespaces for theirs.
"""

import concurrent.futures
import contextlib
import functools
import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
from pathlib import Path

from interplay.core.errors import InputError
from interplay.text import sandbox_guest, seccomp

INSTALL = (
    "the sandbox needs bubblewrap: install it with `apt-get install bubblewrap` (Debian, Ubuntu), "
    "`dnf install bubblewrap` (Fedora) or `pacman -S bubblewrap` (Arch); programs are never run without it"
)
START_SECONDS = 60.0  # until a worker must be ready, on a machine that is very busy
END_SECONDS = 2.0  # that one has to leave before it is killed
NOBODY = "65534"
ENVIRONMENT = {  # all that programs find in it
    "LC_ALL": "C.UTF-8",
    "PYTHONHASHSEED": "0",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
}
SYSTEM = ("/lib", "/lib64", "/usr/lib", "/usr/lib64")
INSIDE, PACKAGES = "/guest.py", "/packages"


class Worker:
    """A sandbox that has been started, is warm, and runs one program at a time; every program in a fresh copy of it."""

    def __init__(self, packages: tuple[str, ...] = ()):
        self.packages = packages
        self._started = _starter(os.getpid()).submit(_start, command(packages))
        self._ready = False
        self.running = False
        self.complaint = ""

    @property
    def alive(self) -> bool:
        """Whether the sandbox can still be given a program; False once it has been stopped or has died."""
        return not self._started.done() or self._started.result()[0].poll() is None

    def wait(self) -> None:
        """Wait until the sandbox is warm.

        Raises InputError where bubblewrap cannot build it here or a package cannot be imported in it.
        """
        if self._ready:
            return
        control = self._started.result()[1]
        control.settimeout(START_SECONDS)
        lines = seccomp.program(seccomp.COMPUTE, seccomp.machine())
        heard = _heard(control, {"packages": self.packages, "filter": lines.hex()})
        if heard == b"ready":
            self._ready = True
            return
        self.stop()
        why = heard.decode(errors="replace") or self.complaint
        raise InputError(f"the sandbox does not start here: {why}; docs/sandbox.md says what it needs")

    def begin(self, memory: int, seconds: int) -> tuple[socket.socket, int]:
        """Fork for a program with limits in bytes and seconds: the channel to it, and the end where its output arrives."""
        self.wait()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        ours.setblocking(False)
        limits = json.dumps({"memory": memory, "seconds": seconds}).encode()
        try:
            socket.send_fds(self._started.result()[1], [limits], [theirs.fileno(), writing])
        except OSError:
            pass  # it has died: the channel says so as soon as it is read
        finally:
            theirs.close()
            os.close(writing)
        self.running = True
        return ours, reading

    def end(self, seconds: float) -> int | None:
        """The status with which the program's process ended, as waitpid gives it; None where it has not within the time."""
        control = self._started.result()[1]
        try:
            control.settimeout(seconds)
            status = control.recv(64)
        except OSError:
            return None
        if not status:
            return None
        self.running = False
        return int(status)

    def stop(self) -> None:
        """Kill everything in the sandbox, and wait until it is gone.

        Its first process leaves as soon as it is alone, and the kernel kills every other with it. Should it not leave,
        bubblewrap is killed, whose death the kernel answers by killing the first process.
        """
        process, control = self._started.result()
        if control.fileno() < 0:
            return
        with contextlib.suppress(OSError):
            control.shutdown(socket.SHUT_RDWR)
        control.close()
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self.running = False
        self.complaint = _last_line(process)


def command(packages: tuple[str, ...]) -> tuple[str, ...]:
    """How bubblewrap is called, but for the two files that it is handed.

    Raises InputError where it is missing, on a machine whose system calls are not listed, or for an unknown package.
    """
    bubblewrap = shutil.which("bwrap")
    if bubblewrap is None:
        raise InputError(INSTALL)
    seccomp.machine()
    words = [os.path.abspath(bubblewrap), "--unshare-user", "--unshare-all", "--die-with-parent", "--new-session"]
    words += ["--as-pid-1", "--cap-drop", "ALL", "--uid", NOBODY, "--gid", NOBODY, "--hostname", "sandbox"]
    for path in _readable():
        words += ["--ro-bind", path, path]
    for path in _hidden():
        words += ["--tmpfs", path, "--remount-ro", path]
    words += ["--ro-bind", str(Path(sandbox_guest.__file__)), INSIDE]
    for name in packages:
        for path in _installed(name):
            words += ["--ro-bind", str(path), f"{PACKAGES}/{path.name}"]
    return (*words, "--remount-ro", "/", "--chdir", "/")


def _readable() -> list[str]:
    """The interpreter, its library and the system's: what a bare Python needs to run."""
    prefix = os.path.realpath(sys.base_prefix)
    folders = [*SYSTEM, os.path.join(prefix, "lib"), os.path.join(prefix, "lib64")]
    return [*dict.fromkeys(path for path in folders if os.path.isdir(path)), _interpreter()]


def _hidden() -> list[str]:
    """Folders inside those where other people's packages lie: they are covered by empty ones."""
    library = os.path.realpath(sysconfig.get_path("stdlib"))
    folders = [os.path.join(library, name) for name in ("site-packages", "dist-packages")]
    return [path for path in (*folders, "/usr/lib/python3/dist-packages") if os.path.isdir(path)]


def _interpreter() -> str:
    return os.path.realpath(getattr(sys, "_base_executable", sys.executable))


def _installed(name: str) -> list[Path]:
    """Where a package lies, with the shared libraries that its wheel brought along."""
    found = importlib.util.find_spec(name) if name.isidentifier() else None
    if found is None or not found.origin:
        raise InputError(f"the sandbox cannot offer the package '{name}': install it, or leave it out")
    path = Path(found.submodule_search_locations[0] if found.submodule_search_locations else found.origin)
    libraries = path.with_name(f"{name}.libs")
    return [path, libraries] if libraries.is_dir() else [path]


def _start(words: tuple[str, ...]) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """Start bubblewrap, with the filter and one end of the control socket as open files."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    reading, writing = os.pipe()
    try:
        os.write(writing, seccomp.program(seccomp.START, seccomp.machine()))
        os.close(writing)
        python = (_interpreter(), "-S", "-P", "-B", "-X", "utf8", INSIDE, str(theirs.fileno()))
        process = subprocess.Popen(
            [*words, "--seccomp", str(reading), *python],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            pass_fds=(reading, theirs.fileno()),
            env={**ENVIRONMENT, "PYTHONPATH": PACKAGES, "LD_LIBRARY_PATH": os.path.join(sys.base_prefix, "lib")},
            cwd="/",
            start_new_session=True,
        )
    finally:
        os.close(reading)
        theirs.close()
    return process, ours


def _heard(control: socket.socket, greeting: dict[str, object]) -> bytes:
    """What the sandbox says to a greeting; nothing where it is dead or mute."""
    try:
        control.send(json.dumps(greeting).encode())
        return control.recv(1 << 12)
    except OSError:
        return b""


def _last_line(process: subprocess.Popen[bytes]) -> str:
    """What bubblewrap or the interpreter complained about last."""
    if process.stderr is None:
        return "it said nothing"
    with process.stderr as stream:
        lines = stream.read().decode(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")


@functools.cache
def _starter(process: int) -> concurrent.futures.ThreadPoolExecutor:
    """The one thread of a process that starts sandboxes.

    A sandbox dies with the *thread* that started it (prctl's PR_SET_PDEATHSIG), so that one must live as long as the
    process; a thread of a caller's own might end while another still waits for its program.
    """
    return concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="sandbox-starter")
