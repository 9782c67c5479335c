"""Loop for ever and catch whatever would end it."""
# ends: killed took longer than 0.5 s
# seconds: 0.5


def main(bait):
    while True:
        try:
            while True:
                list(range(1000))
        except BaseException:
            pass
