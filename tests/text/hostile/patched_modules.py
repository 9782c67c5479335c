"""Patch everything that the sandbox's own half uses; the next program finds it as it was."""

# ends: returned "forged"
import builtins
import json
import sys


class Forged:
    def __init__(self, *_, **__):
        pass

    def encode(self):
        return b'{"returned": "forged"}'


def main(bait):
    json.dumps = json.loads = Forged
    builtins.len = lambda _: 22
    sys.modules["struct"] = None
    builtins.left_behind = True
    sys.path.insert(0, "/tmp")
    os.environ["LEFT"] = "behind"
    return 1
