"""Recur without end, with the interpreter's guard taken away: memory runs out, or the stack, or the time."""

# ends: raised MemoryError or raised SystemError or killed took longer or killed SIGSEGV
# seconds: 0.5
import sys


def fall(n):
    return fall(n + 1) + 1


def main(bait):
    sys.setrecursionlimit(1 << 30)
    return fall(0)
