"""A regular expression that takes for ever."""

# ends: killed took longer than 0.5 s
# seconds: 0.5
import re


def main(bait):
    return bool(re.match(r"(a+)+$", "a" * 60 + "b"))
