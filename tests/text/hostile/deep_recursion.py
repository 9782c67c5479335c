"""Recur without end."""
# ends: raised RecursionError


def main(bait):
    return main(bait)
