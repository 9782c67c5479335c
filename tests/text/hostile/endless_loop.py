"""Loop for ever."""
# ends: killed took longer than 0.5 s
# seconds: 0.5


def main(bait):
    while True:
        pass
