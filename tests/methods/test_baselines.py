"""Each baseline learns its smallest game; the settings that make one method another do.

Floors hold with a margin over ten seeds. In `BEST` the best response to anybody leads to the optimum, 8. In climbing
it leads from uniform play to (2, 2) = 5, on to (1, 2) = 6 and to (1, 1) = 7, the second-best equilibrium; 11 lies
behind a penalty that no method here is meant to cross.
"""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay import games, methods
from interplay.core.errors import InputError
from interplay.core.game import Box
from interplay.methods.baselines import ippo_recurrent, random

KEY = jax.random.key(0)
BEST = "interplay.games.matrix:matrix(payoff=[[4,0,0],[0,6,0],[0,0,8]])"
AGAIN = "interplay.games.matrix:matrix(payoff=[[4,0,0],[0,6,0],[0,0,8]],horizon=2)"
SMALL = {"batch": 256, "length": 1, "width": 16, "depth": 1, "rate": 1e-2}
PASSES = {"passes": 4, "minibatches": 1}


def learned(slug, updates, seeds=3, **changes):
    """Returns per update and seed, `[updates, seed]`, of seeds trained together, and the other metrics likewise."""
    settings = methods.settings(slug, **changes)
    settings = dataclasses.replace(settings, steps=updates * settings.batch * settings.length)
    method = methods.module(slug).build(settings)

    @eqx.filter_jit
    def train(key):
        start, run = jax.random.split(key)
        state = eqx.filter_vmap(method.init)(jax.random.split(start, seeds))
        arrays, rest = eqx.partition(state, eqx.is_array)

        def update(arrays, key):
            state, told = method.step(eqx.combine(arrays, rest), key)
            return eqx.filter(state, eqx.is_array), told

        keys = jax.random.split(run, (updates, seeds))
        return jax.lax.scan(jax.vmap(update), arrays, keys)[1]

    return jax.tree.map(np.asarray, train(KEY))


@pytest.mark.parametrize(
    ("slug", "changes"),
    [
        ("reinforce", {"share": False}),
        ("ippo", {"share": False, **PASSES}),
        pytest.param("mappo", {"share": False, **PASSES}, marks=pytest.mark.slow),
    ],
)
def test_the_optimum_is_found_where_best_responses_lead_to_it(slug, changes):
    told = learned(slug, 100, game=BEST, **SMALL, **changes)
    assert (told["return"][-10:].mean(0) > 7.8).all()


@pytest.mark.slow
def test_happo_climbs_to_the_second_best_equilibrium():
    told = learned("happo", 200, game="climbing", **SMALL, **PASSES)
    final = told["return"][-10:].mean(0)
    assert (final > 5.9).all()
    assert final.mean() > 6.6


@pytest.mark.slow
def test_hatrpo_climbs_and_keeps_to_its_limit():
    told = learned("hatrpo", 150, game="climbing", kl_limit=0.01, **SMALL, **PASSES)
    assert (told["return"][-10:].mean(0) > 5.8).all()
    assert told["approx_kl"].max() <= 0.01 * 1.001
    assert told["improvement"].min() >= 0


def test_memory_is_learned_from_whole_sequences():
    shape = {"batch": 64, "length": 4, "width": 16, "depth": 1, "memory": 8, "rate": 1e-2}
    told = learned("mappo-recurrent", 60, game=AGAIN, share=False, **shape, **PASSES)
    assert (told["return"][-10:].mean(0) > 15).all()


@pytest.mark.slow
def test_happo_may_have_memory():
    shape = {"batch": 16, "length": 4, "width": 8, "depth": 1, "memory": 4}
    told = learned("happo", 2, seeds=1, game=AGAIN, **shape, passes=1, minibatches=2)
    assert all(np.isfinite(values).all() for values in told.values())
    np.testing.assert_allclose(told["factor"], 1.0, atol=0.05)


def test_recurrent_forms_remember_by_default():
    assert methods.settings("ippo-recurrent").memory == methods.settings("mappo-recurrent").memory == 128
    assert methods.settings("mappo-recurrent").scale_decay == methods.settings("mappo").scale_decay
    assert methods.settings("ippo-recurrent").scale_decay == methods.settings("ippo").scale_decay


def test_sequences_are_not_cut_to_fit_minibatches():
    settings = ippo_recurrent.Settings(game="climbing", batch=3, length=4, width=4, memory=4, minibatches=2)
    method = ippo_recurrent.build(settings)
    state = jax.eval_shape(lambda: eqx.filter(method.init(KEY), eqx.is_array))
    rest = eqx.filter_eval_shape(method.init, KEY)
    with pytest.raises(InputError, match="3 rows do not divide into 2"):
        eqx.filter_eval_shape(method.step, eqx.combine(state, rest), KEY)


def test_random_play_earns_the_mean_of_the_table():
    told = learned("random", 1, game="climbing", batch=20_000, length=1)
    np.testing.assert_allclose(told["return"], -31 / 9, atol=0.4)
    assert (told["episodes"] == 20_000).all()


def test_random_play_is_legal_and_knows_its_probability():
    game = games.make("interplay.games.matrix:matrix(payoff=[[1,2,3],[4,5,6]])")
    seen = game.reset(KEY)[1]
    decision = jax.vmap(lambda key: random.Uniform(game.spec).act((), seen, key)[1])(jax.random.split(KEY, 500))
    assert set(decision.action[:, 0].tolist()) == {0, 1}
    assert set(decision.action[:, 1].tolist()) == {0, 1, 2}
    np.testing.assert_allclose(jnp.exp(decision.log_prob[0]), [1 / 2, 1 / 3], rtol=1e-5)


def test_random_play_fills_a_box():
    game = games.make("sum-guessing", agents=2)
    action = game.spec.action
    assert isinstance(action, Box)
    seen = game.reset(KEY)[1]
    decision = jax.vmap(lambda key: random.Uniform(game.spec).act((), seen, key)[1])(jax.random.split(KEY, 500))
    drawn = decision.action
    assert drawn.min() >= action.low
    assert drawn.max() <= action.high
    assert drawn.max() - drawn.min() > 0.9 * (action.high - action.low)
    np.testing.assert_allclose(decision.log_prob, -np.log(action.high - action.low), rtol=1e-5)
