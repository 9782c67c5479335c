"""Figures of a run (`run.figures`) as a page shows them: one drawing for each kind of numbers."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup, escape

from interplay.core.errors import InputError
from interplay.report import heat, plots

Figure = Mapping[str, Any]
ABOUT = ("seed", "kind", "title", "words", "x", "y")


def read(path: Path) -> list[dict[str, Any]]:
    """The figures of a run folder, none where there is no file; raises `InputError` where it is torn."""
    try:
        value = json.loads(path.read_bytes())["figures"]
        known = [one for one in value if one["kind"] in DRAWN and all(name in one for name in ABOUT)]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path.name} cannot be read: train again, or remove it") from error
    return known


def drawn(figures: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every figure with its drawing, as the template's words; what cannot be drawn is left out."""
    return [{**{name: one[name] for name in ABOUT}, "chart": DRAWN[one["kind"]](one)} for one in figures]


def points(figure: Figure) -> Markup:
    """Points of a plane, those that are kept filled and joined by steps."""
    at = np.asarray(figure["points"], float).reshape(-1, 2)
    kept = np.asarray(figure["kept"], bool)
    summary = (
        f"{figure['title']}: {len(np.unique(at, axis=0))} points, {len(np.unique(at[kept], axis=0))} of them kept."
    )
    axes = plots.Axes(figure["x"], figure["y"], plots.padded(at[:, 0]), plots.padded(at[:, 1]))
    return plots.point_chart(at, kept, axes, summary)


def line(figure: Figure) -> Markup:
    """One line over counted steps."""
    values = _numbers(figure["values"])
    row = plots.Line(figure["title"], 0, values)
    axes = plots.Axes(figure["x"], figure["y"], (0.0, float(max(len(values) - 1, 1))), plots.window([row]))
    return plots.line_chart([np.arange(len(values), dtype=float)], [row], axes, figure["title"])


def area(figure: Figure) -> Markup:
    """A table as a heat map."""
    table = np.stack([_numbers(row) for row in figure["values"]])
    return heat.heat_map(table, (figure["y"], figure["x"]), figure["title"])


def areas(figure: Figure) -> Markup:
    """Tables of the same shape as heat maps beside each other, each on its own scale."""
    titled = lambda name, values: {**figure, "values": values, "title": f"{figure['title']}, {name}"}
    maps = [
        f"<div><h4>{escape(name)}</h4>{area(titled(name, values))}</div>"
        for name, values in zip(figure["names"], figure["values"], strict=True)
    ]
    return Markup(f'<div class="heats beside">{"".join(maps)}</div>')


DRAWN: dict[str, Callable[[Figure], Markup]] = {"points": points, "line": line, "map": area, "maps": areas}


def _numbers(values: list[float | None]) -> np.ndarray:
    return np.array([np.nan if value is None else value for value in values], float)
