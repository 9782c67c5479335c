"""Gradients and Hessian-vector products are right on average: against enumeration, dynamic programming and Riccati."""

import dataclasses
import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay.core.population import separate
from interplay.games.lqr import expected_return, lqr, optimum
from interplay.games.markov import markov_game
from interplay.games.random_mdp import random_mdp
from interplay.measure import direction
from interplay.measure.direction import Episodes
from interplay.methods import igt_gradient
from interplay.nets import views
from interplay.nets.seated import seated
from interplay.objectives import policy_gradient
from interplay.play import scan

HORIZON = 3


def tiny():
    """Two states, two actions: 64 state-action paths of three steps from each start."""
    random = np.random.default_rng(1)
    transition = random.dirichlet(np.ones(2), (2, 2))
    return markov_game(transition, random.uniform(-1, 1, (1, 2, 2)), 0.8, (2,), np.array([0.7, 0.3]))


def paths(game, logits):
    """Every episode of `game` as one batch, and its probability."""
    steps = list(itertools.product(range(2), repeat=2 * HORIZON))
    table = np.array(steps).reshape(len(steps), HORIZON, 2).transpose(1, 0, 2)
    state, action = table[..., 0], table[..., 1]
    chance = game.start[state[0]] * jax.nn.softmax(logits)[state, action].prod(0)
    for t in range(HORIZON - 1):
        chance = chance * game.transition[state[t], action[t], state[t + 1]]
    return Episodes(jnp.asarray(state), jnp.asarray(action), game.reward[0, state, action]), chance


def expectation(game, logits, estimate):
    """E[estimate(record)] over all episodes, one by one."""
    record, chance = paths(game, logits)
    np.testing.assert_allclose(chance.sum(), 1.0, rtol=1e-6)
    each = lambda row: estimate(jax.tree.map(lambda leaf: leaf[:, None], row))
    return jnp.einsum("e,e...->...", chance, jax.vmap(each, in_axes=1)(record))


@pytest.fixture
def precise():
    with jax.enable_x64(True):
        yield


@pytest.mark.usefixtures("precise")
def test_enumeration_gradient_and_hessian_product_are_unbiased():
    game, random = tiny(), np.random.default_rng(0)
    estimator = direction.estimator(game.discount)
    logits, vector = jnp.asarray(random.normal(size=(2, 2))), jnp.asarray(random.normal(size=(2, 2)))
    slope = jax.grad(lambda logits: direction.worth(game, logits, HORIZON))
    found = expectation(game, logits, lambda record: policy_gradient.gradient(estimator, logits, record))
    np.testing.assert_allclose(found, slope(logits), atol=1e-12)

    product = lambda record, **given: policy_gradient.hessian_product(estimator, logits, record, vector, **given)
    bent = jax.jvp(slope, (logits,), (vector,))[1]
    np.testing.assert_allclose(expectation(game, logits, product), bent, atol=1e-12)
    small = 1e-3 * vector
    by_differences = (slope(logits + small / 2) - slope(logits - small / 2)) / 1e-3
    np.testing.assert_allclose(expectation(game, logits, product), by_differences, atol=1e-6)
    without = expectation(game, logits, lambda record: product(record, score=0.0))
    assert jnp.abs(without - bent).max() > 0.05  # the score term is needed
    opposite = expectation(game, logits, lambda record: product(record, score=-1.0))
    assert jnp.abs(opposite - bent).max() > 0.1  # and its sign


@pytest.mark.usefixtures("precise")
def test_enumeration_mean_value_integral_gives_the_change_of_the_gradient():
    game, random = tiny(), np.random.default_rng(3)
    estimator = direction.estimator(game.discount)
    logits, vector = jnp.asarray(random.normal(size=(2, 2))), jnp.asarray(random.normal(size=(2, 2)))
    slope = jax.grad(lambda logits: direction.worth(game, logits, HORIZON))
    places, weights = np.polynomial.legendre.leggauss(8)
    total = jnp.zeros((2, 2))
    for place, weight in zip((places + 1) / 2, weights / 2, strict=True):
        at = logits + (place - 0.5) * vector
        drift = lambda record, at=at: policy_gradient.hessian_product(estimator, at, record, vector)
        total = total + weight * expectation(game, at, drift)
    np.testing.assert_allclose(total, slope(logits + vector / 2) - slope(logits - vector / 2), atol=1e-9)


