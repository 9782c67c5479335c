"""Sleep, which costs no processor time."""

# ends: killed took longer than 0.5 s
# seconds: 0.5
import time


def main(bait):
    time.sleep(1e6)
