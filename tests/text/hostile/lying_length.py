"""Announce four gigabytes, so that the parent makes room for them."""
# ends: killed answered with 4,294,967,295 bytes


def main(bait):
    os.write(channel(), b"\xff\xff\xff\xff{}")
    while True:
        pass
