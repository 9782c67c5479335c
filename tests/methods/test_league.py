"""Policy-space methods: double oracle ends at the value, uniform mixtures are fictitious play, the tensor is exact."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay.games import tree as trees
from interplay.measure import empirical
from interplay.methods import league, oracles
from interplay.play import walk
from interplay.update import meta


@pytest.fixture(autouse=True)
def precise():
    with jax.enable_x64(True):
        yield


def run(tree, solver, epochs):
    oracle, state = eqx.filter_jit(league.exact), league.started(tree, epochs + 1)
    for epoch in range(epochs):
        state = league.grown(tree, state, solver, oracle, jax.random.key(epoch))
    return state


def test_double_oracle_reaches_the_value_of_kuhn_poker():
    tree, solver = trees.make("openspiel:kuhn_poker"), meta.same(meta.nash)
    plans, _ = league.answer(run(tree, solver, 12), solver)
    values, gain = empirical.gap(tree, plans)
    assert float(values[0]) == pytest.approx(-1 / 18, abs=1e-6) and float(gain.sum()) < 1e-6


def test_with_uniform_mixtures_it_is_fictitious_play():
    """Every response answers the mean of all plans before it, as in fictitious play in sequence form."""
    tree, solver = trees.make("openspiel:kuhn_poker"), meta.same(meta.uniform)
    state = run(tree, solver, 6)
    means = [list(walk.reaches(tree, walk.uniform(tree)))]
    history = [[plan] for plan in means[0]]
    for _ in range(6):
        average = tuple(sum(each) / len(each) for each in history)
        for player in range(2):
            history[player].append(league.exact(tree, average, player, jax.random.key(0)))
    for player in range(2):
        np.testing.assert_allclose(state.plans[player], jnp.stack(history[player]), atol=1e-12)


def test_the_payoff_tensor_is_what_every_combination_pays():
    tree = trees.make("openspiel:kuhn_poker(players=3)")
    state = run(tree, meta.same(meta.uniform), 2)
    for combination in np.ndindex(3, 3, 3):
        plans = tuple(state.plans[player][place] for player, place in enumerate(combination))
        np.testing.assert_allclose(state.payoffs[(slice(None), *combination)], walk.outcome(tree, plans), atol=1e-12)


def test_a_mixture_of_policies_is_the_policy_of_the_mixed_plan():
    tree = trees.make("openspiel:kuhn_poker")
    state = run(tree, meta.same(meta.uniform), 3)
    plans, mixtures = league.answer(state, meta.same(meta.uniform))
    table = empirical.behavior(tree, plans)
    np.testing.assert_allclose(table.sum(1), 1.0, atol=1e-12)
    living = state.payoffs[:, :4, :4]
    mixed = jnp.einsum("pij,i,j->p", living, mixtures[0, :4], mixtures[1, :4])
    np.testing.assert_allclose(walk.expected(tree, table), mixed, atol=1e-12)


@pytest.mark.parametrize("solver", [meta.shor(), meta.projection_matching()])
def test_populations_become_less_exploitable(solver):
    tree = trees.make("openspiel:kuhn_poker(players=3)")
    gaps = [
        float(empirical.gap(tree, league.answer(run(tree, solver, epochs), solver)[0])[1].sum()) for epochs in (1, 8)
    ]
    assert gaps[1] < 0.5 * gaps[0]


def test_a_learned_oracle_comes_near_the_best_response():
    tree = trees.make("openspiel:kuhn_poker")
    against = walk.reaches(tree, walk.uniform(tree))
    respond = eqx.filter_jit(oracles.learned(oracles.features(tree), steps=300, rate=0.03, width=16))
    for player in range(2):
        gains = []
        for plan in (
            respond(tree, against, player, jax.random.key(0)),
            league.exact(tree, against, player, jax.random.key(0)),
        ):
            own = tuple(plan if seat == player else other for seat, other in enumerate(against))
            gains.append(float(walk.outcome(tree, own)[player]))
        assert gains[1] - 0.02 < gains[0] <= gains[1] + 1e-9


def test_double_oracle_with_learned_responses_lowers_exploitability():
    tree, solver = trees.make("kuhn"), meta.same(meta.nash)
    oracle = eqx.filter_jit(oracles.learned(oracles.features(tree), steps=150, rate=0.05, width=8))
    state, found = league.started(tree, 9), []
    for epoch in range(8):
        state = league.grown(tree, state, solver, oracle, jax.random.key(epoch))
        found.append(float(empirical.gap(tree, league.answer(state, solver)[0])[1].sum()) / 2)
    assert found[-1] < 0.03 < found[0]
