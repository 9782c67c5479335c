"""Laws of Bayesian-network teams: no edges is MAPPO, a complete order is the chain rule, and every graph drawn is acyclic."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay import games
from interplay.check import assert_method, assert_team
from interplay.core.errors import InputError
from interplay.core.population import Population, separate
from interplay.core.team import DECENTRALIZED, ORDER
from interplay.games import coordination
from interplay.games.markov import of_coordination
from interplay.measure import markov
from interplay.methods import bayes_net_ac, bayes_net_exact
from interplay.methods.baselines import mappo
from interplay.nets import dag, views
from interplay.nets.bayesian import bayesian
from interplay.play import scan
from interplay.run import devices

TINY = {"batch": 4, "length": 8, "width": 8, "passes": 2, "minibatches": 2, "steps": 320}
GAME = games.make("coordination")


def build(**changes):
    return bayes_net_ac.build(bayes_net_ac.Settings(**{**TINY, **changes}))


def team(graph, seed=0, scale=20.0, **shape):
    """A team whose policies depend on what they see."""
    made = bayesian(GAME.spec, jax.random.key(seed), separate(3), views.central, graph=graph, width=8, **shape)
    loud = jax.tree.map(lambda leaf: leaf * scale, made.actors.actors.members)
    return dataclasses.replace(made, actors=dataclasses.replace(made.actors, actors=Population(loud)))


def after(method, state, updates=2):
    step = jax.jit(method.step)
    for update in range(updates):
        state, metrics = step(state, devices.update_key(0, update))
    return state, metrics


def test_without_edges_it_is_mappo():
    """The same networks with inputs for parents that are always zero, and the same numbers ever after."""
    mine, theirs = build(graph="none"), mappo.build(mappo.Settings(game="coordination", share=False, **TINY))
    start, other = (jax.jit(method.init)(jax.random.key(0)) for method in (mine, theirs))
    wide = start.team.actors
    first = lambda actors: actors.members.network.tower.layers[0].weight
    cut = eqx.tree_at(first, wide.actors, first(wide.actors)[:, : GAME.spec.observation])
    same = dataclasses.replace(other.team, actors=cut, critics=wide.critics)
    ours, _ = after(mine, start)
    plain, _ = after(theirs, dataclasses.replace(other, team=same, play=start.play))
    narrow = eqx.tree_at(first, ours.team.actors.actors, first(ours.team.actors.actors)[:, : GAME.spec.observation])
    for one, two in ((narrow, plain.team.actors), (ours.team.actors.critics, plain.team.critics)):
        for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(two), strict=True):
            np.testing.assert_allclose(a, b, atol=2e-6)


@pytest.mark.parametrize(
    "name",
    [pytest.param("none", marks=pytest.mark.slow), "line", pytest.param("full", marks=pytest.mark.slow), "learned"],
)
def test_probabilities_of_joint_actions_sum_to_one_and_are_what_is_played(name):
    made = team(None if name == "learned" else dag.fixed(name, 3))
    _, seen = GAME.reset(jax.random.key(1))
    states = jax.tree.map(lambda leaf: leaf[None], seen)
    policy = np.asarray(jax.jit(lambda key: markov.policy_of(made, GAME, states, key, draws=400))(jax.random.key(2)))[0]
    assert policy.sum() == pytest.approx(1.0, abs=1e-4)
    act = jax.jit(jax.vmap(lambda key: made.act(made.begin(), seen, key)[1].action))
    played = np.asarray(act(jax.random.split(jax.random.key(3), 4000))) @ [4, 2, 1]
    np.testing.assert_allclose(np.bincount(played, minlength=8) / 4000, policy, atol=0.04)


def test_a_complete_order_is_the_chain_rule():
    made = team(dag.full(3))
    _, seen = GAME.reset(jax.random.key(1))
    decision = made.act(made.begin(), seen, jax.random.key(4))[1]
    for agent in range(
        3
    ):  # what an agent does later changes nothing for those before it, and something for those after
        other = decision.action.at[agent].set(1 - decision.action[agent])
        here, there = (
            made.evaluate(made.begin(), seen, dataclasses.replace(decision, action=action))[1].log_prob
            for action in (decision.action, other)
        )
        np.testing.assert_allclose(here[:agent], there[:agent], atol=1e-6)
        assert agent == 2 or (np.abs(here - there)[agent + 1 :] > 1e-4).all()


@pytest.mark.parametrize("graph", ["full", "learned"])
def test_ratios_are_one_before_the_first_update(graph):
    method = build(graph=graph)
    state = jax.jit(method.init)(jax.random.key(0))
    gather = scan.steps(method.game, 4, 30)
    _, record, _ = jax.jit(gather)(state.team, gather.init(state.team, jax.random.key(1)), jax.random.key(2))
    again = jax.jit(scan.reevaluate)(state.team, record)
    np.testing.assert_allclose(again.log_prob, record.decision.log_prob, atol=2e-6)


def test_as_published_ratios_do_not_begin_at_one():
    made = team(None, fresh=True)
    gather = scan.steps(GAME, 8, 10)
    _, record, _ = jax.jit(gather)(made, gather.init(made, jax.random.key(1)), jax.random.key(2))
    again = jax.jit(scan.reevaluate)(made, record)
    assert float(jnp.abs(again.log_prob - record.decision.log_prob).max()) > 1e-3


def test_every_graph_drawn_is_acyclic_and_its_order_a_permutation():
    sampler = dag.Sampler(3, 5, jax.random.key(0))
    draw = jax.vmap(lambda key: sampler.draw(jnp.ones(3), key))(jax.random.split(jax.random.key(1), 64))
    graphs = np.asarray(jax.vmap(lambda one: sampler.graph(jnp.ones(3), one))(draw))
    np.testing.assert_allclose(draw.order.sum(1), 1.0)
    np.testing.assert_allclose(draw.order.sum(2), 1.0)
    for graph in graphs:
        np.testing.assert_allclose(np.linalg.matrix_power(np.round(graph), 5), 0.0)
    assert 0.2 < graphs.sum((1, 2)).mean() / 10 < 0.8 and np.allclose(graphs, np.round(graphs), atol=1e-6)


def test_gradients_reach_the_sampler_through_the_graph():
    made = team(None)
    gather = scan.steps(GAME, 8, 10)
    _, record, _ = jax.jit(gather)(made, gather.init(made, jax.random.key(1)), jax.random.key(2))
    slope = eqx.filter_grad(lambda team: scan.reevaluate(team, record).log_prob.sum())(made)
    moved = [float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(eqx.filter(slope.sampler, eqx.is_inexact_array))]
    assert min(moved) > 0


def test_annealing_closes_the_graph_and_what_is_left_needs_nobody():
    method = build(graph="learned", anneal=True, openness_weight=1.0, steps=3200, rate=0.02, passes=8)
    state, metrics = after(method, jax.jit(method.init)(jax.random.key(0)), updates=100)
    assert float(metrics["openness"]) < 0.1
    assert float(state.team.progress) == pytest.approx(1.0)
    assert state.team.needs == ORDER and state.team.without_edges().needs == DECENTRALIZED


def test_blind_actors_learn_nothing_from_their_parents():
    made = team(dag.full(3), blind=True)
    _, seen = GAME.reset(jax.random.key(1))
    decision = made.act(made.begin(), seen, jax.random.key(4))[1]
    flipped = dataclasses.replace(decision, action=1 - decision.action)
    for one in (decision, flipped):  # given the same draws, an agent's chances do not depend on what others really did
        mixed = dataclasses.replace(one, action=one.action.at[2].set(0))
        assert made.evaluate(made.begin(), seen, mixed)[1].log_prob[2] == pytest.approx(
            made.evaluate(made.begin(), seen, dataclasses.replace(decision, action=decision.action.at[2].set(0)))[
                1
            ].log_prob[2]
        )


@pytest.mark.slow  # the learned graph of tests/contracts is the fast one
@pytest.mark.parametrize("graph", ["learned", "line"])
def test_the_contracts_hold(graph):
    method = build(graph=graph, minibatches=1)
    assert_method(method)
    assert_team(method.team(jax.jit(method.init)(jax.random.key(0))), method.game)


def test_cycles_strangers_and_real_actions_are_refused():
    with pytest.raises(InputError, match="form a cycle among agents"):
        dag.of_edges(((0, 1), (1, 2), (2, 0)), 3)
    with pytest.raises(InputError, match="names no agent"):
        dag.of_edges(((0, 3),), 3)
    with pytest.raises(InputError, match="did you mean full"):
        dag.fixed("ful", 3)
    with pytest.raises(InputError, match="discrete"):
        jax.eval_shape(build(game="sum-guessing").init, jax.random.key(0))
    with pytest.raises(InputError, match="pass seats of length 3"):
        bayesian(GAME.spec, jax.random.key(0), (0, 1), views.central, graph=None)


def test_the_exact_gradient_is_the_slope_of_the_value():
    with jax.enable_x64(True):
        game = of_coordination(coordination.coordination(2), 0.9)
        numbers = markov.parent_numbers(game, dag.full(2))
        keys = jax.random.split(jax.random.key(0), 2)
        logits = [jax.random.normal(keys[0], (4, 1, 2)), jax.random.normal(keys[1], (4, 2, 2))]
        value = lambda logits: (
            -markov.worth(game, markov.joint_policy(bayes_net_exact.conditionals(game, numbers, logits))).mean()
        )
        mine = jax.grad(lambda logits: bayes_net_exact.loss(game, numbers, logits))(logits)
        for one, true in zip(mine, jax.grad(value)(logits), strict=True):
            np.testing.assert_allclose(one, true, rtol=1e-8, atol=1e-10)


def test_the_exact_study_ranks_the_graphs_as_measured_before():
    shares = {
        name: bayes_net_exact.study(3, name, 20, points=2).share[:, -1].mean() for name in ("none", "line", "full")
    }
    assert shares["none"] == pytest.approx(0.87, abs=0.03)
    assert shares["line"] == pytest.approx(0.92, abs=0.03)
    assert shares["full"] == pytest.approx(0.945, abs=0.025)
