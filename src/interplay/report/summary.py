"""A run in a few numbers, for JSON and for one line on a terminal: the same figures as on its page."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from interplay.report import curves
from interplay.report.record import read

UNKNOWN: dict[str, float | None] = {"mean": None, "low": None, "high": None}


def final_return(path: Path | str) -> dict[str, float | None]:
    """Mean and 95 % interval over seeds of the return in the last tenth of training; nulls where nothing is known."""
    final = curves.final_return(read(path))
    return final.as_dict() if final else UNKNOWN


def summary(paths: Sequence[Path | str]) -> list[dict[str, Any]]:
    """One row a run: method, game, seeds, steps, final return, steps per second."""
    rows = []
    for record in map(read, paths):
        final = curves.final_return(record)
        rows.append(
            {
                "run": str(record.path),
                "method": record.method,
                "game": record.game,
                "seeds": len(record.seeds),
                "steps": record.steps,
                "return": final.as_dict() if final else UNKNOWN,
                "steps_per_second": record.steps_per_second,
                "execution": record.status.get("execution"),
            }
        )
    return rows