@pytest.mark.usefixtures("precise")
def test_the_product_is_taken_episode_by_episode():
    game = tiny()
    estimator, logits = direction.estimator(game.discount), jnp.array([[0.3, -0.2], [0.1, 0.5]])
    vector = jnp.array([[1.0, -2.0], [0.5, 1.0]])
    record, _ = paths(game, logits)
    some = jax.tree.map(lambda leaf: leaf[:, 5:9], record)
    product = lambda record: policy_gradient.hessian_product(estimator, logits, record, vector)
    alone = [product(jax.tree.map(lambda leaf, i=i: leaf[:, i : i + 1], some)) for i in range(4)]
    np.testing.assert_allclose(product(some), sum(alone) / 4, atol=1e-12)
    one = jax.tree.map(lambda leaf: leaf[:, :1], some)
    phi = lambda logits: (estimator.worth(one) * estimator.log_probs(logits, one)).sum()
    score = jax.grad(lambda logits: estimator.log_probs(logits, one).sum())(logits)
    by_hand = (
        jnp.einsum("abcd,cd->ab", jax.hessian(phi)(logits), vector) + jax.grad(phi)(logits) * (score * vector).sum()
    )
    np.testing.assert_allclose(product(one), by_hand, atol=1e-12)


@pytest.mark.usefixtures("precise")
def test_reweighted_gradients_of_other_episodes_are_unbiased():
    game = tiny()
    estimator = direction.estimator(game.discount)
    played, wanted = jnp.array([[0.3, -0.2], [0.1, 0.5]]), jnp.array([[-0.5, 0.2], [0.4, 0.0]])

    def reweighted(record):
        weight = policy_gradient.likelihood_ratio(estimator, wanted, played, record)
        return policy_gradient.gradient(estimator, wanted, record, weight)

    slope = jax.grad(lambda logits: direction.worth(game, logits, HORIZON))(wanted)
    np.testing.assert_allclose(expectation(game, played, reweighted), slope, atol=1e-12)


@pytest.mark.usefixtures("precise")
def test_fisher_products_are_those_of_the_outer_products():
    game = tiny()
    estimator, logits = direction.estimator(game.discount), jnp.array([[0.3, -0.2], [0.1, 0.5]])
    vector = jnp.array([[1.0, -2.0], [0.5, 1.0]])
    record, _ = paths(game, logits)
    scores = jax.jacobian(lambda logits: estimator.log_probs(logits, record))(logits).reshape(-1, 4)
    wanted = scores.T @ scores / len(scores) @ vector.ravel() + 0.1 * vector.ravel()
    found = policy_gradient.fisher_product(estimator, logits, record, 0.1)(vector)
    np.testing.assert_allclose(found.ravel(), wanted, atol=1e-12)


def test_rewards_to_come_are_discounted_from_the_start_of_the_episode():
    found = policy_gradient.to_come(jnp.array([[1.0], [2.0], [4.0]]), 0.5)
    np.testing.assert_allclose(found[:, 0], [1 + 1 + 1, 1 + 1, 1])


def test_players_of_the_table_play_what_the_recursion_values():
    game = random_mdp(states=4, actions=3, horizon=6, discount=0.9).markov
    logits = jax.random.normal(jax.random.key(0), (4, 3))
    record = direction.play(game, logits, jax.random.key(1), 6, batch=20_000)
    returns = policy_gradient.to_come(record.reward, 0.9)[0]
    error = returns.std() / np.sqrt(20_000)
    assert abs(returns.mean() - direction.worth(game, logits, 6)) < 4 * error
    assert direction.worth(game, logits, 6) < direction.best(game, 6)


def of_team(game, team, batch, key, baseline=policy_gradient.no_baseline, discount=1.0):
    """Parameters, estimator and a record of a team of one linear agent."""
    parameters, rest = eqx.partition(team, eqx.is_inexact_array)
    gather = scan.steps(game, batch, game.spec.horizon)
    record = eqx.filter_jit(lambda team, key: igt_gradient.played(gather, team, key))(team, key)
    return parameters, policy_gradient.of_teams(rest, discount, baseline), record


@pytest.mark.parametrize("baseline", [policy_gradient.no_baseline, policy_gradient.others])
def test_a_team_on_the_table_gets_the_true_gradient_and_hessian_product(baseline):
    game = random_mdp(states=3, actions=2, horizon=4, discount=0.9)
    team = seated(game.spec, jax.random.key(0), separate(1), views.local, depth=0)
    where = lambda tree: tree.actors.members.network.head.weight
    weight = 0.5 * jax.random.normal(jax.random.key(1), where(team).shape)
    team = eqx.tree_at(where, team, weight)
    parameters, estimator, record = of_team(game, team, 20_000, jax.random.key(2), baseline, 0.9)
    slope = jax.grad(lambda logits: direction.worth(game.markov, logits, 4))
    found = where(jax.jit(lambda: policy_gradient.gradient(estimator, parameters, record))())[0]
    np.testing.assert_allclose(found, slope(weight[0]), atol=0.03)
    step = jax.tree.map(jnp.zeros_like, parameters)
    step = eqx.tree_at(where, step, jax.random.normal(jax.random.key(3), weight.shape))
    bent = jax.jvp(slope, (weight[0],), (where(step)[0],))[1]
    found = where(jax.jit(lambda: policy_gradient.hessian_product(estimator, parameters, record, step))())[0]
    np.testing.assert_allclose(found, bent, atol=0.1)


