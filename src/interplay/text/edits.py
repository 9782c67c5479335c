"""Changes of a text as a model writes them: blocks of what to search and what to put there.

    <<<<<<< SEARCH
    weigh = t
    =======
    weigh = t ^ 2
    >>>>>>> REPLACE

Every searched text must stand in the text exactly once. AlphaEvolve and OpenEvolve have models answer in this form.
"""

import re
from typing import NamedTuple

from interplay.core.errors import InputError

START, MIDDLE, END = "<<<<<<< SEARCH", "=======", ">>>>>>> REPLACE"
_BLOCK = re.compile(r"^<{5,} SEARCH[ \t]*\n(.*?)^={5,}[ \t]*\n(.*?)^>{5,} REPLACE", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """What to search for and what to put in its place."""

    search: str
    replace: str


def blocks(answer: str) -> list[Block]:
    """The blocks in an answer. Raises `InputError` where there is none, or half of one.

    >>> blocks("Longer memory:\\n<<<<<<< SEARCH\\na\\n=======\\nb\\n>>>>>>> REPLACE\\n")
    [Block(search='a', replace='b')]
    """
    answer = answer.replace("\r\n", "\n")
    found = [Block(old.rstrip("\n"), new.rstrip("\n")) for old, new in _BLOCK.findall(answer)]
    begun = len(re.findall(r"^<{5,} SEARCH", answer, re.MULTILINE))
    if begun != len(found):
        raise InputError(f"{begun - len(found)} of {begun} SEARCH blocks do not end: close each with '{END}'")
    if not found:
        raise InputError(f"the answer holds no change: write blocks from '{START}' over '{MIDDLE}' to '{END}'")
    return found


def applied(text: str, changes: list[Block]) -> str:
    """The text with all changes made, one after the other.

    Raises `InputError` where what is searched does not stand there exactly once.

    >>> applied("weigh = t", [Block("= t", "= t ^ 2")])
    'weigh = t ^ 2'
    """
    for old, new in changes:
        count = text.count(old) if old else 0
        if count != 1:
            where = "not in the text" if count == 0 else f"in the text {count} times"
            raise InputError(f"the searched text '{old[:60]}' is {where}: copy whole lines exactly as they stand")
        text = text.replace(old, new)
    return text
