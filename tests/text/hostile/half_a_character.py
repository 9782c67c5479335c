"""Return text that can be neither printed nor stored."""
# ends: killed no JSON


def main(bait):
    return "\ud800"
