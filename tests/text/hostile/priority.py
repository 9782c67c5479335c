"""Take the machine from others: priorities, real-time scheduling, locked memory, chosen cores."""

# ends: returned []
import os


def main(bait):
    room = ctypes.create_string_buffer(64)
    return worked(
        lambda: os.nice(-10),
        lambda: os.nice(1),
        lambda: os.setpriority(os.PRIO_PROCESS, 1, 19),
        lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)),
        lambda: os.sched_setaffinity(0, {0}),
        lambda: system(151, 230, 1),  # mlockall
        lambda: system(149, 228, room, 64),  # mlock
        lambda: system(251, 30, 1, 0, 0),  # ioprio_set
    )
