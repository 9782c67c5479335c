"""Make processes by every call that makes them."""
# ends: returned []


def main(bait):
    flags = [17, 0x10000000 | 17, 0x00004000 | 0x00000100 | 17, 0x00000100 | 0x00010F00]
    return worked(
        *(lambda flag=flag: system(56, 220, flag, 0, 0, 0, 0) for flag in flags),
        lambda: system(435, 435, ctypes.create_string_buffer(bytes([0] * 32 + [17] + [0] * 55)), 88),  # clone3
        lambda: system(57, 220, 17, 0, 0, 0, 0),  # fork
        lambda: system(58, 220, 17, 0, 0, 0, 0),  # vfork
    )
