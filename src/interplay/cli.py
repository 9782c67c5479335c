"""The command line. Results go to standard output, progress to standard error; see `interplay --help`.

Exit codes: 0 done; 2 bad input, one line that says what to do (a user's game that fails is bad input); 1 training broke
down, or a fault of ours; 130 stopped by Ctrl-C after saving. With `--json` standard output holds one object and nothing
else, whatever games print. The commands themselves stand in `interplay.commands`, which registers them when imported.
"""

import contextlib
import functools
import importlib
import io
import json
import os
import re
import sys

import tyro

from interplay.commands.words import INTERRUPTED, NAMES, Outcome, app, complain

GROUPS = (
    "training",
    "talking",
    "demonstrating",
    "claims",
    "solving",
    "playing",
    "discovering",
    "synthesizing",
    "evolving",
    "sandbox",
)
for group in GROUPS:  # they register their commands, in the order of the help
    importlib.import_module(f"interplay.commands.{group}")


def main(arguments: list[str] | None = None) -> None:
    """Run one command and leave with its exit code."""
    words = _joined(list(sys.argv[1:] if arguments is None else arguments))
    try:
        code = _run(words)
    except KeyboardInterrupt:
        code = complain("stopped", INTERRUPTED)
    except BrokenPipeError:  # whoever read our output has gone, and what is left in the buffer has no reader either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except Exception as wrong:
        from interplay.run import faults

        code = complain(*faults.explained(wrong))
    raise SystemExit(code)


def _run(words: list[str]) -> int:
    call = _parsed(words)
    with contextlib.redirect_stdout(sys.stderr) if call.keywords["json"] else contextlib.nullcontext():
        code, answer = call()
    if answer is not None:
        from interplay.run.folder import plain

        print(json.dumps(plain(answer), allow_nan=False))
    sys.stdout.flush()
    return code


def _parsed(words: list[str]) -> functools.partial[Outcome]:
    """The command that the words ask for; a mistake in them is one line and exit code 2."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            return app.cli(args=words or ["--help"], prog="interplay", config=(tyro.conf.FlagCreatePairsOff,))
    except SystemExit as leaving:
        if leaving.code:
            _, *lines = said.getvalue().splitlines()  # a title, then the words inside a frame
            text = re.sub(r"([╭╮╰╯│─\s]|-{3,})+", " ", " ".join(lines))
            text = re.split(r"For full helptext|Argument helptext|Got errors", text)[0]
            asked = f"{words[0]} " if words[0] in NAMES else ""
            complain(f"{text.strip(' .:')}: see `interplay {asked}--help`")
        raise


def _joined(words: list[str]) -> list[str]:
    """Repeated `--set a=1 --set b=2` as one `--set a=1 b=2` at the end, in their order."""
    for flag in ("--set", "--sink"):
        values, rest, taking = [], [], False
        for word in words:
            taking = word == flag or (taking and not word.startswith("-"))
            (values if taking else rest).append(word)
        words = [*rest, *([flag] if values else []), *(value for value in values if value != flag)]
    return words


if __name__ == "__main__":
    main()
