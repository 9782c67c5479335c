"""The page of a solved game: how fast exploitability fell, what to do where, the tree, and PSRO's populations."""

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from markupsafe import Markup

from interplay.games.tree import Tree
from interplay.report import gametree, heat, numbers, page, plots

SHOWN = 12  # information sets per player
MOST = 2_000_000  # histories for which it is worked out how often each is met


def write(found: dict[str, Any], tree: Tree, folder: Path) -> Path:
    """Write `report.html` of what `run.solving` found into `folder` and return its path."""
    return page.write(folder / "report.html", "solution.html.j2", view(found, tree))


def view(found: dict[str, Any], tree: Tree) -> dict[str, Any]:
    """Everything the page shows, as the template's words."""
    strategy, unit = found["strategy"], "epoch" if "mixtures" in found else "iteration"
    facts = {
        "players": tree.players,
        "information sets": f"{tree.rows:,}",
        "histories": f"{tree.nodes:,}",
        f"{unit}s": f"{found['iterations']:,}",
        f"{unit}s a second": numbers.short(found["iterations_per_second"]),
        "NashConv": numbers.short(found["nash_conv"]),
    }
    return {
        "game": found["game"],
        "method": found["method"] + (f" with {found['meta']}" if "meta" in found else ""),
        "exploitability": numbers.short(found["exploitability"]),
        "values": [numbers.short(value) for value in found["values"]],
        "facts": facts,
        "curve": _curve(found["curve"], unit),
        "players": [_player(tree, strategy, player) for player in range(tree.players)],
        "tree": gametree.draw(tree, strategy),
        "nodes": f"{tree.nodes:,}",
        "meta": _meta(found) if "mixtures" in found else None,
    }


def _curve(curve: list[tuple[int, float]], unit: str) -> Markup | None:
    points = [(at, value) for at, value in curve if value > 0]
    if len(points) < 2:
        return None
    x, y = np.log10(np.array(points, float).T)
    line = plots.Line("exploitability", 0, y)
    window = (float(x.min()), max(float(x.max()), float(x.min()) + 0.1))
    axes = plots.Axes(f"log₁₀ {unit}", "log₁₀ exploitability", window, plots.window([line]))
    words = (
        f"Exploitability from {points[0][1]:.2g} at {unit} {points[0][0]} to {points[-1][1]:.2g} at {points[-1][0]}."
    )
    return plots.line_chart([x], [line], axes, words)


def _player(tree: Tree, strategy: Float[np.ndarray, "information action"], player: int) -> dict[str, Any]:
    first, last = tree.first[player], tree.first[player + 1]
    met = visits(tree, strategy)[first:last]
    rows = first + np.argsort(-met, kind="stable")[:SHOWN]
    return {
        "player": player,
        "sets": last - first,
        "rows": [_row(tree, strategy, int(row), float(met[row - first])) for row in rows],
    }


def visits(tree: Tree, strategy: Float[np.ndarray, "information action"]) -> Float[np.ndarray, "information"]:
    """How likely play is to come to each information set; by the order of the tables in trees too large to work it out."""
    if tree.nodes > MOST:
        return np.full(tree.rows, np.nan)
    met, asked = gametree.reach(tree, strategy), tree.record.information >= 0
    return np.bincount(tree.record.information[asked], met[asked], tree.rows)


def _row(tree: Tree, strategy: Float[np.ndarray, "information action"], row: int, met: float) -> dict[str, Any]:
    moves = [
        {"word": word, "share": round(100 * float(share), 1), "color": column % 8}
        for column, (word, share) in enumerate(zip(tree.words(row), strategy[row], strict=False))
    ]
    return {
        "label": " ".join(tree.labels[row].split()),
        "met": numbers.short(met) if np.isfinite(met) else "–",
        "moves": moves,
    }


def _meta(found: dict[str, Any]) -> dict[str, Any]:
    mixtures, payoffs = found["mixtures"], found["payoffs"][0]
    last = mixtures[-1]
    for player in reversed(range(2, payoffs.ndim)):  # everybody else plays the last mixture
        payoffs = np.tensordot(payoffs, last[player], axes=(player, 0))
    growth = [
        heat.heat_map(
            mixtures[:, player].T,
            ("policy", "epoch"),
            f"How much of player {player}'s mixture every policy is, by epoch.",
        )
        for player in range(mixtures.shape[1])
    ]
    table = heat.heat_map(
        payoffs, ("policy of player 0", "policy of player 1"), "What every pair of policies pays player 0."
    )
    return {"payoffs": table, "growth": growth}
