"""Pictures of game states, as small strings of SVG.

Every picture is a `document` with a fixed view box, so that the frames of a replay lie on top of each other, filled
with shapes that are themselves strings: a grid game draws rectangles and text, a particle game circles and lines.
All coordinates are in the units of the view box, x to the right and y *down*.
"""

from collections.abc import Sequence
from html import escape
from typing import SupportsFloat

# Okabe and Ito's palette, told apart by people with any of the common color blindnesses. Black comes last.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#000000")
INK = "#263238"
MUTED = "#90A4AE"
PAPER = "#FAFAF7"
DARK = frozenset({"#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", INK})

Number = SupportsFloat  # of Python, numpy or JAX


def color(index: int) -> str:
    """The color of agent `index`; after eight agents the palette starts again."""
    return COLORS[int(index) % len(COLORS)]


def contrast(fill: str) -> str:
    """White on the dark colors of the palette, ink on the others: for a label on top of `fill`."""
    return "#FFFFFF" if fill in DARK else INK


def clamp(value: Number, low: Number, high: Number) -> float:
    """`value` moved into [low, high]; what is not a number goes to `low`."""
    return min(max(float(low), float(value)), float(high))


def document(
    width: Number, height: Number, *shapes: str, left: Number = 0.0, top: Number = 0.0, title: str = ""
) -> str:
    """A whole picture: a light sheet of `width` by `height` with its corner at (`left`, `top`), and `shapes` on it.

    >>> document(2, 1, circle(1, 0.5, 0.25, color(0))).count("circle")
    1
    """
    box = f"{_number(left)} {_number(top)} {_number(width)} {_number(height)}"
    name = f"<title>{escape(title)}</title>" if title else ""
    sheet = rect(left, top, width, height, PAPER)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}" font-family="system-ui, sans-serif">'
    return f"{head}{name}{sheet}{''.join(shapes)}</svg>"


def circle(x: Number, y: Number, radius: Number, fill: str = "none", **attributes: object) -> str:
    """A disc around (`x`, `y`); further attributes are written as given, with `_` for `-` (`stroke_width=0.1`)."""
    return _tag("circle", cx=x, cy=y, r=radius, fill=fill, **attributes)


def rect(x: Number, y: Number, width: Number, height: Number, fill: str = "none", **attributes: object) -> str:
    """A box whose upper left corner is (`x`, `y`)."""
    return _tag("rect", x=x, y=y, width=width, height=height, fill=fill, **attributes)


def line(x1: Number, y1: Number, x2: Number, y2: Number, stroke: str = INK, **attributes: object) -> str:
    """A straight line from (`x1`, `y1`) to (`x2`, `y2`); give `stroke_width` in units of the view box."""
    return _tag("line", x1=x1, y1=y1, x2=x2, y2=y2, stroke=stroke, **attributes)


def polygon(points: Sequence[tuple[Number, Number]], fill: str = "none", **attributes: object) -> str:
    """A closed shape through `points`."""
    return _tag("polygon", points=" ".join(f"{_number(x)},{_number(y)}" for x, y in points), fill=fill, **attributes)


def text(x: Number, y: Number, words: object, size: Number, fill: str = INK, **attributes: object) -> str:
    """`words` centered on (`x`, `y`), `size` units high. Pass `text_anchor="start"` to write to the right of it."""
    # The shift, not dominant-baseline: editors and converters that ignore that property still center this.
    given = {"text_anchor": "middle", "dy": "0.35em", **attributes}
    return _tag("text", x=x, y=y, font_size=size, fill=fill, **given).replace("/>", f">{escape(str(words))}</text>")


def _number(value: Number) -> str:
    return f"{float(value):.4f}".rstrip("0").rstrip(".")


def _tag(name: str, **attributes: object) -> str:
    written = " ".join(f'{key.replace("_", "-")}="{_value(value)}"' for key, value in attributes.items())
    return f"<{name} {written}/>"


def _value(value: object) -> str:
    if isinstance(value, str):
        return escape(value)
    return _number(float(value)) if isinstance(value, SupportsFloat) else escape(str(value))
