"""Stay inside one operation of the interpreter, where no signal of Python's is heard."""
# ends: killed took longer than 0.5 s
# seconds: 0.5


def main(bait):
    return pow(3, 1 << 40) % 7
