"""How numbers read on a page: few digits, a true minus sign, thousands grouped, units where they help.

`compact(1_500_000)` is the tick label `1.5M`; `short(-23.4567)` is the table entry `−23.5`.
"""

import math
from typing import Any

import numpy as np

MINUS = "\N{MINUS SIGN}"
MISSING = "\N{EN DASH}"


def short(value: Any, digits: int = 3) -> str:
    """Write a number with so many significant digits; whole numbers keep all of theirs; nothing becomes a dash.

    >>> short(-23.4567), short(12345.6), short(None), short(0.00012345)
    ('−23.5', '12,346', '–', '1.23e−4')
    """
    if value is None or isinstance(value, bool) or not isinstance(value, int | float | np.number):
        return MISSING
    number = float(value)
    if not math.isfinite(number):
        return "not finite"
    return _plain(number, digits).replace("-", MINUS)


def _plain(number: float, digits: int) -> str:
    size = abs(number)
    if size == 0:
        return "0"
    if size < 1e-3 or size >= 1e9:
        mantissa, exponent = f"{number:.{digits - 1}e}".split("e")
        return f"{mantissa}e{int(exponent)}"
    decimals = max(0, digits - 1 - math.floor(math.log10(size)))
    if number == int(number) and size >= 1:
        decimals = 0
    return f"{number:,.{decimals}f}"


def triple(middle: float, low: float, high: float) -> tuple[str, str, str]:
    """Write a middle and the ends of its interval with the same decimals: enough for two digits of the width.

    >>> triple(-21.44, -22.0, -20.9)
    ('−21.4', '−22.0', '−20.9')
    """
    width, largest = high - low, max(abs(low), abs(high))
    if not (width > 1e-4 and 1e-3 <= largest < 1e9):
        return short(middle), short(low), short(high)
    wanted = max(1 - math.floor(math.log10(width)), 2 - math.floor(math.log10(largest)), 0)
    first, second, third = (f"{value:,.{min(wanted, 6)}f}".replace("-", MINUS) for value in (middle, low, high))
    return first, second, third


def compact(value: float) -> str:
    """Write a count for an axis: thousands as k, millions as M, billions as G.

    >>> compact(0), compact(250_000), compact(1_500_000)
    ('0', '250k', '1.5M')
    """
    for unit, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= unit:
            return f"{value / unit:g}{name}".replace("-", MINUS)
    return f"{value:g}".replace("-", MINUS)


def duration(seconds: float | None) -> str:
    """Write a time in the two largest units that matter.

    >>> duration(8.25), duration(75), duration(7300)
    ('8.2 s', '1 min 15 s', '2 h 1 min')
    """
    if seconds is None or not math.isfinite(seconds):
        return MISSING
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Choose at most about `count` round values inside [low, high]: steps of 1, 2, 2.5 or 5 times a power of ten.

    >>> ticks(0, 1_000_000, 4)
    [0.0, 250000.0, 500000.0, 750000.0, 1000000.0]
    """
    span = high - low
    if not span > 0:
        return [low]
    rough = span / max(count, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [float(f"{place * step:.10g}") for place in range(first, last + 1)]


def axis_labels(values: list[float]) -> list[str]:
    """Write the ticks of one axis alike: the same number of decimals, which is what their spacing needs.

    >>> axis_labels([0.0, 0.25, 0.5]), axis_labels([-20.0, 0.0])
    (['0.00', '0.25', '0.50'], ['−20', '0'])
    """
    largest = max(map(abs, values), default=0.0)
    if largest >= 10_000 or 0 < largest < 1e-3:
        return [compact(value) if largest >= 10_000 else f"{value:.3g}".replace("-", MINUS) for value in values]
    decimals = next((n for n in range(8) if all(abs(value - round(value, n)) < 1e-9 for value in values)), 8)
    return [f"{value:.{decimals}f}".replace("-", MINUS) for value in values]
