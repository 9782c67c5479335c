"""Alignment weights and credit by their definitions, not their recursions."""

import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array

from interplay.core.trajectory import Credit
from interplay.credit import opponents

BOTH = pytest.mark.parametrize("xp", [np, jnp], ids=["numpy", "jax"])
RNG = np.random.default_rng(0)
OWN, OTHER = RNG.normal(size=(2, 5, 6))
GAMMA = 0.8


def definition(advantage, until):
    """Σ_k γ^{t−k} A_k over the k that `until(k, t)` takes."""
    length = advantage.shape[-1]
    taken = lambda t: [GAMMA ** (t - k) * advantage[..., k] for k in range(length) if until(k, t)]
    return np.stack([sum(taken(t), np.zeros(advantage.shape[:-1])) for t in range(length)], -1)


@BOTH
def test_weights(xp):
    near = {"rtol": 1e-4, "atol": 1e-5}
    own = xp.asarray(OWN)
    np.testing.assert_allclose(opponents.up_to(own, GAMMA), definition(OWN, lambda k, t: k <= t), **near)
    np.testing.assert_allclose(opponents.before(own, GAMMA), GAMMA * definition(OWN, lambda k, t: k < t), **near)


@BOTH
def test_returns_to_go(xp):
    assert opponents.to_go(xp.asarray([[1.0, 2.0, 4.0]]), 0.5).tolist() == [[3, 4, 4]]


@pytest.mark.parametrize("past", [opponents.before, opponents.up_to])
def test_the_past_is_forgotten_where_an_episode_begins(past):
    started = np.array([True, False, False, True, False, False])
    both = past(OWN, GAMMA, np.broadcast_to(started, OWN.shape))
    np.testing.assert_array_equal(both[:, :3], past(OWN[:, :3], GAMMA))
    np.testing.assert_array_equal(both[:, 3:], past(OWN[:, 3:], GAMMA))
    np.testing.assert_array_equal(past(OWN.T, GAMMA, np.broadcast_to(started[:, None], OWN.T.shape), axis=0), both.T)


def test_align_by_hand():
    credit = opponents.align(OWN, OTHER, weight=0.5, discount=GAMMA)
    np.testing.assert_allclose(credit, OWN + 0.5 * GAMMA * definition(OWN, lambda k, t: k < t) * OTHER)
    np.testing.assert_array_equal(credit[:, 0], OWN[:, 0])  # the first move gets nothing but its own advantage


def test_shapes_of_weights():
    weight = np.array([0.0, -2.0, 6.0])
    assert opponents.sign(weight).tolist() == [0, -1, 1]
    assert opponents.limited(3.0)(weight).tolist() == [0, -2, 3]
    assert opponents.per_step(weight).tolist() == [0, -1, 2]
    signed = opponents.align(OWN, OTHER, weight=1.0, discount=GAMMA, shape=opponents.sign)
    np.testing.assert_allclose(signed - OWN, np.sign(opponents.before(OWN, GAMMA)) * OTHER, atol=1e-12)


def test_of_bare_returns_the_weight_is_never_negative():
    """Why the baseline carries the mechanism: without it nothing the other did is ever answered in kind."""
    earned = opponents.to_go(RNG.uniform(0, 5, size=(8, 10)), 0.9)
    assert (opponents.before(earned, 0.9) >= 0).all()
    assert (opponents.before(earned - earned.mean(0), 0.9) < 0).any()


def test_the_rest_of_the_table():
    assert opponents.rest(np.array([[1.0, 2.0, 4.0]])).tolist() == [[6, 5, 3]]


class Record:
    """What the estimator reads of a trajectory: where episodes begin."""

    def __init__(self, started: Array):
        self.started = started


def test_neural_teams_align_seat_by_seat():
    advantage = jnp.asarray(RNG.normal(size=(4, 1, 2)), jnp.float32)
    weight = jnp.ones((4, 1, 2)).at[2, 0, 1].set(0.0)
    started = jnp.array([[True], [False], [True], [False]])
    plain = lambda _: Credit(advantage, advantage, weight)
    credit = opponents.aligned(plain, weight=0.5, discount=GAMMA)(Record(started))
    counted = np.asarray(advantage * weight)
    for seat, other in ((0, 1), (1, 0)):
        for begin in (0, 2):
            span = slice(begin, begin + 2)
            own, others = counted[span, 0, seat], counted[span, 0, other]
            expected = opponents.align(own, others, weight=0.5, discount=GAMMA)
            np.testing.assert_allclose(credit.advantage[span, 0, seat], expected, rtol=1e-5)
    np.testing.assert_array_equal(credit.target, advantage)
    np.testing.assert_array_equal(credit.weight, weight)
