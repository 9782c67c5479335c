"""Make a call of x86-64's numbering with short pointers, in which openat is 257 plus a bit."""
# ends: killed SIGSYS
# only: x86_64


def main(bait):
    return system(0x40000000 + 39, 0)
