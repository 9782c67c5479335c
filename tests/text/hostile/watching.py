"""Watch and change what the interpreter does: hooks for tracing, auditing and importing."""

# ends: returned 3
import sys


def main(bait):
    sys.addaudithook(lambda *_: None)
    sys.settrace(lambda *_: None)
    sys.setprofile(lambda *_: None)
    sys.meta_path.insert(0, None)
    return 3
