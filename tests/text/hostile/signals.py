"""Kill the parent, the sandbox's first process, or everybody."""

# ends: returned []
import os
import signal


def main(bait):
    targets = [os.getppid(), 1, -1, 0, bait["pid"], -bait["pid"], os.getpid()]
    return worked(
        *(lambda target=target: os.kill(target, signal.SIGKILL) for target in targets),
        *(lambda target=target: os.kill(target, signal.SIGUSR1) for target in targets),
        lambda: os.killpg(0, signal.SIGKILL),
        lambda: signal.raise_signal(signal.SIGUSR1),
        lambda: system(234, 131, 1, 1, 9),  # tgkill
        lambda: system(200, 130, 1, 9),  # tkill
        lambda: system(129, 138, 1, 9, ctypes.create_string_buffer(128)),  # rt_sigqueueinfo
        lambda: signal.pidfd_send_signal(os.pidfd_open(1), signal.SIGKILL),
    )
