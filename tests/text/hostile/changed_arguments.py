"""Change the arguments in place, which the caller might use again."""
# ends: returned null


def main(bait):
    for name in list(bait):
        bait[name] = None
