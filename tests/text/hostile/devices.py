"""Open devices: memory, terminals, disks, random numbers, the kernel's log."""

# ends: returned []
import os


def main(bait):
    names = [
        "null",
        "zero",
        "full",
        "random",
        "urandom",
        "mem",
        "kmem",
        "kmsg",
        "tty",
        "ptmx",
        "console",
        "fuse",
        "kvm",
    ]
    names += ["net/tun", "sda", "vda", "shm", "stdin", "fd/0", "pts/0"]
    return worked(
        *(lambda name=name: os.open(f"/dev/{name}", os.O_RDONLY) for name in names),
        lambda: os.openpty(),
        lambda: os.listdir("/dev"),
    )
