"""Write to standard error past Python, without end."""

# ends: killed printed more than 65,536 bytes
import os


def main(bait):
    while True:
        os.write(2, b"x" * 4096)
