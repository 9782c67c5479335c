"""Act after the answer has been given: at exit, when objects die, and when the channel closes."""

# ends: returned 1
import atexit
import builtins


class Last:
    def __del__(self):
        os.write(1, b"still here")
        while True:
            pass


def stay():
    while True:
        pass


def main(bait):
    builtins.kept = Last()
    atexit.register(stay)
    return 1
