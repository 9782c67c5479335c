"""Write an answer whose number is finite to look at and infinite when read."""
# ends: killed not finite


def main(bait):
    os.write(channel(), framed(b'{"returned": 1e999}'))
    os._exit(0)
