"""Print without end."""
# ends: killed printed more than 65,536 bytes


def main(bait):
    while True:
        print("x" * 10_000)
