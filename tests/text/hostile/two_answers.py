"""Write two answers at once, so that the second is taken for the answer to the next question."""
# ends: killed answered twice


def main(bait):
    os.write(channel(), framed(b'{"returned": 1}') + framed(b'{"returned": 2}'))
    while True:
        pass
