"""The pages hold what they promise, stand on torn folders, and never say more than the seeds do."""

import doctest
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from interplay.core.errors import InputError
from interplay.report import compare, curves, metrics, numbers, page, plots, record, replay

NETWORK = re.compile(
    r"""(?:src|href|action|data|poster)\s*=\s*["']?\s*(?:https?:)?//|@import|url\(|<link|<img|<iframe""", re.IGNORECASE
)
NAMESPACE = "http://www.w3.org/2000/svg"


def words(path: Path) -> str:
    """The visible words of a page: no tags, style, script or data."""
    text = re.sub(r"<(style|script)\b.*?</\1>", " ", path.read_text(), flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text))


@pytest.mark.parametrize("module", [compare, metrics, numbers, plots, replay])
def test_examples_in_the_docstrings_hold(module):
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0


def test_run_page_shows_the_run(run):
    path = page.run_page(run)
    assert path == run / "report.html"
    text = words(path)
    final = curves.final_return(record.read(run))
    assert final is not None
    for expected in (
        "ippo on spread", "This run is complete", numbers.triple(*final)[0], f"[{numbers.triple(*final)[1]},", "over 3 seeds",
        "sampled actions", "greedy actions over 96 episodes", "Step size of Adam.", "explained variance", "policy change (KL)",
        "decentralized", "983,040", "One environment step moves all agents once",
    ):  # fmt: skip
        assert expected in text


def test_pages_refer_to_nothing_outside_themselves(pair):
    for path in (page.run_page(pair[0]), page.comparison_page(pair, pair[0].parent / "compare.html")):
        text = path.read_text()
        assert not NETWORK.search(text)
        assert "http" not in text.replace("http-equiv", "").replace(NAMESPACE, "")
        assert str(pair[0].parent) not in text


def test_report_does_not_import_jax():
    code = "import sys, interplay.report.page; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_torn_last_line_is_left_out_and_said(run):
    log = run / "metrics.jsonl"
    log.write_text(log.read_text() + '{"step": 999999, "se')
    assert "last line of metrics.jsonl is torn" in words(page.run_page(run))


@pytest.mark.parametrize("content", [None, "", '{"step": 81', '{"step": 1, "seed": 0, "update": 1, "return": null}\n'])
def test_run_killed_at_once_still_gives_a_page(run, content):
    log = run / "metrics.jsonl"
    log.unlink()
    if content is not None:
        log.write_text(content)
    for name in ("evaluation.json", "environment.json"):
        (run / name).unlink()
    (run / "status.json").write_text('{"state": "running"}')
    text = words(page.run_page(run))
    assert "killed" in text
    assert "interplay resume" in text
    assert "No learning curve" in text
    assert "finished no episode" in words(page.comparison_page([run], run.parent / "compare.html"))


def test_torn_status_is_said_and_the_rest_shown(run):
    (run / "status.json").write_text('{"state": "do')
    text = words(page.run_page(run))
    assert "status.json cannot be read" in text
    assert "state of this run is not recorded" in text
    assert "over 3 seeds" in text


def test_one_seed_has_no_interval(tmp_path, make):
    text = words(page.run_page(make(tmp_path / "one", "ippo", seeds=(4,))))
    assert "no interval: one seed" in text
    assert "interval [" not in text.split("Evaluation")[0]


def test_failure_notes_are_shown_as_words_not_as_markup(run):
    note = {
        "step": 8192,
        "seed": 1,
        "metric": "value_loss",
        "message": "not <b>finite</b>",
        "checkpoint": "checkpoints/000000004096",
    }
    status = json.loads((run / "status.json").read_text()) | {"state": "failed", "notes": [note]}
    (run / "status.json").write_text(json.dumps(status))
    html = page.run_page(run).read_text()
    assert "Step 8,192, seed 1, value_loss." in html
    assert "not &lt;b&gt;finite&lt;/b&gt;" in html
    assert "checkpoints/000000004096" in html


def test_settings_and_names_cannot_bring_markup(tmp_path, make):
    run = make(tmp_path / "odd", "ippo", game="my_module:<script>alert(1)</script>")
    assert "<script>alert" not in page.run_page(run).read_text()
    assert "<script>alert" not in page.comparison_page([run], tmp_path / "compare.html").read_text()


def test_metrics_that_are_not_finite_leave_gaps_only(run):
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    for row in rows[30:60]:
        row |= {"entropy": float("nan"), "value_loss": float("inf"), "return": None}
    (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    html = page.run_page(run).read_text()
    assert "nan" not in "".join(re.findall(r' d="([^"]*)"', html))
    assert "over 3 seeds" in words(run / "report.html")


def test_unknown_metric_gets_a_plot_and_a_replaced_row_counts_once(run):
    log = run / "metrics.jsonl"
    extra = json.loads(log.read_text().splitlines()[-1]) | {"message_bits": 3.5}
    log.write_text(log.read_text() + json.dumps(extra) + "\n")
    found = record.read(run)
    assert len(found.rows) == 360
    assert "message bits" in words(page.run_page(run))


def test_final_return_weighs_episodes_in_the_last_tenth(run):
    rows = [{"step": 10 * n, "seed": 0, "update": n, "return": 0.0, "episodes": 1} for n in range(1, 10)]
    rows += [
        {"step": 95, "seed": 0, "update": 10, "return": 1.0, "episodes": 3},
        {"step": 100, "seed": 0, "update": 11, "return": 5.0, "episodes": 1},
        {"step": 100, "seed": 1, "update": 11, "return": None, "episodes": 0},
    ]
    (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert curves.final_scores(record.read(run)) == {0: 2.0}


def test_speed_counts_all_seeds(run):
    rows = [{"step": 100 * n, "seed": seed, "update": n, "seconds": 0.5 * n} for n in (1, 2) for seed in (0, 1)]
    (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    rates = [row[metrics.STEPS_PER_SECOND] for row in record.read(run).rows if metrics.STEPS_PER_SECOND in row]
    assert rates == [400.0, 400.0]


def test_window_gives_wide_bands_at_most_half_of_the_plot():
    middle = np.array([0.0, 1.0])
    wide = plots.Line("a", 0, middle, middle - 100, middle + 100)
    low, high = plots.window([wide])
    assert -0.7 < low < -0.5
    assert 1.5 < high < 1.7


def test_pages_need_run_folders(tmp_path, run):
    with pytest.raises(InputError, match="no run folder"):
        page.run_page(tmp_path)
    with pytest.raises(InputError, match="at least one"):
        page.comparison_page([], tmp_path / "out.html")
    with pytest.raises(InputError, match="given twice"):
        page.comparison_page([run, run], tmp_path / "out.html")


def test_comparison_page_shows_table_plots_and_limits(pair):
    path = page.comparison_page(pair, pair[0].parent / "sub" / "compare.html")
    text = words(path)
    assert "mappo has the highest final return" in text
    assert "fewer than 5 seeds" in text
    assert "Performance profile" in text
    assert "Probability of improvement" in text
    assert "too few seeds" in text
    assert "centralized" in text.split("Settings that differ")[1]
    assert "width" not in text.split("Settings that differ")[1]
