"""Map a library's file and write to the map, so that the file changes under other processes."""

# ends: returned []
import mmap


def shared():
    with open("/guest.py", "rb") as file:
        view = mmap.mmap(file.fileno(), 0, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
        view[0:1] = b"X"
    return "written"


def main(bait):
    return worked(shared, lambda: open("/guest.py", "r+b"))
