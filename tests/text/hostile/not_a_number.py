"""Return a score that no comparison can beat."""
# ends: raised ValueError


def main(bait):
    return {"score": float("nan")}
