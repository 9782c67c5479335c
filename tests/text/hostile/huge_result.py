"""Return more than anybody wants to read."""
# ends: killed more than 1,048,576


def main(bait):
    return "x" * (50 << 20)
