"""Say what can be seen at all: there should be no more than the interpreter and its libraries."""

# ends: returned []
import os
import sys


def main(bait):
    of_the_interpreter = sys.prefix.split("/")[1]
    return [name for name in os.listdir("/") if name not in ("guest.py", "lib", "lib64", "usr", of_the_interpreter)]
