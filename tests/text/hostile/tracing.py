"""Read and write the memory of other processes."""
# ends: returned []


def main(bait):
    room = ctypes.create_string_buffer(64)
    return worked(
        lambda: system(101, 117, 0, 0, 0, 0),  # ptrace: trace me
        lambda: system(101, 117, 16, 1, 0, 0),  # ptrace: attach to 1
        lambda: system(101, 117, 16, bait["pid"], 0, 0),
        lambda: system(310, 270, 1, room, 1, room, 1, 0),  # process_vm_readv
        lambda: system(311, 271, 1, room, 1, room, 1, 0),  # process_vm_writev
        lambda: system(312, 272, 1, 1, 0, 0, 0),  # kcmp
        lambda: system(438, 438, 3, 0, 0),  # pidfd_getfd
        lambda: system(434, 434, 1, 0),  # pidfd_open
        lambda: system(440, 440, 3, room, 1, 4, 0),  # process_madvise
    )
