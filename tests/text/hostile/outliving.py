"""Leave a process behind that goes on after the program has answered."""

# ends: returned []
import os


def daemon():
    if os.fork() == 0:
        os.setsid()
        while True:
            pass
    return "alive"


def main(bait):
    return worked(daemon, lambda: os.setsid(), lambda: os.setpgid(0, 0), lambda: os.daemon(0, 0))
