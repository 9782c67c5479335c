"""Change the code that later programs will run: the standard library and the sandbox's own half."""

# ends: returned []
import json
import os


def main(bait):
    ways = []
    for path in ("/guest.py", os.__file__, json.__file__, os.path.dirname(os.__file__) + "/new_module.py"):
        ways += [
            lambda path=path: os.open(path, os.O_WRONLY | os.O_APPEND),
            lambda path=path: os.open(path, os.O_RDWR),
            lambda path=path: os.open(path, os.O_WRONLY),
            lambda path=path: os.open(path, os.O_RDONLY | os.O_TRUNC),
            lambda path=path: os.open(path, os.O_RDONLY | os.O_CREAT),
            lambda path=path: os.remove(path),
            lambda path=path: os.rename(path, path + ".old"),
            lambda path=path: os.chmod(path, 0o777),
            lambda path=path: os.chown(path, 0, 0),
            lambda path=path: os.utime(path),
            lambda path=path: os.setxattr(path, "user.mark", b"x"),
        ]
    return worked(*ways)
