"""What a page shows, gathered as the words and drawings its template puts in place.

`run_view` answers for one run: how well, how sure, how fast, with what. `comparison_view` answers for several: which is ahead
on which game, and what the seeds cannot settle. Nothing here reads or writes files.
"""

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from interplay.measure import stats
from interplay.report import compare, curves, figures, metrics, numbers, plots
from interplay.report.record import KILLED, Record, finite
from interplay.report.replay import Replay

REPLAYS_EACH = 3  # of one run in a comparison, so that the page stays light

NOTE = {"step": "?", "seed": None, "metric": None, "message": "", "checkpoint": None}
EVALUATION = {"mode": None, "episodes": None, "per_seed": [], "per_agent": []}
NEEDS = {
    "decentralized": "Decentralized: each agent acts on its own observation.",
    "center": "A center: something must see or send to several agents while the team runs.",
    "order": "An order: agents act one after another and see earlier actions.",
}
STATES = {
    "done": ("done", "This run is complete."),
    "running": ("running", "This run is still training; the page shows what it had written when the page was made."),
    "interrupted": ("interrupted", "This run was interrupted and saved; `interplay resume` continues it."),
    "failed": ("failed", "This run stopped by itself; the notes below say why."),
    KILLED: (
        "killed",
        "This run stopped without a word (killed, or the machine went down); `interplay resume` continues it.",
    ),
}


def run_view(record: Record) -> dict[str, Any]:
    """Everything the page of one run shows, as the template's words."""
    final = curves.final_return(record)
    word, sentence = STATES.get(record.state, (record.state, "The state of this run is not recorded."))
    return {
        "record": record,
        "state": {"word": word, "sentence": sentence},
        "final": _words(final) if final else (),
        "facts": _facts(record),
        "learning": _learning_chart(record),
        "small": _small_multiples(record),
        "figures": figures.drawn(record.figures),
        "replays": data_block(replay_data(record.replays, "")),
        "notes": [NOTE | note for note in record.status.get("notes", [])],
        "settings": _settings_rows(record),
        "environment": record.environment,
        "evaluation": _evaluation_view(record.evaluation),
        "needs": _needs(record),
    }


def comparison_view(records: Sequence[Record], out: Path) -> dict[str, Any]:
    """Everything a comparison shows, as the template's words."""
    runs = compare.entries(records)
    rows = compare.table(runs)
    for row, record in zip(rows, records, strict=True):
        row["needs"] = _needs(record)
        row["link"] = os.path.relpath(record.path / "report.html", out.resolve().parent)
        row["linked"] = (record.path / "report.html").exists()
    games = compare.by_game(runs)
    shared = compare.shared_games(runs)
    colors = {run.label: run.color for run in runs}
    return {
        "runs": runs,
        "rows": rows,
        "games": [_game_view(game, found) for game, found in games.items()],
        "pooled": _scores_view(compare.matrix(runs, shared), colors) if len(shared) > 1 else None,
        "several_games": len(games) > 1,
        "shared": shared,
        "cautions": compare.cautions(runs),
        "differences": _differences(records),
        "several_labels": len(colors) > 1,
    }


def _evaluation_view(evaluation: Mapping[str, Any]) -> dict[str, Any]:
    """The evaluation with its numbers in words; empty when there is none."""
    if not evaluation:
        return {}
    found = [finite(evaluation["return"].get(name)) for name in ("mean", "low", "high")]
    words = _words(stats.Interval(*(math.nan if number is None else number for number in found)))
    return EVALUATION | dict(evaluation) | {"words": words}


def _words(interval: stats.Interval) -> tuple[str, ...]:
    """A mean and the ends of its interval in words; the mean alone when there is no interval."""
    return numbers.triple(*interval) if curves.known(interval) else (numbers.short(interval.mean),)


def data_block(value: Any) -> Markup:
    """A block of data for the page's script."""
    return Markup(plots.script(value))


def _facts(record: Record) -> list[tuple[str, str]]:
    """The short facts under the headline: (name, value)."""
    asked = record.settings.get("seeds")
    seen = len(record.seeds)
    planned = int(record.settings["steps"])
    steps = f"{record.steps:,}" if record.steps >= planned else f"{record.steps:,} of {planned:,}"
    return [
        ("seeds", f"{seen}" if seen == asked or not seen else f"{seen} of {asked}"),
        ("steps per seed", steps if record.rows else "none logged"),
        ("steps per second", numbers.short(record.steps_per_second)),
        ("training time", numbers.duration(record.seconds) if record.rows else numbers.MISSING),
        ("compiling", numbers.duration(finite(record.status.get("compile_seconds")))),
        ("at run time", str(record.status.get("execution", "not recorded"))),
    ]


def _needs(record: Record) -> str:
    execution = str(record.status.get("execution", ""))
    return NEEDS.get(execution, f"Not recorded ({execution or 'no status'}).")


def _settings_rows(record: Record) -> list[tuple[str, Any, str]]:
    words = record.settings.get("descriptions", {})
    return [(name, value, words.get(name, "")) for name, value in record.settings["settings"].items()]


def _learning_chart(record: Record) -> Markup | None:
    found = curves.learning_line(record, "return", record.method, 0)
    if found is None:
        return None
    steps, line = found
    summary = (
        f"Learning curve of {record.method} on {record.game}: return from {numbers.short(float(line.middle[0]))} to "
    )
    return _chart([steps], [line], "return", summary + f"{numbers.short(float(line.middle[-1]))}.")


