"""Write an integer of a million digits past Python's guard."""
# ends: killed no JSON


def main(bait):
    os.write(channel(), framed(b'{"returned": ' + b"9" * 500_000 + b"}"))
    os._exit(0)
