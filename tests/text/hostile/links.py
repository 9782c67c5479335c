"""Reach files through links, hard and symbolic, named pipes and device nodes."""

# ends: returned []
import os


def main(bait):
    return worked(
        lambda: os.symlink(bait["secret"], "/link"),
        lambda: os.symlink("/etc/passwd", "/tmp/link"),
        lambda: os.link(os.__file__, "/link"),
        lambda: os.link("/guest.py", "/link", follow_symlinks=False),
        lambda: os.mkfifo("/pipe"),
        lambda: os.mknod("/device", 0o20666, os.makedev(1, 3)),
        lambda: os.readlink("/proc/self/exe"),
        lambda: os.readlink("/proc/1/root"),
    )
