"""Return an object that pretends to be an array and hands over itself."""
# ends: raised RecursionError or raised ValueError


class Array:
    def tolist(self):
        return Array()


def main(bait):
    return Array()
