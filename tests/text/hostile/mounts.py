"""Mount and unmount, by the old calls and by the new ones."""
# ends: returned []


def main(bait):
    text = ctypes.create_string_buffer
    return worked(
        lambda: system(165, 40, text(b"none"), text(b"/usr"), text(b"tmpfs"), 0, 0),
        lambda: system(165, 40, text(b"/"), text(b"/"), 0, 32 | 4096, 0),  # bind again, writable
        lambda: system(166, 39, text(b"/usr"), 2),
        lambda: system(428, 428, -100, text(b"/"), 1),  # open_tree
        lambda: system(429, 429, -1, text(b"/"), -1, text(b"/usr"), 0),  # move_mount
        lambda: system(430, 430, text(b"proc"), 0),  # fsopen
        lambda: system(442, 442, -100, text(b"/"), 0, text(bytes(32)), 32),  # mount_setattr
        lambda: system(167, 224, text(b"/usr"), 0),  # swapon
        lambda: system(161, 51, text(b"/usr")),  # chroot
    )
