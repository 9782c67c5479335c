"""Calls counted by the step, by the cell and by who is near what, from records written by hand."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from interplay.measure import calls
from interplay.report.replay import read_replay
from interplay.run import folder


def record(told: Any = ()):
    """Two episodes, the second over after two of three steps."""
    running = np.array([[True, True], [True, True], [True, False]])
    called = np.array([[True, False], [True, True], [False, False]])
    return calls.Calls(called, running, np.zeros(2), told)


def test_the_rate_and_when():
    assert record().rate == 3 / 5
    np.testing.assert_allclose(record().by_step(), [0.5, 1.0, 0.0])


def test_by_kind_of_state():
    kind = np.array([[0, 1], [1, 1], [1, 0]])
    np.testing.assert_allclose(record().by(kind, 3), [1.0, 0.5, np.nan])


def test_on_a_map():
    place = np.zeros((3, 2, 1, 2), int)
    place[1, :, 0] = [0, 1]  # both go one to the right, and the first then down
    place[2, :, 0] = [1, 1]
    np.testing.assert_allclose(calls.on_map(record(place), 2), [[0.5, 1.0], [np.nan, 0.0]])


def test_who_is_near_food():
    class Place:
        position = jnp.array([[0, 0], [2, 2]])
        food = jnp.array([[0, 1], [3, 2]])
        worth = jnp.array([2, 0])  # the second is gone

    assert int(calls.near(Place())) == 1
    np.testing.assert_array_equal(calls.cells(Place()), Place.position)


def test_the_map_is_a_picture_that_a_run_page_shows(tmp_path):
    frame = calls.picture(np.array([[0.5, 1.0], [np.nan, 0.0]]), "calls")
    told = {"game": "foraging", "seed": 0, "mode": "calls", "frames": [frame], "rewards": [[0.0, 0.0]], "return": 0.4}
    folder.write_json_atomic(tmp_path / "seed-0-calls.json", told)
    shown = read_replay(tmp_path / "seed-0-calls.json").frame(0)
    assert "100" in shown
    assert shown.count("<rect") == 1 + 3  # the sheet and three cells; nobody was ever in the fourth
