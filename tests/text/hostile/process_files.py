"""Read about processes and the machine, and write to what steers them."""

# ends: returned []
import os


def main(bait):
    names = "self/environ self/maps self/mem self/fd 1/environ 1/mem 1/root/etc/passwd 1/cwd net/tcp sys/kernel/core_pattern"
    return worked(
        *(lambda name=name: os.stat(f"/proc/{name}") for name in names.split()),
        *(lambda name=name: open(f"/proc/{name}", "rb").read(1) for name in names.split()),
        lambda: os.stat(f"/proc/{bait['pid']}"),
        lambda: os.listdir("/proc"),
        lambda: os.listdir("/sys"),
        lambda: open("/sys/fs/cgroup/cgroup.procs").read(),
        lambda: open("/proc/self/oom_score_adj", "w"),
        lambda: open("/proc/sys/kernel/core_pattern", "w"),
    )
