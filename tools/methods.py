"""Write METHODS.md (every method, its paper, what that claims and what came of it here) and the README's table of claims.

    python tools/methods.py            # write both
    python tools/methods.py --check    # exit 1 where one of them is not what would be written

Methods come from the registry and their own docstrings; numbers from results/*.json, which only measured runs write.
"""

import argparse
import dataclasses
import importlib
import inspect
import json
import re
import sys
from pathlib import Path
from typing import Any

from interplay import methods

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "METHODS.md"
RESULTS = ROOT / "results"
README = ROOT / "README.md"
BLOCK = re.compile(r"(<!-- claims:begin -->\n).*?(<!-- claims:end -->)", flags=re.S)
NEEDED = (
    "claim",
    "method",
    "sentence",
    "paper",
    "scale",
    "summary",
    "because",
    "explained_by",
    "arms",
    "controls",
    "seconds",
)
OPENING = """\
# Methods

<!-- Written by `python tools/methods.py`; change the methods' docstrings or results/ instead. -->

Each method is one file that composes shared parts. `interplay train SLUG --game GAME` trains it.

| slug | what it is | source | settings |
| --- | --- | --- | --- |
"""
SOLVERS = """
Methods that other commands run: `interplay solve GAME --method SLUG`, `interplay discover`, `interplay synthesize` and
`interplay evolve`.

| slug | command | what it is | source |
| --- | --- | --- | --- |
"""
CLAIMS = """
## Claims

What the source says, what we measured, and what follows. `interplay reproduce CLAIM` runs one again; every number carries its
seeds and its 95 % interval, and a verdict is computed from the intervals. Seconds are those of the whole campaign.

| claim | the paper | ours | controls | verdict | seconds |
| --- | --- | --- | --- | --- | --- |
"""
NO_CLAIMS = "\nNo measured claims are committed yet: results/ is empty.\n"
SHORT = """\
| claim | what it says | verdict | seeds | minutes of all cells, each on a core |
| --- | --- | --- | --- | --- |
"""


def source(text: str) -> str:
    """The paper named on the "Source:" lines of a docstring, up to the end of its sentence; a dash where there is none.

    >>> source("An idea.\\n\\nSource: A, \\"B\\" (1992).\\nMore words.")
    'A, "B" (1992)'
    """
    found = re.search(r"^Source: (.+?\(\d{4}\)(?:, [^.]+)?)\.", text, flags=re.M | re.S)
    return " ".join(found[1].split()) if found else "—"


def opening(text: str) -> str:
    """The first paragraph of a docstring as one line."""
    return " ".join(text.split("\n\n")[0].split())


def rows() -> list[str]:
    """One table row per method of the registry."""
    lines = []
    for slug in methods.MODULES:
        module = methods.module(slug)
        text = inspect.getdoc(module) or ""
        count = len(dataclasses.fields(module.Settings))
        file = Path(inspect.getfile(module)).relative_to(ROOT)
        lines.append(f"| [`{slug}`]({file}) | {_cell(opening(text))} | {_cell(source(text))} | {count} |")
    return lines


def solvers() -> list[str]:
    """One table row per method that is run by another command than `train`."""
    lines = []
    for slug, (name, function, command) in methods.ELSEWHERE.items():
        module = importlib.import_module(f"interplay.{name}")
        text = inspect.getdoc(getattr(module, function) if function else module) or ""
        file = Path(inspect.getfile(module)).relative_to(ROOT)
        lines.append(f"| [`{slug}`]({file}) | `{command}` | {_cell(opening(text))} | {_cell(source(text))} |")
    return lines


def results(folder: Path = RESULTS) -> list[dict[str, Any]]:
    """What results/*.json hold, by file name. Raises `SystemExit` for one that lacks a field or names no method."""
    found = []
    for path in sorted(folder.glob("*.json")):
        result = json.loads(path.read_text())
        missing = [name for name in NEEDED if name not in result]
        if missing:
            raise SystemExit(f"{path} lacks {', '.join(missing)}: run `interplay reproduce` again")
        if result["method"] not in {**methods.MODULES, **methods.ELSEWHERE}:
            raise SystemExit(f"{path} names the method {result['method']}, which is not registered")
        found.append(result)
    return found


def page(found: list[dict[str, Any]]) -> str:
    """The whole of METHODS.md."""
    table = OPENING + "\n".join(rows()) + "\n" + SOLVERS + "\n".join(solvers()) + "\n"
    if not found:
        return table + NO_CLAIMS
    return table + CLAIMS + "\n".join(map(_claim, found)) + "\n"


def short(found: list[dict[str, Any]]) -> str:
    """The README's table of claims."""
    lines = [
        f"| [`{one['claim']}`](METHODS.md#claims) | {_cell(one['sentence'])} | {_cell(one['summary'])} | {one['seeds']} "
        f"| {one['seconds'] / 60:.0f} |"
        for one in found
    ]
    return SHORT + "".join(line + "\n" for line in lines)


def _claim(one: dict[str, Any]) -> str:
    ours = "; ".join(line.split(": ", 1)[1] for line in one["because"])
    controls = "; ".join(f"{name} {_interval(arm)}" for name, arm in one["controls"].items())
    words = (f"`{one['claim']}` ({one['scale']})", one["paper"], ours, controls, f"**{one['summary']}**")
    return "| " + " | ".join(map(_cell, words)) + f" | {one['seconds']:.0f} |"


def _interval(arm: dict[str, Any]) -> str:
    if arm["mean"] is None:
        return "failed"
    ends = "" if arm["low"] is None else f" [{arm['low']:.3g}, {arm['high']:.3g}]"
    return f"{arm['mean']:.3g}{ends}"


def _cell(text: Any) -> str:
    return str(text).replace("|", "\\|").replace("\n", " ")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="only say whether METHODS.md is up to date")
    asked = parser.parse_args()
    found = results()
    wanted = {
        PAGE: page(found),
        README: BLOCK.sub(lambda block: block[1] + short(found) + block[2], README.read_text()),
    }
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text() != text]
    if asked.check and stale:
        names = " and ".join(path.name for path in stale)
        print(f"{names} out of date: run `make methods` and commit", file=sys.stderr)
        return 1
    for path in stale:
        path.write_text(wanted[path])
    return 0


if __name__ == "__main__":
    sys.exit(main())
