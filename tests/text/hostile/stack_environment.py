"""Read the environment where the C library keeps it, below everything that Python shows."""

# ends: returned false
import ctypes


def main(bait):
    pointers = ctypes.POINTER(ctypes.c_void_p).in_dll(LIBRARY, "environ")
    text, number = b"", 0
    while pointers[number]:
        text += ctypes.string_at(pointers[number], 20)
        number += 1
    return bait["secret word"].encode() in text or bait["variable"].encode() in text
