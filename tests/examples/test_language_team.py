"""The documentation's own language team: short as promised, trained from the command line's arguments, read, played frozen."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from interplay.lm.play import Seat, play
from interplay.lm.scene import found, staged
from interplay.lm.scripted import Scripted
from interplay.lm.words import Words
from interplay.report.record import read
from interplay.run import training

ROOT = Path(__file__).resolve().parents[2]
TEAM, TASKS = "examples.my_language_team:team", "examples.my_language_team:tasks"


@pytest.fixture(autouse=True)
def beside_the_examples(monkeypatch):
    """As a user who types commands in the checkout."""
    monkeypatch.chdir(ROOT)
    monkeypatch.syspath_prepend(str(ROOT))


def test_it_is_as_short_as_promised():
    assert len((ROOT / "examples" / "my_language_team.py").read_text().splitlines()) < 40


def trained(out, updates):
    small = {"team": TEAM, "task": TASKS, "tasks": 8, "width": 32, "depth": 1, "demonstrations": 64, "imitation": 2}
    return training.train("dr-mas", TEAM, steps=64 * updates, out=out, rate=5e-3, **small)


@pytest.mark.slow
def test_it_learns(tmp_path):
    returns = [row["return"] for row in trained(tmp_path / "run", 30).metrics()]
    assert np.mean(returns[-5:]) > np.mean(returns[:5]) + 0.1


def test_it_trains_and_can_be_read(tmp_path):
    run = trained(tmp_path / "run", 2)
    assert {line.author for one in read(run.path).dialogues[0].dialogues for line in one.lines} >= {"solver", "checker"}


def test_the_same_team_is_played_by_anybody():
    scene = staged(found(TEAM), found(TASKS), "mine")
    codec = Words(scene.vocabulary, scene.agents)

    def knows(request, random):
        right = str(sum(map(int, request.task.split())) % 10)
        return right if request.agent == "solver" else "right"

    seats = dict.fromkeys(scene.agents, Seat(Scripted(codec, knows), trained=False))
    played = play(scene, seats, ["1 2", "3 3"], (0,))
    assert [one.outcome for one in played] == [{"solver": 1.0, "checker": 1.0}] * 2
