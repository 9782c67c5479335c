"""Plots as SVG that stretches: the lines scale with the page while strokes and words keep their size.

Each plot is a square of 1000 × 1000 units drawn without a fixed aspect, so the same markup serves a wide screen and a
phone; words are HTML beside it, placed by percentages. Colors are classes (`c0`, `c1`, …) that the style sheet resolves for
light and dark. A small script adds hover values from the same numbers; without script the plot still stands.
"""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Bool, Float
from markupsafe import Markup, escape

from interplay.report import numbers

UNITS = 1000
EDGE = ' class="edge"'  # a word so near the end that it would stick out
Vector: TypeAlias = Float[np.ndarray, " point"]


@dataclass(frozen=True)
class Line:
    """One colored line over x, with an interval around it where there is one and thin lines of its seeds behind it."""

    label: str
    color: int
    middle: Vector
    low: Vector | None = None
    high: Vector | None = None
    seeds: dict[str, Vector] = field(default_factory=dict)


@dataclass(frozen=True)
class Axes:
    """The window of a plot: what each axis shows and from where to where."""

    x_label: str
    y_label: str
    x_range: tuple[float, float]
    y_range: tuple[float, float]


@dataclass(frozen=True)
class Interval:
    """One row of an interval plot: a point, its interval where there is one, and the seeds it comes from."""

    label: str
    color: int
    middle: float
    low: float | None
    high: float | None
    seeds: Sequence[float]


def line_chart(x: Sequence[Vector], lines: Sequence[Line], axes: Axes, summary: str, small: bool = False) -> Markup:
    """Draw lines over x (one array of x for each line) with bands, grid and axis words.

    `summary` says the plot in words for those who do not see it.
    """
    across, up = scale(axes.x_range), scale(axes.y_range)
    drawn = [_line(across(at), line, up) for at, line in zip(x, lines, strict=True)]
    return _framed("".join(drawn), axes, summary, _data(x, lines, axes), small)


def point_chart(
    points: Float[np.ndarray, "point 2"], kept: Bool[np.ndarray, "point"], axes: Axes, summary: str
) -> Markup:
    """Draw points of a plane, the `kept` ones full and joined by steps from the highest to the furthest right.

    Every point tells its numbers when pointed at; points in the same place are drawn once.
    """
    places = np.concatenate([points, kept[:, None]], axis=1)
    places = np.unique(places, axis=0) if len(places) else places
    full = places[places[:, 2] > 0]
    full = full[np.argsort(full[:, 0], kind="stable")]
    across, up = scale(axes.x_range), scale(axes.y_range)
    corners = np.repeat(full[:, :2], 2, axis=0)
    steps = path(across(corners[:-1, 0]), up(corners[1:, 1])) if len(full) > 1 else ""
    dots = "".join(
        f'<path class="dot{" full" if on else ""}" d="M{across(x):.1f} {_flip(up(y))}h0">'
        f"<title>{numbers.short(x)}, {numbers.short(y)}</title></path>"
        for x, y, on in places.tolist()
    )
    return _framed(f'<g class="c0"><path class="seed" d="{steps}"/>{dots}</g>', axes, summary)


def _framed(drawn: str, axes: Axes, summary: str, data: str = "", small: bool = False) -> Markup:
    """Drawings in 1000 × 1000 units with grid, ticks and the axes' names."""
    x_ticks = numbers.ticks(*axes.x_range, 3 if small else 5)
    y_ticks = numbers.ticks(*axes.y_range, 4 if small else 5)
    y_words = numbers.axis_labels(y_ticks)
    across, up = scale(axes.x_range), scale(axes.y_range)
    grid = [f'<line x1="0" x2="{UNITS}" y1="{_flip(up(y))}" y2="{_flip(up(y))}"/>' for y in y_ticks]
    focus = ' tabindex="0"' if data else ""
    return Markup(
        f'<div class="chart{" small" if small else ""}"{focus} role="img" aria-label="{escape(summary)}">'
        f'<div class="axis-name">{escape(axes.y_label)}</div><div class="frame">'
        f'<div class="y-ticks" data-widest="{max(y_words, key=len, default="")}">'
        f"{_labels(y_ticks, up, 'bottom', y_words)}</div>"
        f'<div class="canvas"><svg viewBox="0 0 {UNITS} {UNITS}" preserveAspectRatio="none" aria-hidden="true">'
        f'<g class="grid">{"".join(grid)}</g>{drawn}</svg></div>'
        f'<div class="x-ticks">{_labels(x_ticks, across, "left", [numbers.compact(x) for x in x_ticks])}</div></div>'
        f'<div class="axis-name below">{escape(axes.x_label)}</div>{data}</div>'
    )


def interval_chart(rows: Sequence[Interval], label: str) -> Markup:
    """Draw one row for each entry: its seeds as faint dots, its interval as a bar, its middle as a full dot."""
    everything = [value for row in rows for value in (row.middle, row.low, row.high, *row.seeds) if value is not None]
    window = padded(everything)
    at = scale(window)
    ticks = numbers.ticks(*window, 4)
    drawn = [_interval_row(row, at) for row in rows]
    grid = "".join(f'<i style="left:{_percent(at(tick))}"></i>' for tick in ticks)
    return Markup(
        f'<div class="intervals"><div class="rows"><div class="rules">{grid}</div>{"".join(drawn)}</div>'
        f'<div class="x-ticks">{_labels(ticks, at, "left", numbers.axis_labels(ticks))}</div>'
        f'<div class="axis-name below">{escape(label)}</div></div>'
    )


