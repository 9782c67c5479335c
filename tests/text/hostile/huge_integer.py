"""Return an integer of a million digits, which takes long to read."""
# ends: raised ValueError


def main(bait):
    return 1 << 10_000_000
