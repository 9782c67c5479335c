"""Read keys that the kernel keeps, and leave messages there."""
# ends: returned []


def main(bait):
    text = ctypes.create_string_buffer
    return worked(
        lambda: system(250, 219, 0, -3, 1),  # keyctl: get the session keyring
        lambda: system(250, 219, 1, 0),  # keyctl: join a session
        lambda: system(248, 217, text(b"user"), text(b"name"), text(b"secret"), 6, -4),  # add_key
        lambda: system(249, 218, text(b"user"), text(b"name"), 0, -4),  # request_key
    )
