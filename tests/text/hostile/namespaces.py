"""Make a user namespace, in which one is root, or enter another's."""

# ends: returned []
import os


def main(bait):
    flags = (0x10000000, 0x00020000, 0x40000000, 0x20000000, 0x02000000, 0x04000000, 0x08000000, 0x10020000)
    return worked(
        *(lambda flag=flag: system(272, 97, flag) for flag in flags),
        lambda: system(308, 268, 0, 0),  # setns
        lambda: os.open("/proc/1/ns/user", os.O_RDONLY),
    )
