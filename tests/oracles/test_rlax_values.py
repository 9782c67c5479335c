"""Targets of value learners against rlax's separate functions."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay.core.choosing import best, chosen
from interplay.credit import returns

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    rlax = pytest.importorskip("rlax")

LENGTH, ACTIONS = 12, 4


@pytest.fixture(scope="module")
def play():
    keys = jax.random.split(jax.random.key(0), 4)
    reward, ahead = jax.random.normal(keys[0], (2, LENGTH))
    ends = jax.random.bernoulli(keys[2], 0.2, (LENGTH,))
    discount = jnp.where(ends, 0.0, 0.95)
    greedy = jax.random.bernoulli(keys[3], 0.6, (LENGTH,))
    inside = discount.at[-1].set(0.0)  # nothing is known beyond the record
    return returns.Ahead(reward, ahead, discount * ahead, inside, jnp.zeros(LENGTH, bool), greedy), discount


def close(mine, theirs):
    np.testing.assert_allclose(mine, theirs, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_n_step(play, steps):
    ahead, discount = play
    close(returns.n_step(steps)(ahead), rlax.n_step_bootstrapped_returns(ahead.reward, discount, ahead.ahead, steps))


@pytest.mark.parametrize("trace", [0.0, 0.7, 1.0])
def test_peng_and_watkins(play, trace):
    ahead, discount = play
    close(returns.peng(trace)(ahead), rlax.lambda_returns(ahead.reward, discount, ahead.ahead, trace))
    cut = trace * ahead.greedy
    close(returns.watkins(trace)(ahead), rlax.lambda_returns(ahead.reward, discount, ahead.ahead, cut))


@pytest.mark.parametrize("select", [returns.double, returns.single])
def test_q_learning(select):
    online, target, now = jax.random.normal(jax.random.key(1), (3, ACTIONS))
    action = best(select(online, target), jnp.ones(ACTIONS, bool))
    mine = 0.5 + 0.9 * chosen(target, action) - now[2]
    theirs = (
        rlax.double_q_learning(now, 2, 0.5, 0.9, target, online)
        if select is returns.double
        else rlax.q_learning(now, 2, 0.5, 0.9, target)
    )
    close(mine, theirs)
