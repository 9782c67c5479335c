"""The page of a search over text: score against evaluations and tokens, whose child is whose, the best of every kind and beside
the start.

Everything that a page of one search shows comes from its folder (`run.searching`). What differs between kinds of searches is a
function that is passed: `report.searched` has those for rules, for policies and for systems code.
"""

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup, escape

from interplay.core.errors import InputError
from interplay.methods.evolution import Tried
from interplay.report import numbers, page, plots, searched, views
from interplay.report.replay import read_replays
from interplay.report.searched import Described, Grid
from interplay.run import searching
from interplay.text.genome import diff, lineage
from interplay.text.trial import Trial
from interplay.update import archive
from interplay.update.archive import Entry

SHOWN = 24  # candidates whose ancestors are drawn
WIDE, TALL = 1000.0, 420.0
Place = tuple[int, ...]  # of a cell of the grid
Describe = Callable[[searching.Kept, Mapping[str, Any], Trial], Described]


def write(path: Path, describe: Describe = searched.rules) -> Path:
    """Write `report.html` into the folder of a finished search and return its path; raises `InputError` where there is none."""
    return page.write(path / "report.html", "search.html.j2", view(path, describe))


def view(path: Path, describe: Describe = searched.rules) -> dict[str, Any]:
    """Everything the page shows, as the template's words; `describe` says what this kind of search is about."""
    kept = searching.read(path)
    try:
        found = json.loads((path / "found.json").read_text())
    except OSError:
        raise InputError(f"the search in {path} has not ended: run the same command to its end") from None
    tried = {each.trial.genome.hash: each for each in kept.tried}
    number = {name: at for at, name in enumerate(tried)}
    first, best = kept.tried[0].trial, max((each.trial for each in kept.tried), key=lambda trial: trial.score)
    line = lineage({name: each.trial.genome for name, each in tried.items()}, best.genome.hash)
    about = describe(kept, found, best)
    elites = _elites(kept.tried, about.grid)
    living = _living(tried, best, elites)
    return {
        "found": found,
        "name": path.name,
        "about": about,
        "valid": sum(each.trial.valid for each in kept.tried),
        "duration": numbers.duration(kept.spent.seconds),
        "curve": _curve(kept.tried, "evaluations", np.arange(1.0, len(kept.tried) + 1)),
        "by_tokens": _by_tokens(kept.tried),
        "tokens": _tokens(kept, found),
        "start_text": first.genome.text,
        "lines": _marked(diff(first.genome, best.genome)),
        "tree": Markup(_tree(kept.tried, number, living, {genome.hash for genome in line})),
        "candidates": [_candidate(tried, number, name, living) for name in sorted(living, key=lambda n: number[n])],
        "steps": [
            {"hash": one.hash, "number": number[one.hash], "how": one.how, "score": _score(tried[one.hash].trial)}
            for one in line
        ],
        "grid": _grid(elites, about.grid),
        "failures": _failures(kept.tried),
        **_replays(path / "replays"),
    }


def _replays(folder: Path) -> dict[str, Any]:
    """The replays that a search has kept, what was found first, and a sentence on each that cannot be shown."""
    replays, refused = read_replays(folder)
    first = sorted(replays, key=lambda replay: replay.name != "found")
    return {"replays": views.data_block(views.replay_data(first, "")) if first else None, "refused": refused}


def _living(tried: Mapping[str, Tried], best: Trial, elites: Mapping[Place, Entry]) -> set[str]:
    """The best candidates, the best of every kind, and all their ancestors."""
    good = sorted((each.trial for each in tried.values() if each.trial.valid), key=lambda trial: -trial.score)
    left = [
        best.genome.hash,
        *(trial.genome.hash for trial in good[:SHOWN]),
        *(entry.name for entry in elites.values()),
    ]
    names = set[str]()
    while left:
        name = left.pop()
        if name in tried and name not in names:
            names.add(name)
            left.extend(tried[name].trial.genome.parents[:1])
    return names


def _curve(tried: Sequence[Tried], what: str, x: np.ndarray) -> Markup:
    scores = np.array([each.trial.score for each in tried])
    best = np.maximum.accumulate(scores)
    batches = np.array([each.batch for each in tried])
    middle = [_median(scores[batches == each]) for each in np.unique(batches)]
    ends = np.array([x[batches == each].max() for each in np.unique(batches)])
    lines = [plots.Line("best so far", 0, best), plots.Line("median of the batch", 1, np.array(middle))]
    axes = plots.Axes(what, "score", (min(1.0, float(x[0])), max(float(x[-1]), 2.0)), plots.window(lines))
    words = f"Best score from {best[0]:.2f} to {best[-1]:.2f} in {x[-1]:,.0f} {what}."
    return plots.line_chart([x, ends], lines, axes, words)


def _by_tokens(tried: Sequence[Tried]) -> Markup | None:
    """The same curve over tokens of a language model, where any were spent."""
    tokens = np.array([float(each.tokens) for each in tried])
    return _curve(tried, "tokens", tokens) if tokens[-1] else None


def _median(scores: np.ndarray) -> float:
    finite = scores[np.isfinite(scores)]
    return float(np.median(finite)) if len(finite) else np.nan


