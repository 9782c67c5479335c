"""The page of a claim: what was said, what was expected, what came out, and what the controls say of it."""

from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from interplay.bench.campaign import Campaign, result
from interplay.bench.claim import cell
from interplay.measure import stats
from interplay.report import figures, numbers, page, plots

NAMES = {
    "steps": "steps per seed",
    "updates": "gradient steps per seed",
    "tokens": "tokens said per seed",
    "parameters": "parameters",
    "seconds": "seconds",
}


def write(campaign: Campaign) -> Path:
    """Write `report.html` into the campaign's folder and return its path."""
    return page.write(campaign.path / "report.html", "claim.html.j2", view(campaign))


def view(campaign: Campaign) -> dict[str, Any]:
    """Everything the page shows, as the template's words."""
    claim, found = campaign.claim, result(campaign)
    colors = {name: color for color, name in enumerate(claim.everything())}
    return {
        "claim": claim,
        "found": found,
        "because": [dict(zip(("state", "words"), line.split(": ", 1), strict=True)) for line in found["because"]],
        "against": {name: control.against for name, control in claim.controls.items()},
        "games": [_game(campaign, label, colors, found) for label in claim.games],
        "seconds": numbers.duration(found["seconds"]),
    }


def _game(campaign: Campaign, label: str, colors: dict[str, int], found: dict[str, Any]) -> dict[str, Any]:
    names = [arm for arm, game in campaign.claim.cells() if game == label and campaign.finished(arm, game) is not None]
    cells = {name: campaign.finished(name, label) or {} for name in sorted(names, key=list(colors).index)}
    told = {**found["arms"], **found["controls"]}
    headings = list(dict.fromkeys(heading for done in cells.values() for heading in done.get("also", {})))
    rows = [
        plots.Interval(name, colors[name], *_three(told[cell(name, label)]), done["per_seed"])
        for name, done in cells.items()
        if done["per_seed"]
    ]
    return {
        "label": label,
        "name": campaign.claim.games[label],
        "scores": plots.interval_chart(rows, campaign.claim.unit) if rows else None,
        "learning": _learning(cells, colors, label),
        "labels": [(name, colors[name] % 8) for name, done in cells.items() if done["curve"]],
        "figures": [
            {**figure, "arm": name, "color": colors[name] % 8}
            for name, done in cells.items()
            for figure in figures.drawn(done.get("figures", []))
        ],
        "table": [_row(name, colors[name], done, told[cell(name, label)], headings) for name, done in cells.items()],
        "headings": headings,
        "budgets": list(NAMES.values()),
    }


def _three(about: dict[str, Any]) -> tuple[float, float | None, float | None]:
    return about["mean"], about["low"], about["high"]


def _row(name: str, color: int, done: dict[str, Any], about: dict[str, Any], headings: list[str]) -> dict[str, Any]:
    ends = [about[key] for key in ("mean", "low", "high")]
    words = numbers.triple(*ends) if None not in ends else (numbers.short(about["mean"]),)
    return {
        "name": name,
        "color": color % 8,
        "about": done["about"],
        "words": f"{words[0]} [{words[1]}, {words[2]}]" if len(words) == 3 else words[0],
        "seeds": about["seeds"],
        "also": [numbers.short(_mean(done.get("also", {}).get(heading))) for heading in headings],
        "failed": about.get("failed"),
        "budget": [numbers.short(done["budget"].get(key)) for key in NAMES],
    }


def _mean(scores: list[float] | None) -> float | None:
    return float(np.mean(scores)) if scores else None


def _learning(cells: dict[str, dict[str, Any]], colors: dict[str, int], label: str) -> Markup | None:
    steps, lines = [], []
    for name, done in cells.items():
        if not done["curve"]:
            continue
        each = np.asarray(done["curve"]["curves"], float)
        band = stats.mean_curve(each)
        low, high = (band.low, band.high) if len(each) > 1 else (None, None)
        seeds = {f"seed {index}": row for index, row in enumerate(each)} if len(each) > 1 else {}
        steps.append(np.asarray(done["curve"]["steps"], float))
        lines.append(plots.Line(name, colors[name], band.mean, low, high, seeds))
    if not lines:
        return None
    axes = plots.Axes("steps", "score", (0.0, max(float(at[-1]) for at in steps)), plots.window(lines))
    return plots.line_chart(steps, lines, axes, f"Curves on {label} of {', '.join(line.label for line in lines)}.")
