"""Find open files that were left behind by whoever started this."""

# ends: returned 4
import fcntl


def main(bait):
    count = 0
    for number in range(1024):
        try:
            fcntl.fcntl(number, fcntl.F_GETFD)
            count += 1
        except OSError:
            pass
    return count  # three streams and the channel
