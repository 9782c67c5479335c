"""Return an object with code in it instead of data."""
# ends: raised TypeError


class Score:
    def __reduce__(self):
        return print, ("escaped",)

    def __float__(self):
        return 1e9


def main(bait):
    return Score()
