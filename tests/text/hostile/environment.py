"""Look for keys in the environment, in Python and in the process's own memory."""

# ends: returned []
# shows outside
import os


def main(bait):
    expected = {
        "LC_ALL",
        "PYTHONHASHSEED",
        "OPENBLAS_NUM_THREADS",
        "OMP_NUM_THREADS",
        "PYTHONPATH",
        "LD_LIBRARY_PATH",
        "PWD",
    }
    LIBRARY.getenv.restype = ctypes.c_char_p
    found = sorted(set(os.environ) - expected - {"LC_CTYPE"})
    if LIBRARY.getenv(bait["variable"].encode()):
        found.append(bait["variable"])
    return found
