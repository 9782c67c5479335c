"""Leave messages for later programs in memory, queues and semaphores that outlive a process."""

# ends: returned []
import multiprocessing
from multiprocessing import shared_memory


def main(bait):
    name = ctypes.create_string_buffer(b"/left")
    return worked(
        lambda: shared_memory.SharedMemory("left", create=True, size=4096),
        lambda: multiprocessing.Semaphore(),
        lambda: system(29, 194, 1234, 4096, 0o1666),  # shmget
        lambda: system(68, 186, 1234, 0o1666),  # msgget
        lambda: system(64, 190, 1234, 1, 0o1666),  # semget
        lambda: system(240, 180, name, 0o100 | 2, 0o666, 0),  # mq_open
        lambda: system(290, 19, 0, 0),  # eventfd2
    )
