"""Fill the README's results table and draw its picture from real runs, one per method and game.

    python tools/showcase.py RUN…          # writes README.md's block and docs/images/comparison.png

The table stands between two marks in the README, so that nobody types a number by hand.
"""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from interplay.games.svg import COLORS
from interplay.measure import stats
from interplay.report import curves
from interplay.report.record import Record, read

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
PICTURE = ROOT / "docs" / "images" / "comparison.png"
BLOCK = re.compile(r"(<!-- results:begin -->\n).*?(<!-- results:end -->)", flags=re.S)
HEAD = "| game | method | return (95 % interval) | seeds | steps per seed |\n| --- | --- | --- | --- | --- |\n"


def row(record: Record) -> str:
    """One run as a row of the table; returns are those of the last tenth of training, with sampled actions."""
    final = curves.final_return(record)
    if final is None:
        raise SystemExit(f"{record.path} has no finished episode: train longer")
    interval = f"{final.mean:.2f} [{final.low:.2f}, {final.high:.2f}]" if curves.known(final) else f"{final.mean:.2f}"
    return f"| `{record.game}` | {record.method} | {interval} | {len(record.seeds)} | {record.steps:,} |\n"


def table(records: Sequence[Record]) -> str:
    """The whole table, runs of one game together."""
    together = sorted(records, key=lambda record: ([r.game for r in records].index(record.game), record.method))
    return HEAD + "".join(map(row, together))


def draw(records: Sequence[Record], path: Path) -> None:
    """One panel a game, one line a method with its 95 % interval over seeds."""
    games = list(dict.fromkeys(record.game for record in records))
    methods = list(dict.fromkeys(record.method for record in records))
    plt.rcParams.update({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False})
    figure, panels = plt.subplots(1, len(games), figsize=(4.8 * len(games), 3.2), dpi=160, squeeze=False)
    for panel, game in zip(panels[0], games, strict=True):
        for record in (record for record in records if record.game == game):
            points = [(line["seed"], line["step"], line["return"]) for line in record.rows]
            aligned = stats.align(points, record.seeds)
            band = stats.mean_curve(aligned.curves)
            color = COLORS[methods.index(record.method)]
            panel.plot(aligned.steps / 1e3, band.mean, color=color, label=record.method, linewidth=1.6)
            panel.fill_between(aligned.steps / 1e3, band.low, band.high, color=color, alpha=0.18, linewidth=0)
        panel.set(title=game, xlabel="environment steps per seed (thousands)", ylabel="return")
        panel.grid(color="#E3E4DF", linewidth=0.6)
        panel.legend(frameon=False)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--picture-only", type=Path, help="draw these runs here and leave the README alone")
    asked = parser.parse_args()
    records = [read(path) for path in asked.runs]
    draw(records, asked.picture_only or PICTURE)
    if asked.picture_only is None:
        text = README.read_text()
        if not BLOCK.search(text):
            raise SystemExit("README.md has no results block: put <!-- results:begin --> and <!-- results:end --> back")
        README.write_text(BLOCK.sub(lambda marks: marks[1] + table(records) + marks[2], text))


if __name__ == "__main__":
    main()
