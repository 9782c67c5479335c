"""Wait for input, or read what was typed for somebody else."""
# ends: raised EOFError


def main(bait):
    return input()
