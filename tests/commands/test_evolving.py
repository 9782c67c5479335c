"""`interplay evolve`: a short search ends in a program, a table and a page, and bad input is said."""

import itertools
import json
import shlex
from pathlib import Path

import pytest

from interplay.commands import evolving
from interplay.core.budget import Budget
from interplay.core.errors import InputError
from interplay.lm.client import Answer
from interplay.methods.context_evolve import Settings
from interplay.report import search, searched
from interplay.run import evolving as running
from interplay.text.systems import TASKS
from interplay.text.trial import Allowance


def evolve(task, **words):
    """The command, called from Python."""
    return evolving.evolve(task, **words)


def test_a_short_search_writes_a_program_and_a_page(tmp_path):
    start = tmp_path / "start.py"
    start.write_text(TASKS["jobs"].known["earliest deadline"])
    words = {"budget": "9", "set": ("batch=4",), "workers": 1, "json": True, "start": start}
    code, found = evolve("jobs", out=tmp_path / "one", **words)
    assert code == 0 and found["evaluations"] == 9 and found["method"] == "context-evolve"
    assert found["best"]["score"] >= found["start"]["score"] > 0.65
    assert {"found", "start", "least slack", "admitting EDF"} <= found["held_out"].keys()
    page = Path(found.pop("report")).read_text()
    assert "Aim:" in page and 'id="grid"' in page and "What changed" in page
    assert json.loads((tmp_path / "one" / "found.json").read_text()) == json.loads(json.dumps(found))
    text = (tmp_path / "one" / "best.py").read_text()
    assert TASKS["jobs"].interface.read(text) == found["program"]


def test_a_model_plays_all_roles_and_what_it_costs_is_on_the_page(tmp_path):
    """A scripted model that knows each role by its prompt."""
    count = itertools.count(2)
    answers = {
        "You keep": lambda: '{"inherited": ["old"], "novel": ["new"]}',
        "You see": lambda: '{"aim": "look at deadlines"}',
        "You choose": lambda: '{"chosen": [0]}',
        "The text is": lambda: f"<<<<<<< SEARCH\n    return\n=======\n    return {next(count)} *\n>>>>>>> REPLACE",
    }

    def ask(talk):
        said = next(make for head, make in answers.items() if talk[0]["content"].startswith(head))()
        return Answer(said, Budget(calls=1, tokens=100))

    s, allowed = Settings(task="jobs", batch=2), Allowance(evaluations=7)
    found = running.run(s, allowed, tmp_path / "model", hands=running.by_model("mine", ask), workers=1)
    assert found["proposer"] == "mine" and not found["lost"] and not found["lost_roles"]
    assert found["spent"]["calls"] == found["spent"]["tokens"] / 100 > 6 * 2
    page = search.write(tmp_path / "model", searched.programs).read_text()
    assert "Score against tokens" in page and "Aim: look at deadlines" in page and "calls to mine" in page


def test_a_search_on_recorded_traces_says_how_to_go_on_and_has_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, found = evolve("cache(traces='bundled')", budget="3", workers=1, json=True)
    assert code == 0 and found["task"] == "cache(traces='bundled')"
    assert found["file"] == "runs/evolve-cache-traces-bundled-context-evolve-0/best.py"
    assert shlex.split(found["usage"])[2] == "cache(traces='bundled')"
    assert {"score database", "score compiler", "score imports", "score versions"} <= found["held_out"]["found"].keys()


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ("disk", {}),
        ("cache(traces='all')", {}),
        ("cache", {"method": "magic"}),
        ("cache", {"budget": "many"}),
        ("cache", {"set": ("strenth=1",)}),
        ("cache", {"set": ("batch=few",)}),
        ("cache", {"model": "some"}),
        ("cache", {"start": Path("nowhere.py")}),
        ("cache", {"workers": 0}),
        ("cache", {"on": "moon"}),
    ],
)
def test_bad_input_is_said_before_anything_is_made(task, words, tmp_path):
    with pytest.raises(InputError):
        evolve(task, out=tmp_path / "search", **words)
    assert not (tmp_path / "search").exists()
