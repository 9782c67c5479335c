"""Print little pieces for ever: neither limit is passed quickly, so the first one that is ends it."""

# ends: killed printed more than 65,536 bytes or killed took longer
# seconds: 0.5
import time


def main(bait):
    while True:
        print("\x1b[2J\x07", end="", flush=True)
        time.sleep(0.001)