def _small_multiples(record: Record) -> list[dict[str, Any]]:
    """One small plot for each further metric, with the sentence that explains it."""
    views = []
    for name, steps, line in curves.mapped(record, record.method, 0, lambda name: True):
        metric = metrics.describe(name)
        summary = f"{metric.label} during training, at last {numbers.short(float(line.middle[-1]))}."
        chart = _chart([steps], [line], "", summary, small=True)
        views.append({"name": name, "metric": metric, "last": numbers.short(float(line.middle[-1])), "chart": chart})
    return views


def _chart(x: list[Any], lines: list[plots.Line], y_label: str, summary: str, small: bool = False) -> Markup:
    furthest = max(float(at[-1]) for at in x)
    axes = plots.Axes("environment steps", y_label, (0.0, furthest or 1.0), plots.window(lines))
    return plots.line_chart(x, lines, axes, summary, small)


def replay_data(replays: Sequence[Replay], label: str) -> list[dict[str, Any]]:
    """Replays as the page's player wants them; `label` stands before their names."""
    return [
        {
            "label": " · ".join(word for word in (label, replay.name) if word),
            "about": _about(replay),
            "parts": replay.parts,
            "frames": replay.frames,
            "rewards": replay.rewards,
        }
        for replay in replays
    ]


def _about(replay: Replay) -> str:
    seed = f"seed {replay.seed}" if replay.seed is not None else ""
    total = f"return {numbers.short(replay.total)}" if finite(replay.total) is not None else ""
    return " · ".join(word for word in (replay.caption, f"{replay.mode} actions", seed, total) if word)


def _game_view(game: str, found: Sequence[compare.Entry]) -> dict[str, Any]:
    """One game's part of a comparison: curves, final returns, who beats whom, replays."""
    drawn = [(run, curves.learning_line(run.record, "return", run.label, run.color)) for run in found]
    pairs = [pair for _, pair in drawn if pair is not None]
    summary = f"Learning curves on {game} of {compare.listing([run.label for run, pair in drawn if pair is not None])}."
    replays = [replay_data(run.record.replays[:REPLAYS_EACH], run.label) for run in found]
    return {
        "name": game,
        "verdict": compare.verdict(found),
        "learning": _chart([at for at, _ in pairs], [line for _, line in pairs], "return", summary) if pairs else None,
        "finals": _finals(found),
        "scores": _scores_view(compare.matrix(found, [game]), {run.label: run.color for run in found}),
        "replays": data_block([one for some in replays for one in some]),
        "starts": [sum(map(len, replays[:place])) for place, some in enumerate(replays) if some],
        "labels": [(run.label, run.color % 8) for run, pair in drawn if pair is not None],
    }


def _finals(found: Sequence[compare.Entry]) -> Markup | None:
    rows = [
        plots.Interval(run.label, run.color, final.mean, *_ends(final), list(run.scores.values()))
        for run in found
        if (final := run.final) is not None
    ]
    return plots.interval_chart(rows, "final return, mean and 95 % interval over seeds") if rows else None


def _ends(interval: Any) -> tuple[float | None, float | None]:
    return (interval.low, interval.high) if curves.known(interval) else (None, None)


def _scores_view(scores: Mapping[str, np.ndarray], colors: Mapping[str, int]) -> dict[str, Any] | None:
    """The matrix of probabilities of improvement and the performance profile of some labels; None below two labels."""
    if len(scores) < 2:
        return None
    found = compare.improvements(scores)
    return {
        "labels": list(scores),
        "cells": [[_cell(found.get((a, b)), scores[a], scores[b]) for b in scores] for a in scores],
        "seeds": {label: len(array) for label, array in scores.items()},
        "profile": _profile(scores, colors),
        "colors": [(label, colors[label] % 8) for label in scores],
    }


def _cell(won: stats.Interval | None, first: np.ndarray, second: np.ndarray) -> dict[str, Any] | None:
    """One cell of the matrix: the words, the strength of its color, and whether it is settled."""
    if won is None:
        return None
    able = compare.enough(len(first), len(second), games=first.shape[1])
    return {
        "text": f"{won.mean:.2f}",
        "interval": f"[{won.low:.2f}, {won.high:.2f}]" if able and curves.known(won) else "too few seeds",
        "side": "above" if won.mean > 0.5 else "below",
        "share": round(200 * abs(won.mean - 0.5)),
        "settled": able and (won.low > 0.5 or won.high < 0.5),
    }


def _profile(scores: Mapping[str, np.ndarray], colors: Mapping[str, int]) -> Markup:
    levels = np.linspace(0.0, 1.0, 101)
    lines = []
    for label, array in scores.items():
        band = stats.performance_profile(array, levels)
        low, high = (band.low, band.high) if len(array) > 1 else (None, None)
        lines.append(plots.Line(label, colors[label], band.mean, low, high))
    axes = plots.Axes("normalized score", "share of seeds above", (0.0, 1.0), (0.0, 1.02))
    summary = f"Performance profile of {compare.listing(list(scores))}: the share of seeds above each normalized score."
    return plots.line_chart([levels] * len(lines), lines, axes, summary)


def _differences(records: Sequence[Record]) -> list[tuple[str, list[Any]]]:
    """Settings that differ between the runs, with the value of each run; a run without the setting has None."""
    tables = [record.settings["settings"] for record in records]
    return [(name, [table.get(name) for table in tables]) for name in compare.differing(records)]
