"""Move bytes into read-only files by calls that copy inside the kernel."""

# ends: returned []
import os


def main(bait):
    source, target = os.open("/guest.py", os.O_RDONLY), os.open(os.__file__, os.O_RDONLY)
    return worked(
        lambda: os.write(target, b"x"),
        lambda: os.sendfile(target, source, 0, 1),
        lambda: os.copy_file_range(source, target, 1),
        lambda: os.splice(0, 1, 1),
        lambda: os.pipe(),
        lambda: os.ftruncate(target, 0),
        lambda: os.posix_fallocate(target, 0, 1),
        lambda: os.fchmod(target, 0o777),
        lambda: os.pwrite(target, b"x", 0),
        lambda: system(278, 75, 1, ctypes.create_string_buffer(16), 1, 0),  # vmsplice
    )
