"""Discovery from beginning to end: the command searches, reports, writes a file that `solve` runs, and a page."""

import dataclasses
import json
import re

import jax
import numpy as np
import pytest

import interplay.commands.discovering  # noqa: F401 registers the command
from interplay import cli
from interplay.claims import discover as claim
from interplay.methods import discover, discover_psro
from interplay.methods.discover import SPACE, Settings, decades
from interplay.run import discovering, searching, solving
from interplay.text.trial import Allowance

SMALL = Settings(games=("kuhn",), held_out=("kuhn",), horizons=(5, 15), report=(10, 30), batch=12)


def call(capsys, *words):
    with pytest.raises(SystemExit) as left:
        cli.main(["discover", *words])
    return left.value.code, capsys.readouterr()


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """A small search in this process."""
    path = tmp_path_factory.mktemp("search")
    kind = discovering.KINDS["cfr"]
    search = discover.build(SPACE, SMALL)
    asked = {"seed": 0, "proposer": "typed mutator", "settings": searching.plain_settings(SMALL)}
    state = searching.run(search, SPACE.started("cfr-plus"), path, asked, Allowance(evaluations=40), lambda *_: None)
    told = discovering._told(kind, SMALL, state, 0, "typed mutator", path)
    told["held_out"] = discovering.compared(SMALL, state, SPACE.measure)
    told["held_out_gain"] = discovering.gain(SMALL, told["held_out"])
    discovering.folder.write_json_atomic(path / discovering.FOUND, told)
    return path, state, told


def test_a_search_beats_its_start_and_says_by_how_much(found):
    _, state, told = found
    assert told["best"]["decades"] > told["start"]["decades"]
    assert told["evaluations"] == 40
    assert sum(not each.trial.valid for each in state.tried.values()) == 40 - told["valid"]
    rows = told["held_out"]["kuhn"]
    expected = decades(np.array(list(rows["found"].values())), 1e-9).mean()
    expected -= decades(np.array(list(rows["cfr-plus"].values())), 1e-9).mean()
    assert told["held_out_gain"] == pytest.approx(expected)


def test_a_find_is_a_file_that_solve_runs(found):
    _, _, told = found
    solved = solving.solve("kuhn", told["file"], 30)
    assert solved["exploitability"] == pytest.approx(told["held_out"]["kuhn"]["found"]["30"], rel=1e-6)


def test_the_page_shows_whose_child_is_whose(found):
    from interplay.report import search

    path, state, told = found
    html = search.write(path).read_text()
    assert told["rule"].splitlines()[0].split(" = ")[0] in html
    targets = set(re.findall(r'href="#(c-\w+)"', html))
    assert f"c-{state.best.genome.hash}" in targets
    assert targets <= set(re.findall(r'id="(c-\w+)"', html))
    assert "src=" not in html.replace("img-src", "")


def test_the_same_search_twice_is_the_same(found):
    _, state, _ = found
    again = discover.build(SPACE, SMALL)
    fresh = again.init(SPACE.started("cfr-plus"))
    fresh, tried = again.step(fresh, np.random.default_rng([0, 1]), 12)
    assert [each.trial for each in tried] == [each.trial for each in list(state.tried.values())[1 : len(tried) + 1]]


def test_meta_solvers_are_measured_and_run_from_a_file(tmp_path):
    texts = [discover_psro.SPACE.seeds["uniform"], discover_psro.SPACE.seeds["regret-matching"]]
    broken = texts[0].replace("train_strategy = R", "train_strategy = R / 0 ^ 0 + 1e300 * 1e300")
    table = discover_psro.measured("kuhn", [*texts, broken], (1, 3))
    assert np.isfinite(table[:2]).all()
    file = tmp_path / "best.meta"
    file.write_text(texts[0])
    solved = solving.populate("kuhn", str(file), 3)
    assert solved["exploitability"] == pytest.approx(table[0, 1])
    assert solving.populate("kuhn", "uniform", 3)["exploitability"] == pytest.approx(table[0, 1])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("cfx",), "did you mean cfr"),
        (("cfr", "--budget", "3 parsec"), "cannot read the budget"),
        (("cfr", "--games", "kuhm"), "did you mean kuhn"),
        (("cfr", "--start", "cfr-plux"), "did you mean cfr-plus"),
        (("cfr", "--horizons", "5", "3"), "rising numbers"),
        (("cfr", "--model", "m"), "give --endpoint"),
        (("cfr", "--on", "moon"), "cannot run on 'moon'"),
        (("cfr", "--endpoint", "there", "--model", "m"), "is no address"),
    ],
)
def test_bad_input_is_one_line(capsys, words, said):
    code, told = call(capsys, *words)
    assert code == 2
    assert said in told.err
    assert told.err.count("\n") == 1


def test_a_file_that_is_no_rule_is_one_line(tmp_path):
    from interplay.core.errors import InputError

    (tmp_path / "a.rule").write_text("accumulate = R\n")
    with pytest.raises(InputError, match="no line 'strategy"):
        solving.solve("kuhn", str(tmp_path / "a.rule"), 3)
    with pytest.raises(InputError, match="cannot read"):
        solving.solve("kuhn", str(tmp_path / "none.rule"), 3)


@pytest.mark.slow
def test_the_command_searches_in_processes_and_goes_on(capsys, tmp_path):
    words = ("cfr", "--games", "kuhn", "--held-out", "kuhn", "--horizons", "5", "15", "--out", str(tmp_path / "s"))
    code, told = call(capsys, *words, "--budget", "20", "--json")
    assert code == 0
    first = json.loads(told.out)
    assert first["evaluations"] == 20
    code, told = call(capsys, *words, "--budget", "30", "--workers", "1", "--json")
    assert json.loads(told.out)["evaluations"] == 30
    assert call(capsys, *words, "--seed", "1")[0] == 2


def test_the_claim_counts_seeds():
    look = claim.wins_seeds("a", "b", 2, ("x", "y"))
    scores = {"x": {"a": [1.0, 5.0, 0.0], "b": [0.0, 0.0, 1.0]}, "y": {"a": [1.0, 0.0, 0.0], "b": [1.0, 1.0, 1.0]}}
    assert look(scores)[0].state == "holds"
    assert claim.wins_seeds("a", "b", 3, ("x", "y"))(scores)[0].state == "fails"
    assert jax.numpy.isfinite(look(scores)[0].low)


def test_a_model_writes_rules_and_bad_ones_are_counted(tmp_path):
    from interplay.lm.client import scripted
    from interplay.methods import writing

    block = "<<<<<<< SEARCH\nweigh = t\n=======\nhalf = t / 2\nweigh = {}\n>>>>>>> REPLACE"
    answers = [block.format("half ^ 2"), "hm", block.format("rowmax(t)"), block.format("r"), block.format("half ^ 3")]
    read = lambda text: SPACE.genome(SPACE.read(text))
    propose = writing.proposer(scripted(answers), SPACE.about(), read)
    search = discover.build(SPACE, dataclasses.replace(SMALL, batch=3), propose=propose)
    state = search.init(SPACE.started("cfr-plus"))
    state, tried = search.step(state, np.random.default_rng(0), 3)
    assert [each.trial.genome.parts["weigh"] for each in tried] == ["(t / 2) ^ 2", "(t / 2) ^ 3"]
    assert all(each.trial.valid and each.trial.genome.how == "model" for each in tried)
    assert sum(state.lost.values()) == 1
    assert state.spent.calls == 1 + 3 + 1
