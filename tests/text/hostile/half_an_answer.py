"""Begin an answer and let the parent wait for the rest."""
# ends: killed took longer than 0.5 s
# seconds: 0.5


def main(bait):
    os.write(channel(), b"\x10\x00\x00\x00{")
    while True:
        pass
