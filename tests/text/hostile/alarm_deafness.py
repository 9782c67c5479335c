"""Ignore every signal that can be ignored, and go on for ever."""

# ends: killed took longer than 0.5 s
# seconds: 0.5
import signal


def main(bait):
    for number in range(1, 65):
        with contextlib.suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_IGN)
    while True:
        pass
