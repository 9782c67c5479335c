"""Write an answer so deep that whoever reads it runs out of stack."""
# ends: killed no JSON


def main(bait):
    os.write(channel(), framed(b'{"returned": ' + b"[" * 200_000 + b"]" * 200_000 + b"}"))
    os._exit(0)
