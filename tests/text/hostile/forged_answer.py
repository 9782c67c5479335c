"""Write the answer oneself and leave: it counts as the program's claim, and as nothing more."""
# ends: returned 1000000


def main(bait):
    os.write(channel(), framed(b'{"returned": 1000000}'))
    os._exit(0)
