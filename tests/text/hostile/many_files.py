"""Open files until there are none left."""

# ends: returned true
import os


def main(bait):
    kept = []
    try:
        while len(kept) < 100_000:
            kept.append(os.open("/guest.py", os.O_RDONLY))
    except OSError:
        pass
    return len(kept) < 70
