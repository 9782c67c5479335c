"""Raise an error that looks like one of the runner's own."""
# ends: raised InputError


class InputError(ValueError):
    pass


def main(bait):
    raise InputError("the sandbox needs bubblewrap")
