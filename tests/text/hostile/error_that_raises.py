"""Raise an error that raises another when it is described."""
# ends: killed ended without an answer


class Wrong(Exception):
    def __str__(self):
        raise Wrong


def main(bait):
    raise Wrong
