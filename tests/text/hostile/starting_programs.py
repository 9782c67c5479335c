"""Run other programs."""

# ends: returned []
import multiprocessing
import os
import subprocess
import sys


def main(bait):
    return worked(
        lambda: subprocess.run([sys.executable, "-c", "print(1)"], check=True),
        lambda: subprocess.run("true", shell=True, check=True),
        lambda: os.posix_spawn(sys.executable, [sys.executable], {}),
        lambda: os.execv(sys.executable, [sys.executable, "-c", "print('ran')"]),
        lambda: os.popen("true").read() or 1,
        lambda: multiprocessing.Process(target=print).start(),
        lambda: multiprocessing.Pool(2),
        lambda: system(322, 281, -100, ctypes.create_string_buffer(sys.executable.encode()), 0, 0, 0),  # execveat
    ) + ([] if os.system("true") else ["system"])
