"""Laws of the variance-reduced optimizers: what each is without what it adds, bit for bit; and of the method around them."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay import check
from interplay.core.errors import InputError
from interplay.games.random_mdp import random_mdp
from interplay.measure import direction
from interplay.methods import igt_gradient
from interplay.run import devices
from interplay.update import variance_reduced as vr
from interplay.update.variance_reduced import Sample

GAME = random_mdp(states=5, actions=3, horizon=8)
SHORT = "interplay.games.cartpole:cartpole(horizon=10)"
TINY = {"game": SHORT, "batch": 3, "width": 4, "depth": 1, "rate": 1.0}


def trained(optimizer, iterations=6, batch=2):
    """θ after some iterations; the first query of every iteration has the same random numbers for all optimizers."""
    game = GAME.markov

    @jax.jit
    def advance(state, key):
        points = optimizer.query_points(state, jax.random.fold_in(key, 0))
        play = lambda place, point: direction.play(game, point, jax.random.fold_in(key, place + 1), 8, batch)
        samples = [Sample(point, play(place, point)) for place, (point, _) in enumerate(points)]
        return optimizer.update(state, samples, key)

    state = optimizer.init(jnp.zeros((5, 3)))
    for iteration in range(iterations):
        parameters, state = advance(state, jax.random.key(iteration))
    return np.asarray(parameters)


ESTIMATOR = direction.estimator(0.95)


def test_igt_without_extrapolation_is_normalized_momentum():
    plain = vr.averaging(ESTIMATOR, vr.power(4 / 5), vr.power(1, 0.3))
    np.testing.assert_array_equal(trained(vr.igt(ESTIMATOR, 0.3, strength=0.0)), trained(plain))
    assert np.abs(trained(vr.igt(ESTIMATOR, 0.3)) - trained(plain)).max() > 1e-3


def test_momentum_is_the_recursion_with_its_own_schedule():
    plain = vr.averaging(ESTIMATOR, vr.power(2 / 3), vr.power(1, 0.3))
    np.testing.assert_array_equal(trained(vr.momentum(ESTIMATOR, 0.3)), trained(plain))


def nothing_from_curvature():
    """The queries of HARPG, and v = 0."""
    drift = vr.curvature()
    return drift._replace(estimate=vr.NOTHING.estimate)


def test_harpg_with_no_product_is_momentum():
    silent = vr.averaging(ESTIMATOR, vr.power(1), vr.power(1, 0.3), drift=nothing_from_curvature())
    plain = vr.averaging(ESTIMATOR, vr.power(1), vr.power(1, 0.3))
    np.testing.assert_array_equal(trained(silent), trained(plain))
    assert np.abs(trained(vr.normalized_harpg(ESTIMATOR, 0.3)) - trained(plain)).max() > 1e-3


@pytest.mark.parametrize("make", [vr.storm, vr.normalized_harpg], ids=["storm", "n-harpg"])
def test_where_the_parameters_stand_still_it_is_momentum(make):
    """θ_{t−1} = θ_t: the ratio is one and the product zero, so that the direction is the weighted mean of gradients."""
    optimizer, plain = make(ESTIMATOR, 0.3), vr.averaging(ESTIMATOR, vr.power(1), vr.power(1, 0.3))
    still = jax.random.normal(jax.random.key(0), (5, 3))
    state = plain.init(still)
    state = eqx.tree_at(lambda s: (s.direction, s.step), state, (0.1 * still, jnp.asarray(3)))
    record = direction.play(GAME.markov, still, jax.random.key(1), 8, 4)
    samples = [Sample(still, record)] * 2
    found, wanted = (each.update(state, samples, jax.random.key(2))[0] for each in (optimizer, plain))
    np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_a_share_of_one_is_the_normalized_gradient():
    for point, drift in ((vr.extrapolated(), vr.NOTHING), (vr.here, vr.curvature()), (vr.here, vr.reweighted())):
        forgetful = vr.averaging(ESTIMATOR, vr.power(0), vr.power(1, 0.3), point=point, drift=drift)
        np.testing.assert_array_equal(trained(forgetful), trained(vr.normalized(ESTIMATOR, 0.3)))


def test_the_first_step_of_all_normalized_optimizers_is_the_same():
    first = trained(vr.normalized(ESTIMATOR, 0.3), 1)
    for make in (vr.igt, vr.momentum, vr.storm, vr.normalized_harpg):
        np.testing.assert_allclose(trained(make(ESTIMATOR, 0.3), 1), first, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(first), 0.3, rtol=1e-5)


def build(**changes):
    return igt_gradient.build(igt_gradient.Settings(**{**TINY, **changes}))


@pytest.mark.parametrize(
    "optimizer", ["igt", *(pytest.param(name, marks=pytest.mark.slow) for name in ("harpg", "natural"))]
)
def test_the_method_keeps_the_contract(optimizer):
    assert check.check_method(build(optimizer=optimizer)) == []


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["normalized-harpg", "storm", "momentum", "normalized", "vanilla"])
def test_the_other_optimizers_keep_the_contract(optimizer):
    assert check.check_method(build(optimizer=optimizer)) == []


def test_the_team_is_where_the_optimizer_is_and_not_where_it_played():
    method = build()
    state = method.init(devices.starting_key(0))
    for update in range(4):
        before = state.progress
        state, told = jax.jit(method.step)(state, devices.update_key(0, update))
    share = (2 / 5) ** 0.8  # t = 3
    move = np.sqrt(
        sum(
            float(((a - b) ** 2).sum())
            for a, b in zip(*map(jax.tree.leaves, (before.parameters, before.before)), strict=True)
        )
    )
    np.testing.assert_allclose(told["reach"], (1 - share) / share * move, rtol=1e-4)
    np.testing.assert_allclose(told["step_length"], 1.0 * 2 / 5, rtol=1e-4)
    team = eqx.filter(method.team(state), eqx.is_inexact_array)
    for one, other in zip(jax.tree.leaves(team), jax.tree.leaves(state.progress.parameters), strict=True):
        np.testing.assert_array_equal(one, other)


def test_python_games_are_played_from_their_start_too():
    pytest.importorskip("gymnasium")
    method = build(game="gymnasium:CartPole-v1(horizon=10)", batch=2, optimizer="harpg")
    state = method.init(devices.starting_key(0))
    state, told = method.step(state, devices.update_key(0, 0))
    assert told["episodes"] == 2
    assert told["return"] == told["length"] <= 10


def test_wrong_words_are_told():
    with pytest.raises(InputError, match="did you mean igt"):
        build(optimizer="igtt")
    with pytest.raises(InputError, match="give 0 or fewer"):
        build(longest=11)


def test_cartpole_is_learned():
    settings = igt_gradient.Settings(game="interplay.games.cartpole:cartpole", batch=10, width=16, depth=1, rate=1.0)
    method = igt_gradient.build(settings)
    step = jax.jit(lambda state, keys: jax.lax.scan(method.step, state, keys))
    state = method.init(devices.starting_key(0))
    _, told = step(state, jax.random.split(jax.random.key(0), 100))
    assert told["return"][:3].mean() < 40
    assert told["return"][-10:].mean() > 120


def test_agents_of_identical_interest_find_what_pays_most():
    game = "interplay.games.matrix:matrix(payoff=[[4,0,0],[0,6,0],[0,0,8]])"
    method = build(game=game, batch=32, width=8, rate=3.0, discount=1.0)
    step = jax.jit(lambda state, keys: jax.lax.scan(method.step, state, keys))
    for seed in range(2):
        _, told = step(method.init(devices.starting_key(seed)), jax.random.split(jax.random.key(seed), 200))
        assert told["return"][-10:].mean() > 7.5