def padded(values: Sequence[float] | Vector, part: float = 0.05) -> tuple[float, float]:
    """Choose a window around all finite values, a little wider than they are; (0, 1) when there is none.

    >>> padded([0.0, 10.0])
    (-0.5, 10.5)
    """
    array = np.asarray(values, dtype=float).ravel()
    array = array[np.isfinite(array)]
    if not array.size:
        return 0.0, 1.0
    low, high = float(array.min()), float(array.max())
    room = (high - low) * part or max(abs(high) * part, 1e-9)
    return low - room, high + room


def window(lines: Sequence[Line]) -> tuple[float, float]:
    """The y range that holds all lines and their seeds, and of their bands as much as leaves half of the plot to the lines.

    An interval over two seeds can be ten times as wide as all that was measured; its band then runs out of the plot.
    """
    low, high = padded(_joined([array for line in lines for array in (line.middle, *line.seeds.values())]))
    bands = _joined([array for line in lines for array in (line.low, line.high) if array is not None])
    least, most = padded(bands) if bands.size else (low, high)
    room = (high - low) / 2
    return max(min(low, least), low - room), min(max(high, most), high + room)


def _joined(arrays: Sequence[Vector]) -> Vector:
    return np.concatenate(arrays) if arrays else np.zeros(0)


def scale(limits: tuple[float, float]) -> Callable[[Any], Any]:
    """Map a range to 0 … 1000."""
    low, high = limits
    return lambda value: (np.asarray(value, dtype=float) - low) * UNITS / ((high - low) or 1.0)


def path(x: Vector, y: Vector) -> str:
    """Write the points where both are finite as one SVG path, bridging gaps."""
    present = np.isfinite(x) & np.isfinite(y)
    if not present.any():
        return ""
    points = [f"{a:.1f} {b:.1f}" for a, b in zip(x[present], UNITS - y[present], strict=True)]
    return "M" + "L".join(points)


def _line(x: Vector, line: Line, up: Callable[[Any], Any]) -> str:
    pieces = [f'<path class="seed" d="{path(x, up(values))}"/>' for values in line.seeds.values()]
    if line.low is not None and line.high is not None:
        around = path(np.concatenate([x, x[::-1]]), up(np.concatenate([line.low, line.high[::-1]])))
        pieces.append(f'<path class="band" d="{around}Z"/>' if around else "")
    pieces.append(f'<path class="middle" d="{path(x, up(line.middle))}"/>')
    return f'<g class="c{line.color % 8}" data-line="{escape(line.label)}">{"".join(pieces)}</g>'


def _interval_row(row: Interval, at: Callable[[Any], Any]) -> str:
    bar = ""
    words = f"{numbers.short(row.middle)}, no interval"
    if row.low is not None and row.high is not None:
        left, right = at(row.low), at(row.high)
        bar = f'<b style="left:{_percent(left)};width:{_percent(right - left)}"></b>'
        words = "{} [{}, {}]".format(*numbers.triple(row.middle, row.low, row.high))
    seeds = "".join(f'<u style="left:{_percent(at(seed))}"></u>' for seed in row.seeds)
    return (
        f'<div class="row c{row.color % 8}"><span class="name">{escape(row.label)}</span>'
        f'<span class="track" role="img" aria-label="{escape(row.label)}: {words}">{seeds}{bar}'
        f'<em style="left:{_percent(at(row.middle))}"></em></span><span class="words">{words}</span></div>'
    )


def _labels(values: Sequence[float], at: Callable[[Any], Any], side: str, words: Sequence[str]) -> str:
    places = [float(at(value)) for value in values]
    return "".join(
        f'<span{EDGE if place > 0.97 * UNITS else ""} style="{side}:{_percent(place)}">{word}</span>'
        for place, word in zip(places, words, strict=True)
    )


def _data(x: Sequence[Vector], lines: Sequence[Line], axes: Axes) -> str:
    entries = [
        {
            "label": line.label,
            "color": line.color % 8,
            "x": _list(at),
            "y": _list(line.middle),
            "low": _list(line.low),
            "high": _list(line.high),
            "seeds": {name: _list(values) for name, values in line.seeds.items()},
        }
        for at, line in zip(x, lines, strict=True)
    ]
    return script({"x": axes.x_range, "y": axes.y_range, "name": axes.x_label, "lines": entries})


def script(value: Any) -> str:
    """Write a value as a block of data inside the page; nothing in it can end the block early."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    return f'<script type="application/json">{text}</script>'


def _list(values: Vector | None) -> list[float | None] | None:
    if values is None:
        return None
    return [float(f"{value:.5g}") if math.isfinite(value) else None for value in values.tolist()]


def _percent(units: float) -> str:
    return f"{float(units) / UNITS:.2%}"


def _flip(units: float) -> str:
    return f"{UNITS - float(units):.1f}"
