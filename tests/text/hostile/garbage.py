"""Write noise into the channel."""
# ends: killed answered with


def main(bait):
    os.write(channel(), bytes(range(255, 0, -1)) * 100)
    while True:
        pass
