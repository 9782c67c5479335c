"""Put before every hostile program: what all of them need. `bait` is what lies outside, waiting to be taken."""

import contextlib
import ctypes
import os

LIBRARY = ctypes.CDLL(None, use_errno=True)
ARM = os.uname().machine in ("aarch64", "arm64")


def system(x86, arm, *arguments):
    """A system call by its number, as a program would make it that goes past Python."""
    values = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
    answer = LIBRARY.syscall(ctypes.c_long(arm if ARM else x86), *values)
    if answer < 0:
        raise OSError(ctypes.get_errno(), "refused")
    return answer


def worked(*ways):
    """The ways that did not fail, by their number and what they gave: an empty list is what the test hopes for."""
    found = []
    for number, way in enumerate(ways):
        with contextlib.suppress(OSError, ImportError, RuntimeError, AttributeError, MemoryError, ValueError):
            found.append([number, repr(way())[:200]])
    return found


def channel():
    """The number under which the way to the parent is open: the first socket."""
    import stat

    return next(number for number in range(3, 64) if _is_open(number) and stat.S_ISSOCK(os.fstat(number).st_mode))


def _is_open(number):
    try:
        return bool(os.fstat(number))
    except OSError:
        return False


def framed(text):
    """An answer as the parent reads it."""
    return len(text).to_bytes(4, "little") + text
