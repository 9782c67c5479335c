"""Allow-lists of system calls, as programs for the kernel's packet filter: what is not named fails with "not permitted".

A list maps the name of a call to what its arguments must look like. `program` turns it into the bytes that the kernel
runs at every call of the process and of all that it starts; nothing can take a filter off again, and of several the
strictest answers. Two lists stand here: `START`, under which bubblewrap starts the Python that waits for work and forks,
and `COMPUTE`, under which a candidate computes. The best-known filters of this kind are those of OpenSSH's
pre-authentication process and of container runtimes; like them this one refuses other architectures' numbering, since a
call that is harmless under one number may be another call under the same number elsewhere.

Source: Linux, Documentation/userspace-api/seccomp_filter.rst; call numbers from asm/unistd_64.h and
asm-generic/unistd.h of its headers.
"""

import platform
import struct
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from interplay.core.errors import InputError

# operations of the filter machine: load a word of the call, mask it, compare and jump, answer
LOAD, MASK, EQUAL, AT_LEAST, ANSWER = 0x20, 0x54, 0x15, 0x35, 0x06
ALLOW, REFUSE, KILL = 0x7FFF0000, 0x00050000, 0x80000000
NOT_PERMITTED, NOT_THERE = 1, 38  # EPERM, ENOSYS
NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, 16  # where struct seccomp_data holds them, in bytes
OTHER_NUMBERING = 0x40000000  # x86-64's calls with 32-bit pointers carry this bit
EVERY_BIT = 0xFFFFFFFF


class Check(NamedTuple):
    """The low (or high) half of an argument, with `mask` laid over it, must be one of `values`."""

    argument: int
    values: tuple[int, ...]
    mask: int = EVERY_BIT
    high: bool = False

    @property
    def offset(self) -> int:
        """Where the half stands in struct seccomp_data, on machines that store the low half first."""
        return ARGUMENTS + 8 * self.argument + 4 * self.high


Checks = tuple[Check, ...]
AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}  # how the kernel names the two numberings
ONLY_READING = 0x1 | 0x2 | 0x40 | 0x200  # write only, read and write, create, truncate: none of them may be set
HARMLESS_FLAGS = (0, 1, 2, 3, 1030)  # fcntl: F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_DUPFD_CLOEXEC; never F_SETOWN
HARMLESS_CONTROLS = (0x5401, 0x5451)  # ioctl: TCGETS (is it a terminal?) and FIOCLEX
NULL: tuple[Check, Check] = (Check(2, (0,)), Check(2, (0,), high=True))
PLAIN_FORK = 17 | 0x00200000 | 0x01000000  # SIGCHLD, and where libc wants the child's number written

#         x86-64, aarch64: a call that one of them lacks has None there
NUMBERS: Mapping[str, tuple[int | None, int | None]] = {
    "read": (0, 63),
    "write": (1, 64),
    "readv": (19, 65),
    "writev": (20, 66),
    "pread64": (17, 67),
    "close": (3, 57),
    "lseek": (8, 62),
    "open": (2, None),
    "openat": (257, 56),
    "getdents64": (217, 61),
    "stat": (4, None),
    "lstat": (6, None),
    "fstat": (5, 80),
    "newfstatat": (262, 79),
    "statx": (332, 291),
    "access": (21, None),
    "faccessat": (269, 48),
    "faccessat2": (439, 439),
    "readlink": (89, None),
    "readlinkat": (267, 78),
    "getcwd": (79, 17),
    "fcntl": (72, 25),
    "ioctl": (16, 29),
    "dup": (32, 23),
    "dup2": (33, None),
    "dup3": (292, 24),
    "poll": (7, None),
    "ppoll": (271, 73),
    "select": (23, None),
    "pselect6": (270, 72),
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "munmap": (11, 215),
    "mremap": (25, 216),
    "madvise": (28, 233),
    "brk": (12, 214),
    "futex": (202, 98),
    "rseq": (334, 293),
    "membarrier": (324, 283),
    "set_robust_list": (273, 99),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sigaltstack": (131, 132),
    "restart_syscall": (219, 128),
    "getpid": (39, 172),
    "gettid": (186, 178),
    "getppid": (110, 173),
    "getuid": (102, 174),
    "geteuid": (107, 175),
    "getgid": (104, 176),
    "getegid": (108, 177),
    "uname": (63, 160),
    "sysinfo": (99, 179),
    "getrusage": (98, 165),
    "times": (100, 153),
    "time": (201, None),
    "gettimeofday": (96, 169),
    "clock_gettime": (228, 113),
    "clock_getres": (229, 114),
    "clock_nanosleep": (230, 115),
    "nanosleep": (35, 101),
    "sched_yield": (24, 124),
    "sched_getaffinity": (204, 123),
    "getrandom": (318, 278),
    "getrlimit": (97, 163),
    "prlimit64": (302, 261),
    "exit": (60, 93),
    "exit_group": (231, 94),
    "clone": (56, 220),
    "clone3": (435, 435),
    "execve": (59, 221),
    "wait4": (61, 260),
    "pidfd_open": (434, 434),
    "recvmsg": (47, 212),
    "recvfrom": (45, 207),
    "sendto": (44, 206),
    "prctl": (157, 167),
    "getgroups": (115, 158),
    "arch_prctl": (158, None),
    "set_tid_address": (218, 96),
    "setrlimit": (160, 164),
}
ARCHITECTURES = tuple(AUDIT)
FREE = """read write readv writev pread64 close lseek getdents64 stat lstat fstat newfstatat statx access faccessat
    faccessat2 readlink readlinkat getcwd dup dup2 dup3 poll ppoll select pselect6 mmap mprotect munmap mremap madvise brk
    futex rseq membarrier set_robust_list rt_sigaction rt_sigprocmask rt_sigreturn sigaltstack restart_syscall getpid gettid
    getppid getuid geteuid getgid getegid uname sysinfo getrusage times time gettimeofday clock_gettime clock_getres
    clock_nanosleep nanosleep sched_yield sched_getaffinity getrandom getrlimit exit exit_group"""

