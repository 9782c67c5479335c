"""Comparisons name runs apart, pool only what all ran, and say what the seeds leave open."""

import json

import numpy as np
import pytest

from interplay.report import compare, page
from interplay.report.record import read


def change(path, name, **values):
    """Change some fields of one JSON file of a run folder."""
    file = path / name
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def entries(*paths):
    """The runs of some folders as a comparison sees them."""
    return compare.entries([read(path) for path in paths])


def test_clear_difference_is_called_one(pair):
    assert compare.verdict(entries(*pair)).endswith("Its interval overlaps with no other.")


def test_overlap_leaves_the_order_open(tmp_path, make, shape):
    a = make(tmp_path / "a", "ippo")
    b = make(tmp_path / "b", "mappo", shape=shape(end=-21.8))
    assert "not settled: its interval overlaps with that of" in compare.verdict(entries(a, b))


def test_one_seed_leaves_the_order_open(tmp_path, make, shape):
    a = make(tmp_path / "a", "ippo")
    b = make(tmp_path / "b", "mappo", seeds=(0,), shape=shape(end=-10.0))
    runs = entries(a, b)
    assert "not settled: mappo has a single seed" in compare.verdict(runs)
    assert any("mappo on spread has one seed" in sentence for sentence in compare.cautions(runs))
    assert any("unequal numbers of seeds (1 and 3)" in sentence for sentence in compare.cautions(runs))
    assert "one seed, no interval" in compare.table(runs)[1]["final"]
    assert "too few seeds" in page.comparison_page([a, b], tmp_path / "c.html").read_text()


def test_cautions_name_length_state_notes_and_machine(pair):
    log = pair[1] / "metrics.jsonl"
    log.write_text("".join(line + "\n" for line in log.read_text().splitlines()[:180]))
    change(pair[1], "status.json", state="interrupted", notes=[{"step": 1, "message": "x"}])
    change(pair[1], "environment.json", cpu="another")
    found = " ".join(compare.cautions(entries(*pair)))
    for part in (
        "not equally long (491,520 and 983,040 steps)",
        "not complete (interrupted",
        "failure notes",
        "different machines",
    ):
        assert part in found


def test_runs_of_one_method_are_told_apart_by_settings_or_folder(tmp_path, make):
    paths = [make(tmp_path / name, "ippo") for name in "abc"]
    asked = json.loads((paths[1] / "settings.json").read_text())
    change(paths[1], "settings.json", settings=asked["settings"] | {"rate": 0.001})
    runs = entries(*paths)
    assert [run.label for run in runs] == ["ippo (rate 0.0007) (a)", "ippo (rate 0.001)", "ippo (rate 0.0007) (c)"]
    assert len({run.color for run in runs}) == 3
    assert compare.differing([run.record for run in runs]) == ["rate"]


def test_pooling_uses_the_games_that_all_ran_with_scores_between_zero_and_one(tmp_path, make, shape):
    food = shape(0.0, 0.6, 3.0, 0.05)
    paths = [
        make(tmp_path / "a", "ippo"),
        make(tmp_path / "b", "mappo", shape=shape(end=-17.0)),
        make(tmp_path / "c", "ippo", "foraging", shape=food),
        make(tmp_path / "d", "mappo", "foraging", seeds=(0, 1), shape=food),
        make(tmp_path / "e", "ippo", "tag"),
    ]
    runs = entries(*paths)
    assert compare.shared_games(runs) == ["spread", "foraging"]
    scores = compare.matrix(runs, ["spread", "foraging"])
    assert {label: array.shape for label, array in scores.items()} == {"ippo": (3, 2), "mappo": (2, 2)}
    spread = compare.matrix(runs, ["spread"])
    assert min(array.min() for array in spread.values()) == 0.0
    assert max(array.max() for array in spread.values()) == 1.0
    assert "Over spread, foraging" in page.comparison_page(paths, tmp_path / "c.html").read_text()


def test_equal_scores_normalize_to_one_half(tmp_path, make):
    run = make(tmp_path / "a", "ippo")
    rows = [{"step": 10, "seed": seed, "update": 1, "return": 3.0, "episodes": 1} for seed in (0, 1)]
    (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert compare.normalized(entries(run))["ippo"]["spread"].tolist() == [0.5, 0.5]


def test_improvements_are_complementary():
    scores = {"a": np.array([[0.1], [0.4], [0.9]]), "b": np.array([[0.2], [0.3], [0.5]])}
    found = compare.improvements(scores)
    assert found["a", "b"].mean == pytest.approx(5 / 9)
    assert found["a", "b"].mean + found["b", "a"].mean == pytest.approx(1.0)
