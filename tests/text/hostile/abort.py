"""Abort, which sends oneself a signal; that is refused, and the C library then stops the process by force."""

# ends: killed ended without an answer
import os


def main(bait):
    os.abort()
