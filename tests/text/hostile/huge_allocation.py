"""Ask for much memory at once."""
# ends: raised MemoryError


def main(bait):
    return len(bytearray(8 << 30))
