"""Print hundreds of megabytes in one go."""
# ends: killed printed more than 65,536 bytes


def main(bait):
    print("x" * (100 << 20))
