"""HAPPO and HATRPO reduce to what they should; the trust region's parts agree with what can be worked out by hand."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay import games
from interplay.core.errors import InputError
from interplay.core.population import separate, shared
from interplay.core.team import DECENTRALIZED, Team
from interplay.core.trajectory import Batch
from interplay.credit import returns
from interplay.methods.baselines import happo, ippo
from interplay.nets import distributions, views
from interplay.nets.seated import seated
from interplay.objectives import trust
from interplay.play import scan
from interplay.update.gradient import Learner
from interplay.update.sequential import alone, change, rows_of, sequential, trust_region

KEY = jax.random.key(3)
REGION = trust.Region(limit=0.01)


def played(game, seats=separate):
    """A team on `game` and the batch it played."""
    team = seated(
        game.spec, KEY, seats(game.spec.agents), views.central, critic_seats=shared(game.spec.agents), width=8
    )

    @eqx.filter_jit
    def gathered(team):
        gather = scan.steps(game, batch=16, length=4)
        trajectory = gather(team, gather.init(team, KEY), jax.random.key(7))[1]
        return Batch(trajectory, returns.standardized(happo.joint(returns.gae(0.9, 0.9)))(trajectory))

    return team, gathered(team)


@pytest.fixture(scope="module")
def unequal():
    """Two agents that see and may do different numbers of things."""
    return played(games.make("speaker-listener"))


@pytest.fixture(scope="module")
def continuous():
    return played(games.make("sum-guessing", agents=2))


def idle(team, state, batch, key):
    return team, state, {}


IDLE = Learner(lambda team: (), idle)


def test_with_one_agent_happo_is_ppo():
    changes = {"game": "spread(agents=1)", "steps": 128, "batch": 8, "length": 8, "width": 8, "depth": 1}
    changes |= {"passes": 2, "minibatches": 2, "max_norm": 1e9}
    settings = happo.Settings(**changes)
    known = {field.name for field in dataclasses.fields(ippo.Settings)}
    same = {name: value for name, value in dataclasses.asdict(settings).items() if name in known}
    methods = (ippo.build(ippo.Settings(**same), views.central), happo.build(settings, views.central))
    teams = []
    for method in methods:
        state = eqx.filter_jit(method.init)(KEY)
        start = method.team(state)
        state, _ = eqx.filter_jit(method.step)(state, KEY)
        teams.append(eqx.filter(method.team(state), eqx.is_array))
    moved = jax.tree.map(lambda new, old: jnp.abs(new - old).max(), teams[1], eqx.filter(start, eqx.is_array))
    assert min(jax.tree.leaves((moved.actors, moved.critics))) > 1e-5
    for one, other in zip(*(jax.tree.leaves(team) for team in teams), strict=True):
        np.testing.assert_allclose(one, other, atol=2e-5)


def spy(step):
    """A learner that remembers the advantages it was given and moves every parameter by `step`."""

    def update(team, state, batch, key):
        actors = jax.tree.map(lambda leaf: leaf + step if eqx.is_inexact_array(leaf) else leaf, team.actors)
        return dataclasses.replace(team, actors=actors), batch.credit.advantage, {}

    return update


@pytest.mark.parametrize("fixture", ["unequal", "continuous"])
def test_factors_are_products_of_the_ratios_before(fixture, request):
    team, batch = request.getfixturevalue(fixture)
    agents = team.spec.agents
    credit = dataclasses.replace(batch.credit, advantage=jnp.ones_like(batch.credit.advantage))
    batch = Batch(batch.trajectory, credit)
    actor = Learner(lambda team: jnp.zeros((4, 16, 1)), spy(0.05))
    learner = sequential(actor, IDLE)
    moved, (factors, _), told = eqx.filter_jit(learner.update)(team, learner.init(team), batch, KEY)
    ratios = [change(alone(moved, agent), rows_of(batch, agent)) for agent in range(agents)]
    first = int(np.argmin([np.abs(factor - 1).max() for factor in factors]))
    np.testing.assert_array_equal(factors[first], 1.0)
    np.testing.assert_allclose(factors[1 - first], ratios[first], rtol=1e-4)
    assert np.abs(ratios[first] - 1).max() > 1e-3
    np.testing.assert_allclose(told["factor"], (ratios[0] * ratios[1]).mean(), rtol=1e-4)


def test_the_order_of_agents_changes_from_update_to_update(unequal):
    team, batch = unequal
    batch = Batch(batch.trajectory, dataclasses.replace(batch.credit, advantage=jnp.ones_like(batch.credit.advantage)))
    learner = sequential(Learner(lambda team: jnp.zeros((4, 16, 1)), spy(0.05)), IDLE)
    state = learner.init(team)
    factors = eqx.filter_jit(jax.vmap(lambda key: learner.update(team, state, batch, key)[1][0]))(
        jax.random.split(KEY, 40)
    )
    first = (factors[:, 0] == 1).all((1, 2, 3))
    assert 5 < first.sum() < 35


@pytest.mark.parametrize("fixture", ["unequal", "continuous"])
def test_a_team_of_one_judges_as_the_whole_team_does(fixture, request):
    team, batch = request.getfixturevalue(fixture)
    whole = scan.reevaluate(team, batch.trajectory)
    for agent in range(team.spec.agents):
        seen = scan.reevaluate(alone(team, agent), rows_of(batch, agent).trajectory)
        np.testing.assert_allclose(seen.log_prob[..., 0], whole.log_prob[..., agent], atol=1e-5)
        np.testing.assert_allclose(seen.entropy[..., 0], whole.entropy[..., agent], atol=1e-5)
        np.testing.assert_allclose(change(alone(team, agent), rows_of(batch, agent)), 1.0, atol=1e-5)


@pytest.mark.parametrize("fixture", [pytest.param("unequal", marks=pytest.mark.slow), "continuous"])
def test_hatrpo_stays_in_the_region_and_improves(fixture, request):
    team, batch = request.getfixturevalue(fixture)
    learner = sequential(trust_region(trust.surrogate(), REGION), IDLE)

    @eqx.filter_jit
    def taught(team, batch):
        moved, _, told = learner.update(team, learner.init(team), batch, KEY)
        seats = [(alone(team, agent), alone(moved, agent), rows_of(batch, agent)) for agent in range(2)]
        apart = jnp.array([trust.divergence(trust.policies(old, rows), new, rows) for old, new, rows in seats])
        return moved, told, apart, change(*seats[0][1:]) * change(*seats[1][1:])

    moved, told, apart, ratio = taught(team, batch)
    assert (apart > 0.1 * REGION.limit).all()
    assert (apart <= REGION.limit * 1.001).all()
    advantage = batch.credit.advantage
    assert (ratio * advantage[..., :1]).mean() > advantage.mean() + 0.005
    assert told["improvement"] > 0
    assert eqx.tree_equal(moved.critics, team.critics)
    assert (moved.spec, moved.seats, moved.view) == (team.spec, team.seats, team.view)


def test_shared_seats_say_what_to_do():
    game = games.make("climbing")
    team = seated(game.spec, KEY, shared(2), views.central, width=8)
    with pytest.raises(InputError, match=r"pass seats \(0, 1\)"):
        sequential(IDLE, IDLE).init(team)


class Remembering(Team):
    needs: str = DECENTRALIZED

    def begin(self):
        return jnp.zeros(3)

    def act(self, memory, time_step, key):
        raise NotImplementedError


def test_policies_with_memory_are_refused(unequal):
    with pytest.raises(InputError, match="set memory to 0"):
        trust.policies(Remembering(), unequal[1])


def test_conjugate_gradients_solve_a_known_system():
    half = jax.random.normal(KEY, (6, 6))
    matrix = half @ half.T + jnp.eye(6)
    b = {"left": jnp.arange(2.0), "right": jnp.array([[1.0, -2.0], [3.0, 0.5]])}
    flat, restore = jax.flatten_util.ravel_pytree(b)
    product = lambda v: restore(matrix @ jax.flatten_util.ravel_pytree(v)[0])
    x = trust.conjugate_gradient(product, b, 20)
    np.testing.assert_allclose(
        jax.flatten_util.ravel_pytree(x)[0], jnp.linalg.solve(matrix, flat), rtol=1e-3, atol=1e-4
    )


def test_conjugate_gradients_of_nothing_are_nothing():
    x = trust.conjugate_gradient(lambda v: 2.0 * v, jnp.zeros(3), 5)
    np.testing.assert_array_equal(x, 0.0)


def test_fisher_information_of_a_softmax():
    logits = jnp.array([0.3, -1.0, 0.8, 0.1])
    legal, damping = jnp.array([True, True, True, True]), 0.25
    policy = lambda logits: distributions.Categorical(logits, legal)
    product = trust.fisher_product(lambda new: policy(logits).divergence(policy(new)), logits, damping)
    p = jax.nn.softmax(logits)
    closed = jnp.diag(p) - jnp.outer(p, p) + damping * jnp.eye(4)
    np.testing.assert_allclose(jax.vmap(product)(jnp.eye(4)), closed, atol=1e-6)
    slope = jnp.array([1.0, 2.0, -0.5, 0.0])
    found = trust.conjugate_gradient(product, slope, 10)
    np.testing.assert_allclose(found, jnp.linalg.solve(closed, slope), rtol=1e-4)


def test_fisher_information_of_a_gaussian():
    """1 / σ² for the mean, 2 for the log standard deviation, nothing between them."""
    mean, log_std = jnp.array([0.5, -0.2]), jnp.array([-0.5, 0.3])
    policy = lambda numbers: distributions.Gaussian(numbers[0], numbers[1], jnp.array([True, True]))
    here = (mean, log_std)
    product = trust.fisher_product(lambda new: policy(here).divergence(policy(new)), here, 0.0)
    on_mean, on_std = product((jnp.array([1.0, 2.0]), jnp.array([3.0, -1.0])))
    np.testing.assert_allclose(on_mean, jnp.array([1.0, 2.0]) * jnp.exp(-2 * log_std), rtol=1e-5)
    np.testing.assert_allclose(on_std, jnp.array([6.0, -2.0]), rtol=1e-5)


def test_natural_step_of_a_gaussian_mean_is_closed_form():
    """Maximizing c·mean: the step is along σ² c and its KL divergence is exactly the limit, since KL is quadratic."""
    mean, log_std, c = jnp.array([0.5, -0.2]), jnp.array([-0.5, 0.3]), jnp.array([1.0, 3.0])
    policy = lambda mean: distributions.Gaussian(mean, log_std, jnp.array([True, True]))
    distance = lambda new: policy(mean).divergence(policy(new))
    region = trust.Region(limit=0.02, damping=0.0, accept=0.5)
    moved, told = trust.natural_step(lambda mean: -c @ mean, distance, mean, region)
    spread = jnp.exp(2 * log_std)
    fraction = told["step_fraction"]
    expected = jnp.sqrt(2 * 0.02 / (c * spread * c).sum()) * spread * c
    assert fraction >= 0.8  # rounding may cost the first try
    np.testing.assert_allclose(moved - mean, fraction * expected, rtol=1e-3)
    assert told["approx_kl"] <= 0.02


def test_line_search_takes_the_longest_good_step():
    assert trust.line_search(lambda fraction: fraction <= 0.3, 10, 0.5) == 0.25
    assert trust.line_search(lambda fraction: fraction > 0, 10, 0.5) == 1.0
    assert trust.line_search(lambda fraction: fraction < 0.1, 3, 0.5) == 0.0
    assert trust.line_search(lambda fraction: fraction < jnp.nan, 3, 0.5) == 0.0


def test_a_step_that_does_not_improve_is_taken_back():
    """The loss has a kink at the start: the slope promises a fall, every step rises."""
    start = jnp.array([1.0])
    loss = lambda x: jnp.where(x[0] == 1.0, -x[0], 10 + jnp.abs(x[0] - 1.0))
    distance = lambda x: 0.5 * jnp.square(x - start).sum()
    moved, told = trust.natural_step(loss, distance, start, REGION)
    np.testing.assert_array_equal(moved, start)
    assert told["step_fraction"] == 0
    assert told["improvement"] == 0


def test_a_flat_loss_moves_nothing():
    start = jnp.array([1.0, 2.0])
    moved, told = trust.natural_step(lambda x: 0.0 * x.sum(), lambda x: jnp.square(x - start).sum(), start, REGION)
    np.testing.assert_array_equal(moved, start)
    assert np.isfinite(told["gradient_norm"])
