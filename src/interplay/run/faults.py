"""What went wrong, in one line: whose code it was, and where.

A game of the user's may raise anything, anywhere: while it is made, traced or played. What was raised in their files is
theirs to mend and is told with file and line; what was raised in ours is a fault of ours. No jax here.
"""

import os
import sysconfig
import traceback
from collections.abc import Iterator
from pathlib import Path

from interplay.core.errors import DivergenceError, GameError, InputError, LostError

TRACEBACK = "INTERPLAY_TRACEBACK"  # set to 1 to see where every error comes from
OURS = Path(__file__).parents[1]
INSTALLED = tuple(Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib"))


def explained(wrong: Exception) -> tuple[str, int]:
    """One line on what is wrong, and the exit code; where it is a fault of ours the traceback is printed before."""
    where, text = place(wrong), line(wrong)
    if os.environ.get(TRACEBACK, "") not in ("", "0"):
        traceback.print_exception(wrong)
    if isinstance(wrong, DivergenceError | LostError):
        return text, 1
    if isinstance(wrong, InputError) or (isinstance(wrong, GameError) and where is None):
        return text, 2
    more = f"({TRACEBACK}=1 shows all)"
    if isinstance(wrong, GameError):
        return f"{text}, raised at {where} {more}", 2
    if where is not None:
        return f"{where}: {type(wrong).__name__}: {text} {more}", 2
    traceback.print_exception(wrong)
    return "this is a fault of Interplay, not of yours: please report it with the lines above", 1


def place(wrong: BaseException) -> str | None:
    """FILE:LINE of the user's code that raised, or None where no code of theirs had part in it."""
    found = None
    for cause in _chain(wrong):
        for frame in traceback.extract_tb(cause.__traceback__):
            if _is_users(frame.filename):
                found = f"{_short(frame.filename)}:{frame.lineno}"
    return found


def line(wrong: BaseException) -> str:
    """What was raised as one line, whatever it has to say."""
    return " ".join(str(wrong).split()) or type(wrong).__name__


def _chain(wrong: BaseException | None) -> Iterator[BaseException]:
    """The exception and what caused it, the first cause last."""
    while wrong is not None:
        yield wrong
        wrong = wrong.__cause__


def _is_users(name: str) -> bool:
    path = Path(name)
    return path.is_file() and not any(path.is_relative_to(place) for place in (OURS, *INSTALLED))


def _short(name: str) -> str:
    path = Path(name)
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
