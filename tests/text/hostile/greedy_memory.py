"""Ask again whenever memory was refused, and touch all that was given: the limit holds, and then the time is up."""
# ends: killed took longer than 0.5 s
# seconds: 0.5


def main(bait):
    kept = []
    while True:
        try:
            while True:
                kept.append(b"x" * (1 << 22))
        except MemoryError:
            pass
