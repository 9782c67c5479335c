"""A small game drawn as its tree: who moves where, how likely every move is under a strategy, what the ends pay."""

import numpy as np
from jaxtyping import Float
from markupsafe import Markup

from interplay.games import svg
from interplay.games.sequential import CHANCE, TERMINAL
from interplay.games.tree import Tree
from interplay.report import numbers

MOST = 200  # nodes that still make a readable picture
STEP, RISE = 34.0, 74.0  # between ends, and between moves


def shares(tree: Tree, strategy: Float[np.ndarray, "information action"]) -> Float[np.ndarray, "node"]:
    """How likely every history's last move is: chance's probability, or that of the mover's strategy; 1 at the start."""
    record = tree.record
    parent = np.maximum(record.parent, 0)
    row = record.information[parent]
    column = (tree.moves[row] == record.move[:, None]).argmax(1)
    chosen = np.where(row >= 0, strategy[row, column], record.chance)
    return np.where(record.parent < 0, 1.0, chosen)


def reach(tree: Tree, strategy: Float[np.ndarray, "information action"]) -> Float[np.ndarray, "node"]:
    """How likely every history is: the product of `shares` on the way, by doubling how far back one looks."""
    chance, back = shares(tree, strategy), np.maximum(tree.record.parent, 0)
    while back.any():
        chance, back = chance * np.where(back > 0, chance[back], 1.0), back[back]
    return chance


def draw(tree: Tree, strategy: Float[np.ndarray, "information action"]) -> Markup | None:
    """The tree as SVG, the likelier a move the thicker its line; None where it is too large to read."""
    record = tree.record
    if record.nodes > MOST:
        return None
    x, y = _places(tree)
    likely = shares(tree, strategy)
    width, height = float(x.max()) + STEP, float(y.max()) + 56.0
    lines, words = [], []
    for node in range(1, record.nodes):
        above = int(record.parent[node])
        ends = (x[above], y[above], x[node], y[node])
        lines.append(
            svg.line(*ends, svg.INK, stroke_width=0.6 + 3.4 * likely[node], opacity=f"{0.12 + 0.78 * likely[node]:.2f}")
        )
        middle = (x[above] * 0.35 + x[node] * 0.65, y[above] * 0.35 + y[node] * 0.65)
        words.append(svg.text(*middle, _word(tree, node), 9, svg.INK))
    nodes = [_node(tree, node, float(x[node]), float(y[node])) for node in range(record.nodes)]
    return Markup(
        svg.document(width, height, *lines, *words, *nodes, title=f"the tree of {tree.name}")
    )  # no word in it is raw


def _places(tree: Tree) -> tuple[np.ndarray, np.ndarray]:
    """Ends side by side in order, everything else above the middle of what follows it; preorder makes one pass back do."""
    record = tree.record
    x, depth = np.zeros(record.nodes), np.zeros(record.nodes)
    x[record.terminal] = STEP * (np.arange(len(record.terminal)) + 0.5)
    children: list[list[float]] = [[] for _ in range(record.nodes)]
    for node in reversed(range(1, record.nodes)):
        if children[node]:
            x[node] = (min(children[node]) + max(children[node])) / 2
        children[record.parent[node]].append(float(x[node]))
    x[0] = (min(children[0]) + max(children[0])) / 2
    for node in range(1, record.nodes):
        depth[node] = depth[record.parent[node]] + 1
    return x + STEP / 2, 24.0 + RISE * depth


def _node(tree: Tree, node: int, x: float, y: float) -> str:
    mover = int(tree.record.mover[node])
    if mover == TERMINAL:
        end = int(np.searchsorted(tree.record.terminal, node))
        return svg.text(x, y + 12, " ".join(numbers.short(float(value)) for value in tree.payoffs[:, end]), 9, svg.INK)
    if mover == CHANCE:
        return svg.rect(x - 5, y - 5, 10, 10, svg.MUTED)
    return svg.circle(x, y, 8, svg.color(mover)) + svg.text(x, y, mover, 9, svg.contrast(svg.color(mover)))


def _word(tree: Tree, node: int) -> str:
    above = int(tree.record.parent[node])
    if tree.record.mover[above] == CHANCE:
        return ""
    words = tree.words(int(tree.record.information[above]))
    at = int((tree.moves[int(tree.record.information[above])] == tree.record.move[node]).argmax())
    return words[at]
