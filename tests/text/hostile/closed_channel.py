"""Close the channel and stay."""
# ends: killed closed its channel


def main(bait):
    os.close(channel())
    while True:
        pass
