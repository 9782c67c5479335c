"""Pages of solved games: how often play comes where, and what is drawn."""

import numpy as np
import pytest

from interplay.games import tree as trees
from interplay.report import gametree, heat, solution
from interplay.run import solving

TREE = trees.make("openspiel:kuhn_poker")
EVEN = TREE.legal / TREE.legal.sum(1, keepdims=True)


def test_every_history_is_as_likely_as_its_way():
    likely = gametree.reach(TREE, EVEN)
    assert likely[TREE.record.terminal].sum() == pytest.approx(1.0)
    for node in range(TREE.nodes):
        way, at = 1.0, node
        while at > 0:
            way, at = way * gametree.shares(TREE, EVEN)[at], int(TREE.record.parent[at])
        assert likely[node] == pytest.approx(way)


def test_information_sets_are_met_as_often_as_their_histories():
    met = solution.visits(TREE, EVEN)
    first = [row for row, label in enumerate(TREE.labels) if len(label) == 1]
    assert met[first] == pytest.approx(1 / 3) and met.sum() == pytest.approx(1 + 1 + 0.25)


def test_large_trees_are_not_drawn(monkeypatch):
    assert gametree.draw(TREE, EVEN).count("<rect") == 1 + 4  # the sheet, the two deals of chance
    monkeypatch.setattr(gametree, "MOST", 10)
    assert gametree.draw(TREE, EVEN) is None


def test_colors_grow_with_the_distance_from_the_middle():
    drawn = heat.heat_map(np.array([[0.0, -2.0], [1.0, np.nan]]), ("row", "column"), "a table")
    assert drawn.count("<rect") == 3 and "fill-opacity:0.500" in drawn and "fill:var(--k1);fill-opacity:1.000" in drawn
    assert "−2" in drawn and "−" not in heat.heat_map(np.ones((1, 1)), ("row", "column"), "a square")


def test_a_league_shows_its_payoffs_and_its_growth():
    found = solving.populate("openspiel:kuhn_poker(players=3)", "uniform", 2)
    meta = solution.view(found, found["tree"])["meta"]
    assert len(meta["growth"]) == 3 and meta["payoffs"].count("<rect") == 9
