"""Take the filter off, put another on, trade privileges back, and raise the limits."""

# ends: returned []
import resource


def main(bait):
    room = ctypes.create_string_buffer(64)
    infinite = resource.RLIM_INFINITY
    names = ("AS", "CPU", "FSIZE", "NOFILE", "NPROC", "CORE", "STACK")
    return worked(
        lambda: system(157, 167, 22, 0, 0, 0, 0),  # prctl: no filter
        lambda: system(157, 167, 38, 0, 0, 0, 0),  # prctl: new privileges again
        lambda: system(157, 167, 4, 1, 0, 0, 0),  # prctl: dumpable again
        lambda: system(317, 277, 1, 0, room),  # seccomp
        lambda: system(135, 92, 0x0008),  # personality
        lambda: system(158, 999, 0x1002, 0),  # arch_prctl
        *(
            lambda name=name: resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (infinite, infinite))
            for name in names
        ),
        lambda: resource.prlimit(1, resource.RLIMIT_AS, (1 << 20, 1 << 20)),
    )
