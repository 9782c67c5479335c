"""Return a list that contains itself."""
# ends: raised ValueError


def main(bait):
    circle = []
    circle.append(circle)
    return circle
