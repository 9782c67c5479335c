"""Figures of a run: what is kept is what is drawn, and a torn file is one sentence."""

import jax
import numpy as np
import pytest

from interplay import games
from interplay.core.errors import InputError
from interplay.core.team import Team
from interplay.games.treasures import treasures
from interplay.methods import mo_mix
from interplay.report import figures, plots
from interplay.run import figures as kept


@pytest.fixture(scope="module")
def found():
    settings = mo_mix.Settings(batch=1, length=7, capacity=64, width=4, depth=1, mixed=2, hyper=2)
    method = mo_mix.build(settings)
    team = method.team(jax.jit(method.init)(jax.random.key(0)))
    return list(kept.of(team, method.game, jax.random.key(1)))


def test_a_team_with_preferences_shows_its_compromises(found):
    (one,) = found
    points, best = np.array(one["points"]), np.array(one["kept"])
    assert points.shape == (kept.PARTS + 1, 2) and best.any()
    beaten = [(points >= point).all(-1) & (points > point).any(-1) for point in points]
    np.testing.assert_array_equal(best, [not other.any() for other in beaten])
    page = str(figures.drawn([{"seed": 0, **one}])[0]["chart"])
    assert page.count("dot full") == len(np.unique(points[best], axis=0))


def test_other_teams_show_nothing():
    class Plain(Team):
        needs: str = "decentralized"

        def begin(self):
            return ()

        def act(self, memory, time_step, key):
            raise NotImplementedError

    assert not list(kept.of(Plain(), treasures(), jax.random.key(0)))
    assert not list(kept.of(Plain(), games.make("spread"), jax.random.key(0)))


def test_points_are_joined_from_corner_to_corner():
    points, axes = np.array([[0.0, 2.0], [1.0, 1.0], [2.0, 0.0], [0.0, 0.0]]), plots.Axes("x", "y", (0, 2), (0, 2))
    drawn = str(plots.point_chart(points, np.array([True, True, True, False]), axes, "words"))
    assert "M0.0 500.0L500.0 500.0" not in drawn  # steps go down first: what lies between is not reached
    assert 'd="M0.0 0.0L0.0 500.0L500.0 500.0L500.0 1000.0L1000.0 1000.0"' in drawn
    assert drawn.count('class="dot full"') == 3 and drawn.count('class="dot"') == 1


def test_calls_are_drawn_with_gaps_where_nobody_was():
    line = {"kind": "line", "title": "calls", "words": "", "x": "step", "y": "share", "values": [0.5, None, 1.0]}
    area = {**line, "kind": "map", "values": [[0.5, None], [None, 0.0]]}
    first, second = figures.drawn([{"seed": 0, **line}, {"seed": 0, **area}])
    assert "chart" in first["chart"] and second["chart"].count("<rect") == 2


def test_what_cannot_be_read_is_one_line(tmp_path):
    path = tmp_path / "figures.json"
    assert figures.read(path) == []
    path.write_text('{"figures": [{"kind": "points"')
    with pytest.raises(InputError, match="cannot be read"):
        figures.read(path)
