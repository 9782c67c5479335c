"""Overflow the stack of the interpreter's own C code."""

# ends: killed SIGSEGV
import sys


class Fall:
    def __eq__(self, other):
        return self.left == other.left


def main(bait):
    sys.setrecursionlimit(1 << 30)
    left = right = 0
    for _ in range(1_000_000):
        left, right = [left], [right]
    return left == right
