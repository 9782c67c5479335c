"""Our one backward recursion against rlax's separate functions, on random episodes with ends inside."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay.credit import returns

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # rlax and what it imports
    rlax = pytest.importorskip("rlax")

LENGTH = 12
TRACES = [0.0, 0.7, 1.0]


@pytest.fixture(scope="module")
def play():
    """Rewards, values with one more at the end, discounts that are zero where an episode ends, and ratios."""
    keys = jax.random.split(jax.random.key(0), 4)
    reward, value = jax.random.normal(keys[0], (LENGTH,)), jax.random.normal(keys[1], (LENGTH + 1,))
    discount = jnp.where(jax.random.bernoulli(keys[2], 0.2, (LENGTH,)), 0.0, 0.95)
    return reward, value, discount, jnp.exp(jax.random.normal(keys[3], (LENGTH,)))


def close(mine, theirs):
    np.testing.assert_allclose(mine, theirs, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("trace", TRACES)
def test_generalized_advantage(play, trace):
    reward, value, discount, _ = play
    mine = returns.generalized_advantage(reward, value[:-1], discount * value[1:], discount, trace)
    close(mine, rlax.truncated_generalized_advantage_estimation(reward, discount, trace, value))


@pytest.mark.parametrize("trace", TRACES)
def test_lambda_return(play, trace):
    reward, value, discount, _ = play
    mine = returns.lambda_return(reward, value[:-1], discount * value[1:], discount, trace)
    close(mine, rlax.lambda_returns(reward, discount, value[1:], trace))


@pytest.mark.parametrize("clip", [1.0, 2.0])
@pytest.mark.parametrize("trace", TRACES)
def test_importance_corrected_targets(play, trace, clip):
    reward, value, discount, ratio = play
    target, _ = returns.importance_corrected(
        reward, value[:-1], discount * value[1:], discount, ratio, trace=trace, clip=clip
    )
    close(target - value[:-1], rlax.vtrace(value[:-1], value[1:], reward, discount, ratio, trace, clip))


def test_importance_corrected_advantages(play):
    reward, value, discount, ratio = play
    _, advantage = returns.importance_corrected(reward, value[:-1], discount * value[1:], discount, ratio)
    theirs = rlax.vtrace_td_error_and_advantage(value[:-1], value[1:], reward, discount, ratio)
    close(advantage, theirs.pg_advantage)


def test_discounted_return(play):
    reward, value, discount, _ = play
    close(returns.accumulate(reward, discount, value[-1]), rlax.discounted_returns(reward, discount, value[-1]))
