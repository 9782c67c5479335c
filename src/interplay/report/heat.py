"""Heat maps: a table of numbers as colored squares that scale with the page, each telling its number when pointed at."""

import numpy as np
from jaxtyping import Float
from markupsafe import Markup, escape

from interplay.report import numbers

TONES = ("var(--k1)", "var(--k0)")  # below and above the middle


def heat_map(
    values: Float[np.ndarray, "row column"], names: tuple[str, str], summary: str, *, middle: float = 0.0
) -> Markup:
    """Draw `values`, row 0 on top; the further a number is from `middle`, the fuller its color, another one below it.

    `names` are what rows and columns count, `summary` says the picture in words. Entries that are not finite stay empty.
    """
    finite = values[np.isfinite(values)]
    most = float(np.abs(finite - middle).max()) if finite.size else 0.0
    squares = [
        _square(x, y, float(values[y, x]), middle, most or 1.0) for y, x in np.argwhere(np.isfinite(values)).tolist()
    ]
    height, width = values.shape
    ends = _ends(middle, most, bool((finite < middle).any()))
    return Markup(
        f'<div class="heat" role="img" aria-label="{escape(summary)}"><div class="axis-name">{escape(names[0])} ↓ '
        f'&nbsp; {escape(names[1])} →</div><svg viewBox="0 0 {width} {height}" preserveAspectRatio="none" '
        f'style="aspect-ratio:{width}/{height}">{"".join(squares)}</svg><div class="scale">{ends}</div></div>'
    )


def _square(x: int, y: int, value: float, middle: float, most: float) -> str:
    share = abs(value - middle) / most
    tone = TONES[value >= middle]
    return (
        f'<rect x="{x}" y="{y}" width="1" height="1" style="fill:{tone};fill-opacity:{share:.3f}">'
        f"<title>{y}, {x}: {numbers.short(value)}</title></rect>"
    )


def _ends(middle: float, most: float, below: bool) -> str:
    """What the colors mean, from the least to the most."""
    sides = (-1.0, -0.5, 0.0, 0.5, 1.0) if below else (0.0, 0.5, 1.0)
    return "".join(
        f'<span><i style="background:{TONES[side >= 0]};opacity:{abs(side)}"></i>{numbers.short(middle + side * most)}</span>'
        for side in sides
    )
