"""From the rows of a log to what is drawn and said: one aligned curve with its interval, one final score for each seed.

A learning curve is the mean over seeds of the logged return with Student's t interval at each step; the final return is
the mean over episodes in the last tenth of training, seed by seed. Both leave the arithmetic to `measure.stats`.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from interplay.core.errors import InputError
from interplay.measure import stats
from interplay.report import metrics
from interplay.report.plots import Line, Vector
from interplay.report.record import Record, Row

FINAL_PART = 0.1  # of training, at its end, over which the final return is taken
POINTS = 160  # of a drawn curve


def logged(record: Record) -> list[str]:
    """Names of the metrics with at least one finite number, in the order they are shown; the return is not among them."""
    names = {
        name for row in record.rows for name in row if name not in metrics.HIDDEN and value_of(row, name) is not None
    }
    return metrics.in_order(names)


def value_of(row: Row, name: str) -> float | None:
    """A row's finite number under a name, or None."""
    value: Any = row.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def learning_line(record: Record, metric: str, label: str, color: int) -> tuple[Vector, Line] | None:
    """The steps of one metric's curve and the line over them: mean over seeds, interval if there are several, each seed.

    None when the metric has no value, or when the seeds that have one share no steps.
    """
    rows = [(row["seed"], row["step"], value_of(row, metric)) for row in record.rows]
    seeds = sorted({seed for seed, _, value in rows if value is not None})
    if not seeds:
        return None
    try:
        aligned = stats.align(rows, seeds, POINTS)
    except InputError:
        return None
    band = stats.mean_curve(aligned.curves)
    several = len(seeds) > 1
    each = {f"seed {seed}": values for seed, values in zip(seeds, aligned.curves, strict=True)} if several else {}
    low, high = (band.low, band.high) if several else (None, None)
    return aligned.steps, Line(label, color, band.mean, low, high, each)


def final_scores(record: Record, part: float = FINAL_PART) -> dict[int, float]:
    """Each seed's return over its last `part` of training: the mean over the episodes that finished there.

    A seed whose last episode ended earlier counts with the last return it logged; a seed without any is left out.
    """
    scores: dict[int, float] = {}
    for seed in record.seeds:
        rows = [row for row in record.rows if row["seed"] == seed and value_of(row, "return") is not None]
        if rows:
            start = (1 - part) * max(row["step"] for row in record.rows if row["seed"] == seed)
            scores[seed] = _episode_mean([row for row in rows if row["step"] > start] or rows[-1:])
    return scores


def _episode_mean(rows: list[Row]) -> float:
    returns = [value_of(row, "return") or 0.0 for row in rows]
    episodes = [value_of(row, "episodes") or 1.0 for row in rows]
    return float(np.average(returns, weights=episodes))


def final_return(record: Record) -> stats.Interval | None:
    """The final return over the seeds with its 95 % interval (nan ends for one seed); None when no episode finished."""
    scores = list(final_scores(record).values())
    return stats.interval(scores) if scores else None


def known(interval: stats.Interval | None) -> bool:
    """Whether there is an interval at all: several seeds, all finite."""
    return interval is not None and math.isfinite(interval.low) and math.isfinite(interval.high)


def mapped(record: Record, label: str, color: int, keep: Callable[[str], bool]) -> list[tuple[str, Vector, Line]]:
    """All drawable curves of a run whose metric passes `keep`, as (metric, steps, line)."""
    found = ((name, learning_line(record, name, label, color)) for name in logged(record) if keep(name))
    return [(name, *pair) for name, pair in found if pair is not None]
