"""Become somebody else, and take capabilities."""

# ends: returned []
import os


def main(bait):
    room = ctypes.create_string_buffer(64)
    found = worked(
        lambda: os.setuid(0),
        lambda: os.setgid(0),
        lambda: os.setresuid(0, 0, 0),
        lambda: os.setreuid(0, 0),
        lambda: os.setgroups([0]),
        lambda: system(126, 91, room, room),  # capset
        lambda: system(122, 151, 0),  # setfsuid
    )
    return found + ([] if os.getuid() == os.geteuid() == 65534 else ["not nobody"])
