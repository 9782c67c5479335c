"""Laws of inverse soft-Q learning: one agent is IQ-Learn; without a regularizer it is behavior cloning; rewards are exact."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay.core.trajectory import Replayed
from interplay.credit.soft import soft_value
from interplay.games.enumerated import enumerated
from interplay.games.intersection import intersection
from interplay.measure import boltzmann, recovery
from interplay.methods import imitation, mamql
from interplay.methods.baselines import iq_learn
from interplay.nets import exploring, mixing
from interplay.nets.lookup import Lookup
from interplay.nets.rewarding import rewarding
from interplay.nets.valued import valued
from interplay.objectives import inverse
from interplay.play import demonstrations, ring

TWO = "interplay.games.intersection:intersection(agents=2, approach=1)"
ONE = "interplay.games.intersection:intersection(agents=1)"
TINY = {"batch": 2, "length": 4, "sampled": 8, "width": 8, "depth": 1, "capacity": 64, "game": ONE}


@pytest.fixture(scope="module")
def listed():
    return enumerated(intersection(2, approach=1))


@pytest.fixture(scope="module")
def expert(listed):
    return boltzmann.equilibrium(listed, 0.9, 0.2)


def test_one_agent_is_iq_learn_number_for_number():
    game = intersection(1)
    shown = demonstrations.watched(game, ONE, lambda seen: np.array([2]), 2)
    after = []
    for module in (mamql, iq_learn):
        method = module.build(module.Settings(**TINY), shown)
        state = jax.jit(method.init)(jax.random.key(0))
        step = jax.jit(method.step)
        for index in range(3):
            state, told = step(state, jax.random.key(index))
        after.append((state, {name: told[name] for name in ("loss", "return", "value_growth")}))
    for one, other in zip(*map(jax.tree.leaves, after), strict=True):
        np.testing.assert_array_equal(one, other)


def test_without_a_regularizer_on_the_experts_states_it_is_behavior_cloning(listed):
    rng = np.random.default_rng(0)
    seen = jnp.asarray(rng.normal(size=(6, 3)), jnp.float32)
    rows = inverse.Rows(
        seen, jnp.asarray(rng.random((6, 4)) < 0.8).at[:, 0].set(True), jnp.zeros(6, jnp.int32), seen + 1,
        jnp.ones((6, 4), bool), jnp.arange(6) % 2 == 0, jnp.asarray([1.0, 1, 1, 0, 1, 1]), jnp.zeros(6),
    )  # fmt: skip
    table = jnp.asarray(rng.normal(size=(3, 4)), jnp.float32)
    values = lambda seen: seen @ table
    loss, _ = inverse.inverse_soft(values, rows, rows, discount=0.9, temperature=0.3, penalize=inverse.identity)
    cloned, _ = inverse.cloning(values, rows, temperature=0.3)
    np.testing.assert_allclose(loss, 0.3 * cloned, rtol=1e-5)


def test_values_of_an_equilibrium_give_the_true_rewards_back(listed, expert):
    assert float(expert.residual) < 1e-5
    found = recovery.implied(listed, expert.policy, expert.values, 0.9, 0.2)
    true = recovery.true_marginal(listed, expert.policy)
    np.testing.assert_allclose(found, true, atol=2e-5)
    weight = boltzmann.occupancy(listed, expert.policy, 0.9)
    score = recovery.recovery(listed, expert, found, expert.values, weight)
    np.testing.assert_allclose(score.reward, 1.0, atol=1e-3)
    np.testing.assert_allclose(score.advantage, 1.0, atol=1e-3)
    wrong = recovery.recovery(listed, expert, -found, -expert.values, weight)
    np.testing.assert_allclose(wrong.reward, -1.0, atol=1e-3)


def test_an_equilibrium_is_softly_optimal_against_the_others(listed, expert):
    """Its values satisfy V = T log Σ exp(Q / T), and policies are their softmax, where an agent has a move."""
    active = jnp.swapaxes(listed.seen.active, 0, 1)
    soft = soft_value(expert.values, jnp.swapaxes(listed.seen.legal, 0, 1), 0.2)
    chance = jnp.exp((expert.values - soft[..., None]) / 0.2)
    np.testing.assert_allclose(jnp.where(active[..., None], chance - expert.policy, 0), 0, atol=1e-5)


def test_what_an_expert_earns_is_what_its_values_promise(listed, expert):
    """Soft values are returns plus T times entropy: with the entropy taken out, play agrees with the exact policy."""
    game = intersection(2, approach=1)
    team = Lookup(known=jnp.swapaxes(listed.seen.observation, 0, 1), policy=expert.policy)
    shown = demonstrations.record(team, game, TWO, jax.random.key(0), 400)
    weight = boltzmann.occupancy(listed, expert.policy, 1.0 - 1e-4, sweeps=game.spec.horizon) / 1e-4
    true = recovery.true_marginal(listed, expert.policy)
    exact = jnp.einsum("s,isa,isa->i", weight, expert.policy, true)
    np.testing.assert_allclose(shown.returns().mean(0), exact, atol=0.15)


def test_chi_square_peaks_at_two_alpha():
    phi = inverse.chi_square(0.5)
    assert float(jax.grad(phi)(1.0)) == pytest.approx(0.0, abs=1e-6)
    bent = inverse.straight(phi, 2.0)
    for reward, slope in (
        (0.5, 0.5),
        (3.0, -1.0),
        (-9.0, 3.0),
    ):  # φ'(r) = 1 − r within the bound, its slope there beyond
        assert float(jax.grad(bent)(reward)) == pytest.approx(slope if abs(reward) > 2 else 1 - reward)
    assert float(bent(jnp.array(3.0))) == pytest.approx(float(phi(2.0)) - 1.0)
    assert eqx.tree_equal(inverse.identity(jnp.ones(2)), jnp.ones(2))


def test_where_experts_never_are_only_the_hold_keeps_values_from_falling():
    """Visits of states that no expert saw lower V there with a slope of 1 − γ, wherever V is; ψ turns it around."""
    rows = inverse.Rows(
        jnp.ones((4, 1)), jnp.ones((4, 2), bool), jnp.zeros(4, jnp.int32), jnp.ones((4, 1)), jnp.ones((4, 2), bool),
        jnp.zeros(4, bool), jnp.ones(4), jnp.zeros(4),
    )  # fmt: skip
    expert = rows._replace(
        seen=jnp.zeros((4, 1)), seen_next=jnp.zeros((4, 1))
    )  # values are 0 there, whatever is learned

    def slope(level, hold):
        loss = lambda level: inverse.inverse_soft(
            lambda seen: level * seen * jnp.ones((1, 2)), expert, rows,
            discount=0.9, temperature=0.2, penalize=inverse.chi_square(), hold=hold,
        )[0]  # fmt: skip
        return float(jax.grad(loss)(level))

    assert slope(-5.0, inverse.free) == pytest.approx(0.1, rel=1e-4) == slope(-500.0, inverse.free)
    assert slope(-5.0, inverse.square(1.0)) > 0 > slope(-50.0, inverse.square(1.0))


def test_time_running_out_is_an_end_among_visited_rows_only():
    game = intersection(2, approach=1)
    shown = demonstrations.watched(game, TWO, lambda seen: np.array([0, 0]), 2)  # nobody moves: time runs out
    assert bool(shown.rows.arrived.truncated.any()) and not bool(shown.rows.arrived.terminated.any())

    drawn = Replayed(shown.rows, jnp.ones(shown.rows.started.shape))
    replay = ring.uniform(ring.Room(8, 1, 4, 2, 0))._replace(draw=lambda kept, key: (None, drawn))
    kept = replay.init(jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((4, 1, *leaf.shape[2:]), leaf.dtype), shown.rows))
    seen = imitation.on_replay(replay, None, kept, jax.random.key(0))
    np.testing.assert_array_equal(seen.arrived.terminated, shown.rows.arrived.truncated)


def test_even_others_are_weighed_by_hand_and_one_agent_has_none():
    """w_0 = 1 / (|A_1| π_1(a_1)): rows in which the other did what it seldom does count more."""
    game = intersection(2, approach=1)
    plain = valued(game.spec, jax.random.key(0), (0, 1), mixing.apart, exploring.NEVER, width=4, depth=1, gain=3.0)
    team = rewarding(plain, 0.9, 0.2)
    policy = Lookup(known=jnp.zeros((2, 1, game.spec.observation)), policy=jnp.ones((2, 1, 3)) / 3)
    play = demonstrations.record(policy, game, TWO, jax.random.key(0), 3).rows
    count = inverse.evenly(100.0)(team, play)
    flat = jax.tree.map(lambda leaf: leaf[0], (play.time_step, play.decision.action))
    chance = jax.nn.softmax(jax.vmap(lambda seen: team.values((), seen)[1])(flat[0]) / 0.2)
    taken = jnp.take_along_axis(chance, flat[1][..., None], -1)[..., 0]
    other = jnp.where(flat[0].active, 1 / (3 * taken), 1.0)[:, ::-1]
    np.testing.assert_allclose(count, jnp.minimum(other, 100.0), rtol=1e-4)
    assert float(inverse.evenly(1.5)(team, play).max()) <= 1.5
    assert bool((inverse.as_played(team, play) == 1).all()) and count.shape == inverse.as_played(team, play).shape
    rows = inverse.weighed(inverse.rows_of(play, 0), count[:, 0])
    np.testing.assert_allclose(rows.weight, flat[0].active[:, 0] * count[:, 0])