COMPUTE: Mapping[str, Checks] = {
    **dict.fromkeys(FREE.split(), ()),
    "open": (Check(1, (0,), ONLY_READING),),
    "openat": (Check(2, (0,), ONLY_READING),),
    "fcntl": (Check(1, HARMLESS_FLAGS),),
    "ioctl": (Check(1, HARMLESS_CONTROLS),),
    "prlimit64": NULL,  # asking for a limit, not setting one
}
"""What a candidate may ask the kernel for: memory, time, random bytes, reading files that it sees, writing to what is open.

No process, no thread, no socket, no signal to anybody, no file to write, and no way to loosen any of that.
"""

WAIT = (
    """execve wait4 pidfd_open recvmsg recvfrom sendto prctl arch_prctl set_tid_address setrlimit prlimit64 getgroups"""
)
START: Mapping[str, Checks] = {
    **COMPUTE,
    **dict.fromkeys(WAIT.split(), ()),
    "clone": (Check(0, (0,), EVERY_BIT ^ PLAIN_FORK),),  # no thread, and above all no new namespace
}
"""What the Python that waits for work may do: all of `COMPUTE`, start, fork, tie itself down further, and hear its parent."""

ABSENT = ("clone3",)  # libc tries an older call where these "are not there", and gives up where they are forbidden


def machine() -> str:
    """The architecture of this machine, where there is a list for it.

    Raises InputError on any other than x86-64 and aarch64.
    """
    name = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine().lower(), platform.machine().lower())
    if name not in AUDIT or struct.calcsize("P") != 8:
        raise InputError(f"the sandbox knows the system calls of {' and '.join(AUDIT)} only: run it on such a machine")
    return name


def program(allowed: Mapping[str, Checks], architecture: str) -> bytes:
    """A filter that lets through the calls of a list, where their arguments pass its checks, and refuses all others.

    The bytes are an array of struct sock_filter. A call of another architecture's numbering ends the process.

    >>> len(program({"read": ()}, "x86_64")) // 8  # instructions
    11

    Source: Linux, Documentation/userspace-api/seccomp_filter.rst.
    """
    column = ARCHITECTURES.index(architecture)
    lines = [(LOAD, 0, 0, ARCHITECTURE), (EQUAL, 1, 0, AUDIT[architecture]), (ANSWER, 0, 0, KILL)]
    lines += [(LOAD, 0, 0, NUMBER), (AT_LEAST, 0, 1, OTHER_NUMBERING), (ANSWER, 0, 0, KILL)]
    for name, checks in allowed.items():
        lines += _one(NUMBERS[name][column], _passing(checks))
    for name in ABSENT:
        lines += _one(NUMBERS[name][column], [(ANSWER, 0, 0, REFUSE | NOT_THERE)])
    lines += [(ANSWER, 0, 0, REFUSE | NOT_PERMITTED)]
    return b"".join(struct.pack("=HBBI", *line) for line in lines)


Lines = list[tuple[int, int, int, int]]  # operation, lines to skip when true, when false, operand


def _one(number: int | None, body: Lines) -> Lines:
    """`body`, which answers on every way through it, for one call and for no other."""
    return [] if number is None else [(EQUAL, 0, len(body), number), *body]


def _passing(checks: Iterable[Check]) -> Lines:
    """Refuse where a check fails, else allow."""
    lines: Lines = []
    for check in checks:
        lines += [(LOAD, 0, 0, check.offset), (MASK, 0, 0, check.mask)]
        left = len(check.values)
        lines += [(EQUAL, left - place, 0, value) for place, value in enumerate(check.values)]
        lines += [(ANSWER, 0, 0, REFUSE | NOT_PERMITTED)]
    return [*lines, (ANSWER, 0, 0, ALLOW)]