def _tokens(kept: searching.Kept, found: Mapping[str, Any]) -> str:
    spent = kept.spent
    if not spent.tokens:
        return f"No tokens: the {found['proposer']} proposes without a language model."
    return f"{spent.tokens:,} tokens in {spent.calls:,} calls to {found['proposer']}, {spent.money:.4g} of money."


def _marked(text: str) -> list[tuple[str, str]]:
    kinds = {"+": "new", "-": "old"}
    return [(kinds.get(line[:1], "same"), line) for line in text.splitlines()]


def _candidate(tried: Mapping[str, Tried], number: Mapping[str, int], name: str, living: set[str]) -> dict[str, Any]:
    trial = tried[name].trial
    parents = [parent for parent in trial.genome.parents if parent in tried]
    changed = diff(tried[parents[0]].trial.genome, trial.genome) if parents else trial.genome.text
    return {
        "hash": name,
        "number": number[name],
        "how": trial.genome.how,
        "score": _score(trial),
        "parents": [(parent, number[parent], parent in living) for parent in parents],
        "children": [(each, number[each]) for each in living if name in tried[each].trial.genome.parents],
        "lines": _marked(changed),
        "metrics": {key: numbers.short(value) for key, value in trial.metrics.items()},
        "aim": trial.artefacts.get("aim", ""),
    }


def _score(trial: Trial) -> str:
    return f"{trial.score:.3f}" if trial.valid else "failed"


def _tree(tried: Sequence[Tried], number: Mapping[str, int], living: set[str], line: set[str]) -> str:
    """Every valid candidate as a dot at its evaluation and score, and lines from parents to children among the living."""
    valid = [each.trial for each in tried if each.trial.valid]
    scores = np.array([trial.score for trial in valid])
    low, high = plots.padded(np.maximum(scores, scores[0] - 1.0))
    across = lambda name: 10 + (WIDE - 20) * number[name] / max(1, len(tried) - 1)
    up = lambda score: TALL * (1 - (max(score, low) - low) / (high - low))
    at = {trial.genome.hash: (across(trial.genome.hash), up(trial.score)) for trial in valid}
    edges, dots = [], []
    for trial in valid:
        name = trial.genome.hash
        x, y = at[name]
        parent = next(iter(trial.genome.parents), "")
        if name in living and parent in at:
            a, b = at[parent]
            chosen = ' class="line"' if name in line and parent in line else ""
            edges.append(
                f'<path{chosen} d="M{a:.0f} {b:.0f}C{(a + x) / 2:.0f} {b:.0f} {(a + x) / 2:.0f} {y:.0f} {x:.0f} {y:.0f}"/>'
            )
        words = escape(f"{number[name]}: {trial.score:.3f}, {trial.genome.how}")
        dot = f'<circle cx="{x:.0f}" cy="{y:.1f}" r="{6 if name in line else 4 if name in living else 2}"/>'
        kind = "line" if name in line else "live" if name in living else "dead"
        shown = f'<g class="{kind}"><title>{words}</title>{dot}</g>'
        dots.append(f'<a href="#c-{name}" aria-label="candidate {words}">{shown}</a>' if name in living else shown)
    dots.sort(key=lambda dot: ("dead" not in dot, 'class="line"' in dot))
    drawn = "".join((*edges, *dots))
    return f'<svg viewBox="0 -8 {WIDE:.0f} {TALL + 16:.0f}" role="img" aria-label="Lineage">{drawn}</svg>'


def _elites(tried: Sequence[Tried], grid: Grid) -> dict[Place, Entry]:
    """The best of every kind."""
    kept: dict[Place, Entry] = {}
    for trial in (each.trial for each in tried if each.trial.valid):
        entry = Entry(trial.genome.hash, trial.score, features=grid.features(trial))
        place = archive.cell(entry, (grid.columns, grid.rows))
        if place not in kept or entry.score > kept[place].score:
            kept[place] = entry
    return kept


def _grid(kept: Mapping[Place, Entry], grid: Grid) -> dict[str, Any]:
    scores = [entry.score for entry in kept.values()]
    low, high = max(min(scores), max(scores) - 2), max(scores)
    share = lambda entry: 100 * (max(entry.score, low) - low) / ((high - low) or 1)
    rows = [
        {"label": label, "cells": [
            {"score": f"{kept[place].score:.2f}", "share": f"{share(kept[place]):.0f}", "hash": kept[place].name}
            if (place := (column, row)) in kept else None
            for column in range(len(grid.columns) + 1)
        ]}
        for row, label in reversed(list(enumerate(_bins(grid.rows))))
    ]  # fmt: skip
    return {"columns": _bins(grid.columns), "rows": rows, "filled": len(kept)}


def _bins(edges: Sequence[float]) -> list[str]:
    inner = [f"{a:g} to {b:g}" for a, b in itertools.pairwise(edges)]
    return [f"below {edges[0]:g}", *inner, f"{edges[-1]:g} and more"]


def _failures(tried: Sequence[Tried]) -> list[tuple[str, int]]:
    counts: dict[str, int] = {}
    for each in tried:
        if not each.trial.valid:
            counts[each.trial.failure] = counts.get(each.trial.failure, 0) + 1
    return sorted(counts.items(), key=lambda pair: -pair[1])
