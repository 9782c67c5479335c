"""Write an answer that can be read but not walked through."""
# ends: killed nested too deep


def main(bait):
    os.write(channel(), framed(b'{"returned": ' + b"[" * 800 + b"]" * 800 + b"}"))
    os._exit(0)
