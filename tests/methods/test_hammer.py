"""HAMMER learns what its listeners cannot see; without messages it stays at the floor that is known exactly."""

import dataclasses

import equinox as eqx
import jax
import numpy as np
import pytest

from interplay import games
from interplay.core.game import Game
from interplay.games import guessing
from interplay.measure import messages
from interplay.methods import hammer

QUICK = {
    "game": "sum-guessing(agents=3)",
    "batch": 512,
    "length": 1,
    "width": 32,
    "passes": 4,
    "minibatches": 2,
    "rate": 5e-3,
}


def trained(updates, **changes):
    settings = hammer.Settings(**{**QUICK, **changes})
    method = hammer.build(dataclasses.replace(settings, steps=updates * settings.batch * settings.length))
    rest = []

    @jax.jit
    def train(key):
        start, run = jax.random.split(key)
        arrays, constants = eqx.partition(method.init(start), eqx.is_array)
        rest.append(constants)
        step = lambda arrays, key: (eqx.filter(method.step(eqx.combine(arrays, constants), key)[0], eqx.is_array), None)
        return jax.lax.scan(step, arrays, jax.random.split(run, updates))[0]

    state = train(jax.random.key(0))
    return method, method.team(eqx.combine(state, rest[0]))


@pytest.mark.parametrize("share", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_a_message_of_one_number_tells_the_sum_of_what_is_not_seen(share):
    method, team = trained(120, share=share)
    game = method.game
    assert isinstance(game, guessing.SumGuessing)
    error = {name: -score for name, score in messages.heard(team, game, jax.random.key(1), 1024).items()}
    floor = -guessing.floor(game)
    assert error["none"] < 1.5
    assert error["mute"] > 0.9 * floor
    assert error["random"] > 0.9 * floor


@pytest.mark.parametrize(
    "ablation", [*(pytest.param(name, marks=pytest.mark.slow) for name in ("mute", "random")), "detach"]
)
def test_what_tells_nothing_or_is_not_taught_leaves_the_floor(ablation):
    method, team = trained(60, ablation=ablation)
    game = method.game
    assert isinstance(game, Game)
    score = messages.heard(team, game, jax.random.key(1), 1024)["none"]
    floor = guessing.floor(games.make(QUICK["game"]))
    assert np.isfinite(score)
    assert score < (0.6 if ablation == "detach" else 0.93) * floor
