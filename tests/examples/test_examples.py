"""The documentation's own game and method: what the pages print is what runs here."""

import dataclasses
import importlib
from pathlib import Path

import jax
import numpy as np
import pytest

from interplay import games
from interplay.check import check_game
from interplay.measure import returns
from interplay.methods.baselines import mappo
from interplay.methods.baselines import random as uniform
from interplay.run import devices, training

ROOT = Path(__file__).resolve().parents[2]
GAME = "examples.my_game:MyGame"


@pytest.fixture(autouse=True)
def beside_the_examples(monkeypatch):
    """As a user who types commands in the checkout."""
    monkeypatch.chdir(ROOT)
    monkeypatch.syspath_prepend(str(ROOT))


def trained(method, updates: int):
    """The team after some updates, and the last metrics."""
    state, step = method.init(devices.starting_key(0)), jax.jit(method.step)
    for update in range(updates):
        state, metrics = step(state, devices.update_key(0, update))
    return method.team(state), metrics


def test_the_game_is_as_short_as_promised():
    lines = (ROOT / "examples" / "my_game.py").read_text().splitlines()
    assert len(lines) < 60


def test_the_method_adds_about_thirty_lines_of_its_own():
    text = (ROOT / "examples" / "my_method.py").read_text()
    own = [line for line in text.splitlines() if line.strip() and not line.startswith(("import", "from"))]
    assert len(own) <= 30


def test_the_game_ends_when_all_meet_and_is_cut_when_time_is_out():
    game = games.make(f"{GAME}(agents=2, cells=3, horizon=2)")
    state, _ = game.reset(jax.random.key(0))
    apart = dataclasses.replace(state, place=jax.numpy.array([0, 2]))
    _, met = game.step(apart, jax.numpy.array([2, 0]), jax.random.key(1))
    assert bool(met.terminated)
    assert met.reward.tolist() == [1.0, 1.0]
    later, _ = game.step(apart, jax.numpy.array([1, 1]), jax.random.key(1))
    _, late = game.step(later, jax.numpy.array([1, 1]), jax.random.key(2))
    assert bool(late.truncated)
    assert not bool(late.terminated)
    assert late.legal.tolist() == [[False, True, True], [True, True, False]]


def test_a_team_trains_on_the_game_by_name(tmp_path):
    settings = {"steps": 40_000, "batch": 32, "length": 32, "width": 32, "rate": 3e-3}
    run = training.train("ippo", GAME, out=tmp_path / "run", **settings)
    assert run.status()["state"] == "done"
    rows = [row["return"] for row in run.metrics() if row["return"] is not None]
    assert np.mean(rows[-5:]) > np.mean(rows[:3]) + 1.0


def test_the_game_passes_the_check():
    assert check_game(games.make(GAME)) == []


def test_the_game_draws_itself():
    game = games.make(GAME)
    state, _ = game.reset(jax.random.key(0))
    assert game.draw(state).count("<circle") == game.spec.agents


def test_the_method_beats_random_play_on_the_game():
    method = importlib.import_module("examples.my_method")
    small = {"game": GAME, "batch": 32, "length": 32, "width": 32}
    learned, metrics = trained(method.build(method.Settings(**small, steps=40_000, rate=3e-3)), 40)
    at_random, _ = trained(uniform.build(uniform.Settings(game=GAME, batch=32, length=32)), 1)
    game = games.make(GAME)
    scores = [returns.play(team, game, jax.random.key(7), 256).mean for team in (learned, at_random)]
    assert scores[0] > scores[1] + 1.0
    assert np.isfinite(metrics["loss"])


@pytest.mark.slow
def test_with_one_agent_the_method_is_mappo():
    method = importlib.import_module("examples.my_method")
    small = {"game": "spread(agents=1)", "batch": 8, "length": 16, "width": 16, "steps": 1024}
    mine, _ = trained(method.build(method.Settings(**small)), 2)
    theirs, _ = trained(mappo.build(mappo.Settings(**small)), 2)
    for ours, other in zip(jax.tree.leaves(mine), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(ours, other, rtol=1e-4, atol=1e-6)
