"""Answer with nothing at all."""
# ends: killed no JSON


def main(bait):
    os.write(channel(), framed(b""))
    while True:
        pass
