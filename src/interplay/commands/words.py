"""What every command shares: how it is registered, how it says what it found, and how it complains."""

import functools
import sys
from collections.abc import Callable, Iterable
from typing import Any

import tyro

from interplay.core.errors import InputError

INTERRUPTED = 130
Outcome = tuple[int, Any]  # exit code, and what `--json` prints (None: nothing)
DONE: Outcome = (0, None)
app = tyro.extras.SubcommandApp()
NAMES: list[str] = []  # of all commands


def command(function: Callable[..., Outcome]) -> Callable[..., Outcome]:
    """Make a function a command whose call is put off, so that only words are read while words are read."""

    @functools.wraps(function)
    def later(*arguments, **keywords):
        return functools.partial(function, *arguments, **keywords)

    NAMES.append(function.__name__.rstrip("_"))
    app.command(name=NAMES[-1])(later)
    return function


def settings(pairs: tuple[str, ...]) -> dict[str, Any]:
    """`FIELD=VALUE` words as keyword arguments."""
    import ast

    changes = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise InputError(f"cannot read the setting '{pair}': write FIELD=VALUE")
        try:
            changes[name] = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            changes[name] = text
    for name in ("game", "steps"):
        if name in changes:
            raise InputError(f"give the {name} as --{name}, not as a setting")
    return changes


def fitting(known: Any, method: str, pairs: tuple[str, ...]) -> dict[str, Any]:
    """`FIELD=VALUE` words as changes of the settings `known`. Raises `InputError` for a field or a kind of value it has not."""
    from interplay.core.names import nearest

    values, fields = settings(pairs), vars(known)
    for name, value in values.items():
        if name not in fields:
            raise InputError(f"{method} has no setting '{name}': {nearest(name, fields)}")
        whole = isinstance(fields[name], float) and isinstance(value, int)
        if not isinstance(value, type(fields[name])) and not whole:
            raise InputError(f"{name} is {value!r}: give a {type(fields[name]).__name__}, such as {fields[name]!r}")
    return values


def asking(endpoint: str, model: str, seed: int = 0) -> Callable | None:
    """What asks `model` behind `endpoint`, its key taken from the environment, or here where no endpoint is given; None where
    no model is given either.

    Raises `InputError` for a model that neither an endpoint nor this machine has.
    """
    if not endpoint and not model:
        return None
    if not endpoint:
        from interplay.lm import answering

        return answering.named(model, seed)
    from interplay.lm import client

    there = client.from_environment(endpoint, model)
    return lambda said: client.ask(there, said)


def say(notes: Iterable[str]) -> None:
    """Say several things, a line each."""
    for note in notes:
        complain(note)


def table(title: str, columns: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    """Print rows as a table on standard output."""
    import rich.console
    import rich.table

    table = rich.table.Table(*columns, title=title, title_justify="left", box=None)
    for row in rows:
        table.add_row(*row)
    rich.console.Console().print(table)


def interval(score: dict[str, Any]) -> str:
    """A mean and its interval in words."""
    if score["mean"] is None:
        return "unknown"
    if score["low"] is None:
        return f"{score['mean']:.2f} (one seed: no interval)"
    return f"{score['mean']:.2f} [{score['low']:.2f}, {score['high']:.2f}]"


def complain(text: str, code: int = 2) -> int:
    """Say in one line on standard error what is wrong, and return the exit code."""
    from interplay.lm import together

    which = f" (process {together.rank()})" if together.rank() else ""
    print(f"interplay{which}: {text}", file=sys.stderr)
    return code
