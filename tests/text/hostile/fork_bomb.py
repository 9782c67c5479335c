"""Fork without end."""

# ends: returned 0
import os


def main(bait):
    born = 0
    for _ in range(1000):
        try:
            if os.fork() == 0:
                while True:
                    os.fork()
            born += 1
        except OSError:
            pass
    return born
