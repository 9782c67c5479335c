"""Leave the way programs leave."""

# ends: raised SystemExit
import sys


def main(bait):
    sys.exit(0)
