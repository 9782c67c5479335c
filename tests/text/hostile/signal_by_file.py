"""Have the kernel send a signal when a file becomes readable, to a process of the program's choice."""

# ends: returned []
import fcntl
import os
import signal


def main(bait):
    ways = []
    for end in range(8):
        ways += [
            lambda end=end: fcntl.fcntl(end, fcntl.F_SETOWN, 1),
            lambda end=end: fcntl.fcntl(end, 10, signal.SIGKILL),  # F_SETSIG
            lambda end=end: fcntl.fcntl(end, fcntl.F_SETFL, os.O_ASYNC),
            lambda end=end: fcntl.ioctl(end, 0x8901, 1),  # FIOSETOWN
            lambda end=end: fcntl.fcntl(end, 1031, 1 << 20),  # F_SETPIPE_SZ
        ]
    return worked(*ways)
