"""Choices by name, at the edges where users type them."""

import difflib
from collections.abc import Iterable, Mapping
from typing import TypeVar

from interplay.core.errors import InputError

Choice = TypeVar("Choice")


def nearest(name: str, known: Iterable[str]) -> str:
    """The rest of a sentence that says what could have been meant by `name`.

    >>> nearest("ful", ["line", "full"])
    'did you mean full?'
    """
    known = list(known)
    near = difflib.get_close_matches(name, known, n=3)
    return f"did you mean {' or '.join(near)}?" if near else f"use {', '.join(known)}"


def chosen(choices: Mapping[str, Choice], what: str, name: str) -> Choice:
    """The choice called `name`. Raises `InputError` with the nearest names where there is none.

    >>> chosen({"line": 1, "full": 2}, "graph", "full")
    2
    """
    if name not in choices:
        raise InputError(f"{what} is '{name}': {nearest(name, choices)}")
    return choices[name]
