"""Raise what stops a search when a user presses Ctrl-C."""
# ends: raised KeyboardInterrupt


def main(bait):
    raise KeyboardInterrupt
