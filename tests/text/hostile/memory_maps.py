"""Ask the kernel for memory directly, shared and private, reserved and locked."""

# ends: returned true
import mmap


def main(bait):
    kept = []
    try:
        while len(kept) < 4096:
            kept.append(mmap.mmap(-1, 1 << 22, flags=mmap.MAP_SHARED | mmap.MAP_ANONYMOUS | 0x8000))  # MAP_POPULATE
    except (OSError, MemoryError):
        pass
    return len(kept) * (1 << 22) < 512 << 20
