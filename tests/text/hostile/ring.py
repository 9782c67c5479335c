"""Have the kernel do the forbidden calls from a ring of requests."""
# ends: returned []


def main(bait):
    room = ctypes.create_string_buffer(128)
    return worked(
        lambda: system(425, 425, 8, room),  # io_uring_setup
        lambda: system(426, 426, 3, 1, 0, 0, 0),
        lambda: system(427, 427, 3, 0, 0, 0),
        lambda: system(206, 0, 8, room),  # io_setup
    )
