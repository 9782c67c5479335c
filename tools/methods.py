"""Write METHODS.md: every method, the paper it comes from, what that paper claims and what came of it here.

    python tools/methods.py            # write METHODS.md
    python tools/methods.py --check    # exit 1 where METHODS.md is not what would be written

Methods come from the registry and their own docstrings; numbers from results/*.json, which only measured runs write.
"""

import argparse
import dataclasses
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
NEEDED = ("method", "claim", "ours", "verdict")
OPENING = """\
# Methods

<!-- Written by `python tools/methods.py`; change the methods' docstrings or results/ instead. -->

Each method is one file that composes shared parts. `interplay train SLUG --game GAME` trains it.

| slug | what it is | source | settings |
| --- | --- | --- | --- |
"""
CLAIMS = """
## Claims

What the source says, what we measured, and what follows. Every number carries its seeds and its interval.

| slug | claim | our number | verdict |
| --- | --- | --- | --- |
"""
NO_CLAIMS = "\nNo measured claims are committed yet: results/ is empty.\n"


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


def results(folder: Path = RESULTS) -> list[dict[str, Any]]:
    """What results/*.json hold, by file name. Raises `SystemExit` for one that lacks a field or names no method."""
    found = []
    for path in sorted(folder.glob("*.json")):
        content = json.loads(path.read_text())
        for result in content if isinstance(content, list) else [content]:
            missing = [name for name in NEEDED if name not in result]
            if missing:
                raise SystemExit(f"{path} lacks {', '.join(missing)}: write it again")
            if result["method"] not in methods.MODULES:
                raise SystemExit(f"{path} names the method {result['method']}, which is not registered")
            found.append(result)
    return found


def page(found: list[dict[str, Any]]) -> str:
    """The whole of METHODS.md."""
    table = OPENING + "\n".join(rows()) + "\n"
    if not found:
        return table + NO_CLAIMS
    lines = [
        f"| `{one['method']}` | {_cell(one['claim'])} | {_cell(one['ours'])} | {_cell(one['verdict'])} |"
        for one in found
    ]
    return table + CLAIMS + "\n".join(lines) + "\n"


def _cell(text: Any) -> str:
    return str(text).replace("|", "\\|").replace("\n", " ")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="only say whether METHODS.md is up to date")
    asked = parser.parse_args()
    text = page(results())
    if not asked.check:
        PAGE.write_text(text)
        return 0
    if PAGE.exists() and PAGE.read_text() == text:
        return 0
    print("METHODS.md is out of date: run `make methods` and commit it", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