def test_two_agents_of_identical_interest_get_the_gradient_of_the_common_return():
    game = random_mdp(states=2, actions=2, agents=2, horizon=3, discount=0.9)
    team = seated(game.spec, jax.random.key(0), separate(2), views.local, depth=0)
    where = lambda tree: tree.actors.members.network.head.weight
    weight = 0.5 * jax.random.normal(jax.random.key(1), where(team).shape)
    parameters, estimator, record = of_team(
        game, eqx.tree_at(where, team, weight), 20_000, jax.random.key(2), discount=0.9
    )

    def worth(weight):
        logs = jax.nn.log_softmax(weight)
        joint = (logs[0][:, :, None] + logs[1][:, None, :]).reshape(2, 4)  # a table over joint actions
        alone = dataclasses.replace(game.markov, actions=(4,))
        return direction.worth(alone, joint, 3)

    found = where(jax.jit(lambda: policy_gradient.gradient(estimator, parameters, record))())
    np.testing.assert_allclose(found, jax.grad(worth)(weight), atol=0.03)


def test_only_the_first_episode_of_a_game_counts():
    ended = jnp.array([[False, False], [True, False], [False, False], [True, False]])
    found = policy_gradient.first_episodes(ended)
    assert found.tolist() == [[True, True], [True, True], [False, True], [False, True]]


def test_the_riccati_policy_earns_what_it_should_and_no_linear_policy_more():
    game = lqr(horizon=6)
    best, gains = optimum(game)

    def episode(key):
        start, key = jax.random.split(key)
        state, _ = game.reset(start)

        def step(state, row):
            gain, key = row
            state, seen = game.step(state, (-gain @ state.body)[None], key)
            return state, seen.reward[0]

        rows = (jnp.asarray(gains, jnp.float32), jax.random.split(key, 6))
        return jax.lax.scan(step, state, rows)[1].sum()

    returns = jax.jit(jax.vmap(episode))(jax.random.split(jax.random.key(0), 20_000))
    assert abs(returns.mean() - best) < 4 * returns.std() / np.sqrt(20_000)
    still = jnp.zeros(2)
    first = expected_return(game, jnp.asarray(gains[0], jnp.float32), still)
    assert first < best
    slope = jax.grad(lambda gain: expected_return(game, gain, still))
    climb = lambda _, gain: gain + 0.003 * slope(gain)
    gain = jax.lax.fori_loop(0, 300, climb, jnp.asarray(gains[0], jnp.float32))
    assert first < expected_return(game, gain, still) < best
    assert expected_return(game, gain, still) > best * 1.1  # a few percent below the policy that looks at the clock


def test_a_gaussian_team_gets_the_true_gradient_of_the_regulator():
    game = lqr(horizon=4)
    team = seated(game.spec, jax.random.key(0), separate(1), views.local, depth=0)
    where = lambda tree: (tree.actors.members.network.head.weight, tree.actors.members.log_std)
    weight, log_std = 0.3 * jax.random.normal(jax.random.key(1), where(team)[0].shape), where(team)[1]
    team = eqx.tree_at(where, team, (weight, log_std))
    parameters, estimator, record = of_team(game, team, 64_000, jax.random.key(2), policy_gradient.others)
    exact = jax.grad(lambda weight, log_std: expected_return(game, -weight.T, jnp.exp(log_std)), (0, 1))
    wanted = exact(weight[0], log_std[0])
    parts = jax.tree.map(lambda leaf: leaf.reshape(leaf.shape[0], 64, 1000, *leaf.shape[2:]), record)
    each = jax.vmap(lambda part: where(policy_gradient.gradient(estimator, parameters, part)), in_axes=1)
    for found, right in zip(jax.jit(each)(parts), wanted, strict=True):
        mean, error = found[:, 0].mean(0), found[:, 0].std(0) / np.sqrt(64)
        assert (jnp.abs(mean - right) < 4 * error).all()
        assert error.mean() < 0.25 * jnp.linalg.norm(right)  # tells right from wrong
