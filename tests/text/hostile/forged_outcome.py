"""Claim an outcome that only the parent can state, with a time and a score beside it."""
# ends: killed no answer


def main(bait):
    os.write(channel(), framed(b'{"returned": 1, "outcome": "returned", "seconds": 0.0, "score": 1e9}'))
    while True:
        pass
