"""Methods for language teams in the one loop: contract, exact resume, evaluation, dialogues to read, clear refusals."""

import dataclasses
import json
import sys

import jax
import numpy as np
import pytest

pytest.importorskip("torch")

from interplay import check
from interplay.core.errors import InputError
from interplay.methods import dr_mas
from interplay.methods.baselines import grpo, rloo
from interplay.report import page
from interplay.report.record import read
from interplay.run import devices, folder, loop, saved, training

SMALL = {"tasks": 3, "group": 4, "width": 8, "depth": 1, "demonstrations": 8, "imitation": 1}
LARGER = SMALL | {"tasks": 8, "demonstrations": 48, "imitation": 4}
DR_MAS = "dr-mas"


@pytest.mark.parametrize("module", [dr_mas, grpo, rloo])
def test_the_contract(module):
    assert check.check_method(module.build(module.Settings(**SMALL))) == []


def test_members_that_are_shared_are_one():
    method = dr_mas.build(
        dr_mas.Settings(
            **{**SMALL, "tasks": 8, "demonstrations": 48, "imitation": 4}, share=True, passes=2, minibatches=2
        )
    )
    state, told = method.step(method.init(devices.starting_key(0)), devices.update_key(0, 0))
    assert len(state.members) == 1 and state.members[0].count == 4
    assert max(told[f"gradient_norm/{agent}"] for agent in ("router", "searcher", "answerer")) > 0
    assert told["approx_kl"] > 0


def leaves(run):
    good, _ = loop.state.find_good(run.checkpoints)
    layout = devices.plain(training.method_of(run), training.seeds_of(run))
    return jax.tree.leaves(loop.restored(layout, good))


def test_a_run_that_is_stopped_and_resumed_is_the_run_that_was_not(tmp_path):
    whole = training.train(DR_MAS, "ledger", steps=48, seeds=2, out=tmp_path / "whole", **SMALL)
    broken = training.train(DR_MAS, "ledger", steps=24, seeds=2, out=tmp_path / "broken", **SMALL)
    settings = json.loads((broken.path / "settings.json").read_text())
    settings["steps"] = settings["settings"]["steps"] = 48
    folder.write_json_atomic(broken.path / "settings.json", settings)
    resumed = training.resume(broken.path)
    for one, other in zip(leaves(whole), leaves(resumed), strict=True):
        np.testing.assert_array_equal(one, other)
    strip = lambda run: [{key: value for key, value in row.items() if key != "seconds"} for row in run.metrics()]
    assert strip(whole) == strip(resumed) and len(whole.metrics()) == 8

    loaded = saved.load(whole.path)
    first = loaded.evaluate(6)
    assert first == saved.load(whole.path).evaluate(6) and len(first["per_agent"]) == 3 and first["mode"] == "greedy"
    record = read(whole.path)
    assert len(record.dialogues) == 1 and not record.replays and not record.troubles
    said = record.dialogues[0].dialogues
    assert {one.group for one in said} == {0, 1} and all(one.lines for one in said)
    turns = [line for one in said for line in one.lines if line.advantage is not None]
    assert {line.author for line in turns} <= {"router", "searcher", "answerer"}
    text = page.run_page(whole.path).read_text()
    assert "What was said" in text and said[0].lines[0].text in text
    saved.write_replay(loaded, loaded.replay(seed=1, greedy=True))
    assert len(read(whole.path).dialogues) == 2


def test_what_cannot_be_is_refused_in_one_line(monkeypatch):
    for changes, words in (
        ({"game": "ledgr"}, "no task for language teams is called 'ledgr': did you mean ledger"),
        ({"game": "ledger(kown=1)"}, "cannot make 'ledger\\(kown=1\\)'"),
        ({"game": "ledger(known=2.0)"}, "give a share from 0 to 1"),
        ({"model": "huge"}, "there is no model 'huge': use tiny"),
        ({"singleton": "rw"}, "singleton is 'rw': did you mean raw"),
        ({"group": 0}, "give 1 or more of each"),
        ({"width": 6}, "cannot be shared among 4 heads"),
        ({"team": "nowhere:team", "task": "nowhere:tasks"}, "no module is called 'nowhere'"),
    ):
        with pytest.raises(InputError, match=words):
            dr_mas.build(dr_mas.Settings(**{**SMALL, **changes}))
    monkeypatch.setitem(sys.modules, "interplay.methods.dialogue", None)
    with pytest.raises(InputError, match=r"pip install 'interplay\[lm\]'"):
        dr_mas.build(dr_mas.Settings(**SMALL))


MINE = """
from interplay.lm.scene import workflow

@workflow("solver", "checker", solver=2, checker=2)
async def team(team, task):
    draft = await team.say("solver", task)
    verdict = await team.say("checker", task, draft, answers=("right", "wrong"))
    correct = draft.text == task.split()[-1]
    return {"solver": float(correct), "checker": float((verdict.text == "right") == correct)}

def tasks(random):
    return f"repeat {random.choice(['left', 'down'])}"

tasks.vocabulary = ("repeat", "left", "down", "right", "wrong")
"""


def test_a_team_of_ones_own(tmp_path, monkeypatch):
    (tmp_path / "my_module.py").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    settings = dataclasses.replace(dr_mas.Settings(**SMALL), team="my_module:team", task="my_module:tasks", rate=1e-2)
    method = dr_mas.build(settings)
    state = method.init(devices.starting_key(0))
    returns = []
    for update in range(25):
        state, told = method.step(state, devices.update_key(0, update))
        returns.append(float(told["return"]))
    assert np.mean(returns[-5:]) > np.mean(returns[:5]) + 0.15
    assert method.game.spec.names == ("solver", "checker")
