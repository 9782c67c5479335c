"""Programs that somebody else wrote: sandbox."""

import dataclasses
import sys
from pathlib import Path
from typing import Annotated, Any

import tyro

from interplay.commands.words import DONE, Outcome, command
from interplay.core.errors import InputError


@command
def sandbox(
    file: Annotated[Path, tyro.conf.Positional],
    /,
    *,
    call: str = "main",
    arguments: str = "[]",
    seconds: float = 5.0,
    memory: float = 512.0,
    packages: tuple[str, ...] = (),
    json: bool = False,
) -> Outcome:
    """Run a Python file where it can do no harm: no network, no files, no other process, limited time and memory.

    What it prints goes to standard error. It is no error of the command when the program raises or is killed: see `outcome`.

    Args:
        file: Python source that defines a function
        call: the function to call
        arguments: its arguments, a JSON list such as '[3, "left"]'
        seconds: wall-clock time before it is killed
        memory: megabytes of address space
        packages: installed packages that it may import besides the standard library, such as numpy
        json: print one JSON object with outcome, reason, result and seconds
    """
    from interplay.text import sandbox as sandboxes

    limits = sandboxes.Limits(seconds=seconds, memory=memory, packages=packages)
    found = sandboxes.run(_source(file), call, tuple(_listed(arguments)), limits)
    print(_printable(found.printed), end="", file=sys.stderr)
    if json:
        answer = dataclasses.asdict(found)
        return 0, {name: answer[name] for name in ("outcome", "reason", "result", "seconds")}
    end = f"returned {found.result!r}" if found.outcome == "returned" else f"{found.outcome}: {found.reason}"
    print(f"{_printable(end)} in {found.seconds:.3f} s")
    return DONE


def _source(file: Path) -> str:
    try:
        return file.read_text()
    except (OSError, UnicodeDecodeError) as wrong:
        raise InputError(f"cannot read {file} ({wrong}): give a file with Python source") from None


def _listed(text: str) -> list[Any]:
    import json

    try:
        arguments = json.loads(text)
    except ValueError:
        arguments = None
    if not isinstance(arguments, list):
        raise InputError(f"cannot read the arguments '{text}': write a JSON list such as '[3, \"left\"]'")
    return arguments


def _printable(text: str) -> str:
    """Text of somebody else's for a terminal, which must not be steered by it."""
    return "".join(letter if letter.isprintable() or letter in "\n\t" else "�" for letter in text)
