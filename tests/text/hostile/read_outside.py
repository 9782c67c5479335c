"""Read a secret file, the password files, keys and the homes of users."""

# ends: returned []
# shows outside
import glob
import os
import pathlib


def listed(path):
    return os.listdir(path) or 1 / 0


def found(pattern):
    names = glob.glob(pattern)
    if not names:
        raise OSError
    return names


def main(bait):
    paths = [bait["secret"], "/etc/passwd", "/etc/shadow", "/etc/hostname", "/root/.bashrc", "/proc/version"]
    return worked(
        *(lambda path=path: open(path).read() for path in paths),
        *(lambda path=path: os.open(path, os.O_RDONLY) for path in paths),
        lambda: pathlib.Path(bait["folder"]).stat(),
        lambda: listed(bait["folder"]),
        lambda: found("/home/*"),
        lambda: found("/tmp*"),
        lambda: found("/work/*"),
        lambda: found("/etc/*"),
        lambda: found("/root/.[a-oq-z]*"),
        lambda: found("/var/*"),
    )
