"""Return an infinite score."""
# ends: raised ValueError


def main(bait):
    return [float("inf")]
