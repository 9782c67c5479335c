"""Answer by hand and go on computing: the parent ends it when it asks no more."""
# ends: returned 5


def main(bait):
    os.write(channel(), framed(b'{"returned": 5}'))
    while True:
        pass
