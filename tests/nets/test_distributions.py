"""Distributions against their formulas, and what is illegal against zero."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from scipy.special import log_softmax

from interplay.core.game import Box, Discrete
from interplay.nets.distributions import Categorical, Gaussian, mode, noise, sample

LOGITS = jnp.array([1.0, -2.0, 0.5, 3.0])
LEGAL = jnp.array([True, True, True, False])
MEAN, LOG_STD = jnp.array([0.3, -1.0, 2.0]), jnp.array([-0.5, 0.4, 0.0])
EXISTS = jnp.array([True, True, False])


def test_categorical_is_a_softmax_over_what_is_legal():
    policy = Categorical(LOGITS, LEGAL)
    expected = log_softmax(np.asarray(LOGITS[:3]))
    np.testing.assert_allclose(policy.log_probs[:3], expected, rtol=1e-6)
    assert jnp.exp(policy.log_probs[3]) == 0
    for action in range(3):
        np.testing.assert_allclose(policy.log_prob(jnp.array(action)), expected[action], rtol=1e-6)
    np.testing.assert_allclose(policy.entropy(), stats.entropy(np.exp(expected)), rtol=1e-6)
    assert policy.mode() == 0, "the largest logit is illegal"


def test_categorical_divergence():
    first, second = Categorical(LOGITS, LEGAL), Categorical(-LOGITS, LEGAL)
    p, q = np.exp(first.log_probs[:3]), np.exp(second.log_probs[:3])
    np.testing.assert_allclose(first.divergence(second), stats.entropy(p, q), rtol=1e-5)
    assert first.divergence(first) == 0


def test_gradients_are_finite_and_none_goes_to_what_is_illegal():
    def loss(logits):
        policy = Categorical(logits, LEGAL)
        return policy.entropy() + policy.log_prob(jnp.array(1)) + policy.divergence(Categorical(LOGITS, LEGAL))

    slope = jax.grad(loss)(LOGITS * 1.5)
    assert np.isfinite(slope).all()
    assert slope[3] == 0


def test_one_legal_action_and_none():
    only = Categorical(LOGITS, jnp.array([False, True, False, False]))
    assert sample(only, jnp.array(0.999)) == only.mode() == 1
    assert only.entropy() == 0
    assert only.log_prob(jnp.array(1)) == 0
    nothing = Categorical(LOGITS, jnp.zeros(4, bool))
    np.testing.assert_allclose(nothing.log_probs, jax.nn.log_softmax(LOGITS), rtol=1e-6)


def test_samples_come_as_often_as_they_should_and_never_illegally():
    policy, count = Categorical(LOGITS, LEGAL), 40_000
    drawn = jax.vmap(policy.sample)(jax.random.uniform(jax.random.key(0), (count,)))
    counts = np.bincount(drawn, minlength=4)
    assert counts[3] == 0
    chance = np.exp(np.asarray(policy.log_probs[:3], np.float64))
    assert stats.chisquare(counts[:3], chance / chance.sum() * count).pvalue > 1e-3


@pytest.mark.parametrize("edge", [0.0, 1 - 2**-24, 1.0])
def test_the_ends_of_the_noise_never_pick_what_has_no_probability(edge):
    for legal in ([False, True, True, False], [False, False, False, True], [True, False, False, False]):
        legal = jnp.array(legal)
        assert legal[Categorical(LOGITS, legal).sample(jnp.array(edge, jnp.float32))]
    tiny = Categorical(jnp.array([0.0, -80.0, -200.0]), jnp.ones(3, bool))
    assert np.isfinite(tiny.log_prob(tiny.sample(jnp.array(edge, jnp.float32))))


def test_gaussian_against_scipy_over_the_dimensions_that_exist():
    policy, action = Gaussian(MEAN, LOG_STD, EXISTS), jnp.array([0.1, 0.2, 9.0])
    normal = stats.norm(np.asarray(MEAN[:2]), np.exp(LOG_STD[:2]))
    np.testing.assert_allclose(policy.log_prob(action), normal.logpdf(action[:2]).sum(), rtol=1e-5)
    np.testing.assert_allclose(policy.entropy(), normal.entropy().sum(), rtol=1e-5)
    assert policy.sample(jnp.ones(3))[2] == policy.mode()[2] == 0
    np.testing.assert_allclose(
        policy.sample(jnp.array([1.0, -2.0, 5.0]))[:2], normal.mean() + normal.std() * [1, -2], rtol=1e-5
    )


def test_gaussian_divergence_by_numbers():
    first, second = Gaussian(MEAN, LOG_STD, EXISTS), Gaussian(MEAN + 0.5, LOG_STD * -0.3, EXISTS)
    x = np.linspace(-12, 12, 20_001)
    total = 0.0
    for d in range(2):
        p, q = (stats.norm(float(g.mean[d]), float(np.exp(g.log_std[d]))) for g in (first, second))
        total += np.trapezoid(p.pdf(x) * (p.logpdf(x) - q.logpdf(x)), x)
    np.testing.assert_allclose(first.divergence(second), total, rtol=1e-4)


@pytest.mark.parametrize("action", [Discrete(3), Box(2)])
def test_an_added_agent_changes_nobody_elses_noise(action):
    key = jax.random.key(5)
    np.testing.assert_array_equal(noise(action, key, 3), noise(action, key, 4)[:3])


def test_greedy_needs_no_noise():
    policy = Categorical(LOGITS, LEGAL)
    assert mode(policy, jnp.array(0.9)) == mode(policy, jnp.array(0.1)) == 0
