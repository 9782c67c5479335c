"""Gymnasium environments as games of one agent."""

import numpy as np
import pytest

from interplay import games
from interplay.core.errors import InputError
from interplay.core.game import Box, Discrete


def test_cartpole_repeats_itself_and_ends():
    game = games.make("gymnasium:CartPole-v1")
    assert game.spec.agents == 1 and game.spec.action == Discrete(2) and game.spec.horizon == 500
    runs = []
    for _ in range(2):
        steps = [game.reset(3)]
        while not (steps[-1].terminated or steps[-1].truncated):
            steps.append(game.step(np.array([1])))
        runs.append(steps)
    assert len(runs[0]) == len(runs[1]) and runs[0][-1].terminated
    assert all(np.array_equal(one.observation, other.observation) for one, other in zip(*runs, strict=True))
    assert runs[0][1].reward.tolist() == [1.0] and runs[0][1].observation.dtype == np.float32
    assert not runs[0][-1].active.any()


def test_time_running_out_is_truncation_with_something_to_value():
    game = games.make("gymnasium:Pendulum-v1", horizon=2)
    assert game.spec.action == Box(1, -1.0, 1.0)
    game.reset(0)
    assert not game.step(np.zeros((1, 1))).truncated
    last = game.step(np.zeros((1, 1)))
    assert last.truncated and not last.terminated and last.active.all() and last.observation.any()


def test_action_masks_in_the_information_are_legal_actions():
    game = games.make("gymnasium:Taxi-v4")
    step = game.reset(0)
    assert step.observation.sum() == 1 and 0 < step.legal.sum() < 6


def test_unknown_names_and_parameters():
    with pytest.raises(InputError, match="CartPol"):
        games.make("gymnasium:CartPol-v1")
    with pytest.raises(InputError, match="wheels"):
        games.make("gymnasium:CartPole-v1", wheels=3)


def test_a_picture_of_cartpole():
    pytest.importorskip("pygame")
    game = games.make("gymnasium:CartPole-v1", render=True)
    game.reset(0)
    assert "data:image/png" in game.draw()
    game.close()
