"""Crash, so that the machine would write the memory of the process into a core file."""

# ends: killed SIGSEGV
import resource


def main(bait):
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    ctypes.string_at(8)
