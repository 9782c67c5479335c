"""Draw what every claim came to: docs/images/claims/SLUG.svg from results/SLUG.json, which only measured runs write.

    python tools/claim_pictures.py            # draw those that are not up to date
    python tools/claim_pictures.py --check    # exit 1 where one is not

A panel for each game shows arms (full) and controls (hollow) with their 95 % intervals, seeds as small dots, and, where arms
learned, a panel below the mean over seeds while they did.
"""

import argparse
import hashlib
import json
import math
import sys
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

matplotlib.use("svg")

from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator

ROOT = Path(__file__).resolve().parents[1]
RESULTS, PICTURES = ROOT / "results", ROOT / "docs" / "images" / "claims"
FORM = 1  # raised when pictures change without their results
COLUMNS, WIDTH, ROW, HEAD, LEARNING = 2, 5.2, 0.21, 0.9, 2.6
MANY = ("exploitability", "error")  # units whose scores differ by orders of magnitude: logarithmic
LINES = 8  # learning curves that a panel can hold


def panel(found: dict[str, Any], game: str) -> list[tuple[str, dict[str, Any], bool]]:
    """What was scored on a game, in order: name, what it came to, whether it is a control."""
    ending = f" on {game}"
    told = [(name, about, False) for name, about in found["arms"].items()]
    told += [(name, about, True) for name, about in found["controls"].items()]
    return [
        (name.removesuffix(ending), about, control)
        for name, about, control in told
        if about["mean"] is not None and (name.endswith(ending) or len(found["games"]) == 1)
    ]


def scores(axes: Axes, rows: list[tuple[str, dict[str, Any], bool]], title: str, unit: str) -> None:
    """A row for each arm: seeds, interval, mean."""
    for place, (_, about, control) in enumerate(rows):
        color = "#888888" if control else "#2563a8"
        seeds = about["per_seed"] if len(about["per_seed"]) > 1 else []
        axes.scatter(seeds, [place + 0.25] * len(seeds), s=4, color=color, linewidths=0)
        if about["low"] is not None:
            axes.plot([about["low"], about["high"]], [place, place], color=color, linewidth=2)
        face = "white" if control else color
        axes.scatter([about["mean"]], [place], s=24, facecolor=face, edgecolor=color, zorder=3)
    axes.set_yticks(range(len(rows)), [name for name, _, _ in rows], fontsize=7)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    if min(value for _, about, _ in rows for value in about["per_seed"]) > 0 and any(word in unit for word in MANY):
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(numticks=6))
    axes.set_xlabel(unit, fontsize=7)
    axes.set_title(title, fontsize=9, loc="left")
    axes.grid(axis="x", alpha=0.3)


def learning(axes: Axes, rows: list[tuple[str, dict[str, Any], bool]]) -> None:
    """Means over seeds while arms learned, with their intervals."""
    for color, (name, about, control) in enumerate([row for row in rows if "curve" in row[1]][:LINES]):
        curve = {key: np.array(values, float) for key, values in about["curve"].items()}
        axes.plot(curve["steps"], curve["mean"], f"C{color}", linestyle="--" if control else "-", label=name)
        axes.fill_between(curve["steps"], curve["low"], curve["high"], color=f"C{color}", alpha=0.12, linewidth=0)
    axes.legend(fontsize=6, frameon=False)
    axes.set_xlabel("while learning: steps", fontsize=7)
    axes.grid(alpha=0.3)


def draw(found: dict[str, Any], mark: str) -> None:
    """Write the picture of one claim, with the mark of what it was made of."""
    games = [(game, rows) for game in found["games"] if (rows := panel(found, game))]
    columns = min(COLUMNS, len(games))
    lines = math.ceil(len(games) / columns)
    tallest = [max(len(rows) for _, rows in games[line * columns :][:columns]) for line in range(lines)]
    learned = any("curve" in about for _, rows in games for _, about, _ in rows)
    heights = [height for rows in tallest for height in (rows * ROW + HEAD, *([LEARNING] if learned else []))]
    figure, grid = pyplot.subplots(
        len(heights), columns, figsize=(WIDTH * columns, sum(heights)), height_ratios=heights, squeeze=False
    )
    for axes in grid.flat:
        axes.tick_params(labelsize=7)
        axes.set_visible(False)
    for place, (game, rows) in enumerate(games):
        line, column = divmod(place, columns)
        above = grid[line * (1 + learned)][column]
        above.set_visible(True)
        scores(above, rows, game if len(games) > 1 else "", found["unit"])
        if any("curve" in about for _, about, _ in rows):
            below = grid[2 * line + 1][column]
            below.set_visible(True)
            learning(below, rows)
    figure.tight_layout()
    PICTURES.mkdir(parents=True, exist_ok=True)
    metadata = {"Date": None, "Creator": None, "Description": mark}
    figure.savefig(PICTURES / f"{found['claim'].replace(':', '-')}.svg", metadata=metadata)
    pyplot.close(figure)


def marked(path: Path) -> str:
    """What a picture of this result says it was made of."""
    return f"{FORM} {hashlib.sha256(path.read_bytes()).hexdigest()[:16]}"


def stale() -> list[Path]:
    """Results whose picture is missing, or was made of something else."""
    old = lambda path: (
        not (picture := PICTURES / f"{path.stem}.svg").exists() or f">{marked(path)}<" not in picture.read_text()
    )
    return [path for path in sorted(RESULTS.glob("*.json")) if old(path)]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="only say whether pictures are up to date")
    asked, left = parser.parse_args(), stale()
    if asked.check:
        for path in left:
            print(f"the picture of {path.name} is out of date: run `make methods` and commit", file=sys.stderr)
        return 1 if left else 0
    matplotlib.rcParams.update({"svg.hashsalt": "interplay", "svg.fonttype": "none", "font.size": 8})
    for path in left:
        draw(json.loads(path.read_text()), marked(path))
    return 0


if __name__ == "__main__":
    sys.exit(main())
