"""Return few bytes that become much memory when read."""
# ends: killed more than 1,048,576


def main(bait):
    return [[] for _ in range(1_000_000)]
