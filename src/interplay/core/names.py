"""Choices by name, at the edges where users type them."""

import difflib
from collections.abc import Mapping
from typing import TypeVar

from interplay.core.errors import InputError

Choice = TypeVar("Choice")


def chosen(choices: Mapping[str, Choice], what: str, name: str) -> Choice:
    """The choice called `name`. Raises `InputError` with the nearest names where there is none.

    >>> chosen({"line": 1, "full": 2}, "graph", "full")
    2
    """
    if name not in choices:
        near = difflib.get_close_matches(name, choices, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"use {', '.join(choices)}"
        raise InputError(f"{what} is '{name}': {hint}")
    return choices[name]
