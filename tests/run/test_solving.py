"""`solve` by name and on the command line: what it prints, what it refuses."""

import json

import pytest

from interplay import cli
from interplay.core.errors import InputError
from interplay.measure import exploit
from interplay.run import solving, strategies


def said(capsys, *words):
    with pytest.raises(SystemExit) as leaving:
        cli.main(["solve", *words])
    return leaving.value.code, capsys.readouterr()


def test_one_object_with_all_that_is_promised(capsys, tmp_path):
    kept = tmp_path / "kept"
    words = ("openspiel:kuhn_poker", "--method", "cfr-plus", "--iterations", "400", "--json", "--out", str(kept))
    code, out = said(capsys, *words)
    found = json.loads(out.out)
    promised = {
        "game", "method", "players", "information_sets", "iterations", "exploitability", "nash_conv", "values",
        "seconds", "iterations_per_second", "compile_seconds",
    }  # fmt: skip
    assert code == 0 and promised <= set(found)
    assert found["information_sets"] == 12 and found["exploitability"] < 2e-3
    assert found["values"][0] == pytest.approx(-1 / 18, abs=2e-3)
    rows = [json.loads(line) for line in (kept / "metrics.jsonl").read_text().splitlines()]
    assert [row["iteration"] for row in rows] == [1, 2, 3, 5, 10, 20, 30, 50, 100, 200, 300, 400]
    assert rows[-1]["exploitability"] == pytest.approx(found["exploitability"], rel=1e-9)
    page = (kept / "report.html").read_text()
    assert "What to do" in page and page.count("<circle") == 24 and "src=" not in page
    assert said(capsys, *words)[0] == 2  # a folder is never written over
    strategy = json.loads((kept / "strategy" / "strategy.json").read_text())
    rows = [row for player in strategy.values() for row in player.values()]
    assert len(rows) == 12 and all(sum(row.values()) == pytest.approx(1.0) for row in rows)
    again = strategies.load(kept)
    assert exploit.exact(again.tree, again.strategy) == pytest.approx(found["exploitability"], rel=1e-9)


def test_psro_says_how_its_exploitability_fell(capsys):
    code, out = said(capsys, "openspiel:kuhn_poker", "--method", "psro", "--meta", "nash", "--epochs", "8", "--json")
    found = json.loads(out.out)
    assert code == 0 and [at for at, _ in found["curve"]] == list(range(1, 9))
    assert found["curve"][-1][1] < 0.2 * found["curve"][0][1]
    assert found["exploitability"] == pytest.approx(found["curve"][-1][1], abs=1e-9)


def test_people_get_three_lines(capsys):
    code, out = said(capsys, "openspiel:kuhn_poker", "--method", "cfr", "--iterations", "10")
    assert code == 0 and len(out.out.splitlines()) == 3 and "exploitability" in out.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("openspiel:kun_poker",), "did you mean kuhn_poker"),
        (("openspiel:kuhn_poker", "--method", "cfrp"), "did you mean cfr"),
        (("openspiel:kuhn_poker", "--iterations", "0"), "give 1 or more"),
        (("openspiel:kuhn_poker", "--method", "psro", "--meta", "shorr"), "did you mean shor"),
        (("openspiel:kuhn_poker(players=3)", "--method", "psro", "--meta", "nash"), "two players, the game has 3"),
    ],
)
def test_what_cannot_be_solved_gets_one_line(words, message, capsys):
    code, out = said(capsys, *words)
    assert code == 2 and message in out.err and len(out.err.strip().splitlines()) == 1


def test_no_epochs_are_refused():
    with pytest.raises(InputError, match="give 1 or more"):
        solving.populate("openspiel:kuhn_poker", "uniform", 0)


def test_samples_solve_what_can_be_held_and_what_cannot(capsys, monkeypatch):
    words = ("kuhn", "--method", "mccfr-external", "--iterations", "1000", "--json")
    found = json.loads(said(capsys, *words)[1].out)
    assert found["information_sets"] == 12 and found["exploitability"] < 0.05 < found["curve"][0][1]
    monkeypatch.setattr(solving, "HELD", 10)
    with pytest.raises(InputError, match="too large for its strategy to be kept"):
        solving.sample("kuhn", "mccfr-external", 10**9, kept=True)
    found = json.loads(said(capsys, *words)[1].out)
    assert found["exploitability"] is None and found["information_sets"] == 12
    assert abs(found["values"][0] + 1 / 18) < 4 * found["standard_errors"][0] + 0.05
