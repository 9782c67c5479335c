"""One self-contained HTML file for a run or for a comparison: it opens offline, anywhere, today or in ten years.

`run_page` shows one run (curves with intervals, a replay to play, settings, what the numbers mean); `comparison_page`
sets runs side by side and says what the seeds cannot settle. Style, script, plots and replays are inside the file; its own
security policy forbids every request and every script but the page's own.
"""

import base64
import functools
import hashlib
import importlib.metadata
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

from interplay.core.errors import InputError
from interplay.report import numbers, views
from interplay.report.record import read
from interplay.run.folder import disk_line, write_atomic


def run_page(run_path: Path | str) -> Path:
    """Write `report.html` into a run folder and return its path; raises `InputError` when the folder is no run."""
    record = read(run_path)
    return write(record.path / "report.html", "run.html.j2", views.run_view(record))


def comparison_page(run_paths: Sequence[Path | str], out: Path | str) -> Path:
    """Write one page that compares runs to `out` and return its path.

    Raises `InputError` when no run is given, one is given twice, or a folder is no run.
    """
    paths = [Path(path).resolve() for path in run_paths]
    if not paths:
        raise InputError("no runs to compare: give at least one run folder, better two")
    twice = next((path for path in paths if paths.count(path) > 1), None)
    if twice:
        raise InputError(f"{twice} is given twice: name each run once")
    view = views.comparison_view([read(path) for path in paths], Path(out))
    return write(Path(out), "comparison.html.j2", view)


def write(path: Path, template: str, view: dict[str, Any]) -> Path:
    """Fill `template` with `view`, put style and script inside, and write the page to `path`."""
    code = _asset("report.js")
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    page = _templates().get_template(template)
    html = page.render(**view, style=Markup(_asset("report.css")), code=Markup(code), digest=digest)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(disk_line(error, path.parent)) from error
    write_atomic(path, html.encode())
    return path


@functools.cache
def _templates() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("interplay.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"short": numbers.short, "code": _code}
    environment.globals["version"] = _version()
    return environment


def _code(text: str) -> Markup:
    """Words with `code` in backticks, as HTML; everything else in them is escaped."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def _version() -> str:
    try:
        return importlib.metadata.version("interplay")
    except importlib.metadata.PackageNotFoundError:
        return "from a checkout"


@functools.cache
def _asset(name: str) -> str:
    return (Path(__file__).parent / "templates" / name).read_text(encoding="utf-8")
