"""Raise an error whose text is very long."""
# ends: raised ValueError: xxxx


def main(bait):
    raise ValueError("x" * (10 << 20))
