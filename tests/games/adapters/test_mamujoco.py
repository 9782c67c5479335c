"""MA-MuJoCo robots: splits into agents, sizes, the limit of time."""

import numpy as np
import pytest

from interplay import games
from interplay.core.errors import InputError
from interplay.core.game import Box

pytest.importorskip("gymnasium_robotics")


def test_half_cheetah_in_two_halves(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    game = games.make("mamujoco:HalfCheetah/2x3")
    assert game.spec.agents == 2 and game.spec.action == Box(3, -1.0, 1.0) and game.spec.horizon == 1000
    assert game.spec.shared == 17
    rows = []
    for _ in range(2):
        game.reset(1)
        rows.append([game.step(np.full((2, 3), 0.5)) for _ in range(5)][-1])
    assert np.array_equal(rows[0].observation, rows[1].observation)
    assert rows[0].reward[0] == rows[0].reward[1] and rows[0].active.all()
    assert not list(tmp_path.iterdir())  # MuJoCo would leave a log file


def test_unequal_agents_and_parameters():
    narrow = games.make("mamujoco:HalfCheetah/2x3(agent_obsk=0)")
    wide = games.make("mamujoco:HalfCheetah/2x3(agent_obsk=1)")
    assert narrow.spec.observation < wide.spec.observation


@pytest.mark.parametrize("name", ["HalfCheetah", "HalfCheetah/2x4", "Horse/2x2"])
def test_robots_that_do_not_exist(name):
    with pytest.raises(InputError, match="mamujoco"):
        games.make(f"mamujoco:{name}")
