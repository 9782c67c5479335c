"""Ask for memory in small pieces until there is no more."""
# ends: raised MemoryError


def main(bait):
    kept = []
    while True:
        kept.append(bytearray(1 << 20))
