"""Answer with a pickle that would run a command when loaded."""

# ends: killed no JSON
import os
import pickle


class Bomb:
    def __reduce__(self):
        return os.system, ("touch escaped",)


def main(bait):
    os.write(channel(), framed(pickle.dumps(Bomb())))
    os._exit(0)
