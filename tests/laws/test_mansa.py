"""Laws of MANSA: at an infinite price it is independent learning, held on it is central learning, and budgets are kept."""

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay import check, games
from interplay.core.errors import InputError
from interplay.measure.calls import watched
from interplay.methods import mansa
from interplay.methods.baselines import iql, qmix
from interplay.methods.baselines.random import Uniform
from interplay.nets import switched

TINY: dict[str, Any] = {
    "game": "climbing(horizon=3)",
    "batch": 4,
    "length": 4,
    "width": 8,
    "depth": 1,
    "sampled": 8,
    "updates": 2,
    "capacity": 256,
    "warmup": 0,
    "epsilon_steps": 50,
    "discount": 0.9,
}
WHOLE: dict[str, Any] = {"memory": 4}
GAME: Any = games.make("climbing(horizon=3)")


def build(**changes):
    return mansa.build(mansa.Settings(**{**TINY, "mixed": 4, "hyper": 4, **changes}))


def after(method, updates=4):
    state, step = jax.jit(method.init)(jax.random.key(0)), jax.jit(method.step)
    for update in range(updates):
        state, told = step(state, jax.random.key(update))
    return state, told


def weights(team):
    return jax.tree.leaves(eqx.filter(team, eqx.is_inexact_array))


def equal(first, second, tolerance):
    for a, b in zip(weights(first), weights(second), strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("more", [{}, pytest.param(WHOLE, marks=pytest.mark.slow)])
def test_at_an_infinite_price_it_is_independent_learning(more):
    state, told = after(build(price=float("inf"), **more))
    alone, known = after(iql.build(iql.Settings(**TINY, **more)))
    equal(state.team.independent, alone.team, 1e-6)  # programs of different shape round differently, play is the same
    np.testing.assert_array_equal(state.play.total, alone.play.total)
    np.testing.assert_allclose(told["return"], known["return"])
    assert told["calls"] == told["calls_wanted"] == told["central_td_loss"] == 0
    fresh = jax.jit(build(price=float("inf"), **more).init)(jax.random.key(0))
    equal(state.team.central, fresh.team.central, 0)  # nobody ever called, so there was nothing to learn from
    assert any(
        (a != b).any() for a, b in zip(weights(state.team.independent), weights(fresh.team.independent), strict=True)
    )


@pytest.mark.slow  # compiles as long as the law above
@pytest.mark.parametrize("more", [{}, WHOLE])
def test_held_on_for_nothing_it_is_central_learning(more):
    state, told = after(build(price=0.0, switch="always", **more))
    central = qmix.Settings(**TINY, mixed=4, hyper=4, **more)
    center, known = after(qmix.build(central))
    equal(state.team.central, center.team, 1e-6)
    np.testing.assert_array_equal(state.play.total, center.play.total)
    np.testing.assert_allclose(told["return"], known["return"])
    assert told["calls"] == 1
    assert told["independent_td_loss"] == 0


@pytest.mark.slow
def test_a_side_learns_from_its_own_steps():
    state, told = after(build(budget=1, price=0.0))
    apart, called, everything = (int(marks[:, 1].sum()) for marks in state.marks)
    assert 0 < called <= everything * (1 / 3 + 1 / 16)  # the last of six episodes is cut at its first step
    assert apart + called == everything == 4 * 4 * 4
    assert told["independent_td_loss"] > 0
    assert told["central_td_loss"] > 0


@pytest.fixture(scope="module")
def limited():
    return jax.jit(build(budget=1, price=0.0).init)(jax.random.key(0)).team


def test_a_budget_is_kept(limited):
    calls = watched(dataclasses.replace(limited, decide=switched.always), GAME, jax.random.key(0), 64)
    assert (calls.called.sum(0) == 1).all()
    assert calls.running.sum(0).min() == 3
    assert calls.rate == pytest.approx(1 / 3)
    np.testing.assert_allclose(calls.by_step(), [1.0, 0.0, 0.0])


def test_the_greedy_switch_calls_where_it_thinks_more_of_it(limited):
    team = limited.greedy()
    _, seen = GAME.reset(jax.random.key(0))
    values = team.wanted(seen, jnp.array(1))
    (_, _, left), decision = jax.jit(lambda key: team.act(team.begin(), seen, key))(jax.random.key(0))
    assert int(decision.extra["call"]) == int(values[1] > values[0])
    assert int(left) == 1 - int(decision.extra["call"])
    assert team.wanted(seen, jnp.array(0))[1] == -jnp.inf  # nothing is left to call with
    side = team.central if decision.extra["call"] else team.independent
    np.testing.assert_array_equal(decision.action, side.act(side.begin(), seen, jax.random.key(0))[1].action)


def test_the_switch_earns_the_teams_reward_less_the_price():
    game, fee = GAME, switched.Fee(0.25)
    state, _ = game.reset(jax.random.key(0))
    _, arrived = game.step(state, jnp.array([0, 0]), jax.random.key(0))
    paid = [float(fee.seen(arrived, jnp.array(5), jnp.array(call)).reward[0]) for call in (0, 1)]
    assert paid == [11.0, 10.75]


def test_the_random_switch_follows_its_chances():
    chance = mansa.chances("0.5 0.25", 100)
    assert [float(chance(jnp.array(step))) for step in (0, 49, 50, 1000)] == [0.5, 0.5, 0.25, 0.25]


@pytest.mark.slow
def test_it_keeps_the_contract():
    assert check.check_method(build(budget=2)) == []


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"central": ""}, "a switch needs a center to call: set central to qmix or vdn"),
        ({"central": "iql"}, "a switch needs a center to call"),
        ({"central": "qmx"}, "did you mean qmix"),
        ({"independent": "qmix"}, "use iql"),
        ({"switch": "alway"}, "did you mean always"),
        ({"switch": "random", "calls": "often"}, "give one chance from 0 to 1"),
        ({"switch": "random", "calls": "0.5 1.5"}, "give one chance from 0 to 1"),
        ({"priority": 0.5}, "leave it at 0"),
    ],
)
def test_what_cannot_be_switched_is_refused(wrong, words):
    with pytest.raises(InputError, match=words):
        build(**wrong)


def test_teams_without_a_switch_are_refused():
    with pytest.raises(InputError, match="calls no center"):
        watched(Uniform(GAME.spec), GAME, jax.random.key(0), 2)  # pyright: ignore[reportCallIssue]
