"""Make a file that lives in memory, to write to it and to run it."""

# ends: returned []
import os


def main(bait):
    return worked(
        lambda: os.memfd_create("program"),
        lambda: system(319, 279, ctypes.create_string_buffer(b"program"), 0),
        lambda: system(447, 447, 0),  # memfd_secret
        lambda: os.open("/", os.O_TMPFILE | os.O_RDWR),
    )
