"""Turns, rewards at their ends, and advantages that bridge what the agent did not write."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay.credit import groups, turns

BOTH = pytest.mark.parametrize("xp", [np, jnp], ids=["numpy", "jax"])
RNG = np.random.default_rng(0)
MASK = np.array([[0, 1, 1, 0, 1, 0], [1, 0, 0, 1, 1, 1]], bool)


@BOTH
def test_turns_are_runs_of_own_tokens(xp):
    assert turns.turns(xp.asarray(MASK)).tolist() == [[0, 0, 0, 0, 1, 1], [2, 2, 2, 3, 3, 3]]
    packed = xp.asarray([0, 0, 0, 1, 1, 1])  # the second sequence begins amid own tokens
    assert turns.turns(xp.asarray([1, 0, 1, 1, 1, 0]), packed).tolist() == [0, 0, 1, 2, 2, 2]


@BOTH
def test_sequences(xp):
    assert turns.sequences(xp.asarray(MASK)).tolist() == [[0] * 6, [1] * 6]
    label = xp.asarray([[5, 5, 5, 7, 7, 7], [7, 7, 7, 7, 7, 9]])
    assert turns.sequences(xp.asarray(MASK), label).tolist() == [[0, 0, 0, 1, 1, 1], [2, 2, 2, 2, 2, 3]]


@BOTH
def test_rewards_sit_on_the_last_token_of_their_turn(xp):
    mask = xp.asarray(MASK)
    reward = turns.at_turn_ends(xp.asarray([1.0, 2.0, 3.0, 4.0]), turns.turns(mask), mask)
    assert reward.tolist() == [[0, 0, 1, 0, 2, 0], [3, 0, 0, 0, 0, 4]]


@BOTH
def test_one_step_advantages_by_hand(xp):
    mask = xp.asarray([[1, 1, 0, 1, 0]], bool)
    reward, value = xp.asarray([[0.0, 1.0, 50.0, 2.0, 50.0]]), xp.asarray([[4.0, 8.0, 99.0, 16.0, 99.0]])
    advantage, target = turns.gae(reward, value, mask, discount=0.5, trace=0.0)
    assert advantage.tolist() == [[0 + 4 - 4, 1 + 8 - 8, 0, 2 - 16, 0]]
    assert target.tolist() == [[4, 9, 0, 2, 0]]


@BOTH
def test_a_sequence_cut_short_is_worth_its_bootstrap(xp):
    mask = xp.asarray([[1, 0, 1, 0], [1, 0, 1, 1]], bool)
    zeros = xp.zeros((2, 4))
    cut = xp.asarray([[7.0, 7.0, 7.0, 8.0], [7.0, 7.0, 7.0, 4.0]])  # only the last token's is read
    advantage, _ = turns.gae(zeros, zeros, mask, discount=0.5, trace=1.0, bootstrap=cut)
    assert advantage.tolist() == [[2, 0, 4, 0], [0.5, 0, 1, 2]]


def test_what_stands_on_observations_does_not_matter():
    reward, value = RNG.normal(size=(2, 6)), RNG.normal(size=(2, 6))
    noise = np.where(MASK, 0.0, np.nan)
    settings = {"discount": 0.9, "trace": 0.8}
    clean, dirty = (
        turns.gae(reward, value, MASK, **settings),
        turns.gae(reward + noise, value + noise, MASK, **settings),
    )
    np.testing.assert_array_equal(clean, dirty)


def test_packed_is_padded():
    reward, value = RNG.normal(size=(2, 6)), RNG.normal(size=(2, 6))
    settings = {"discount": 0.9, "trace": 0.8, "bootstrap": RNG.normal(size=(2, 6))}
    padded = turns.gae(reward, value, MASK, **settings)
    flat = lambda rows: rows.reshape(-1)
    label = np.repeat([3, 1], 6)
    settings["bootstrap"] = flat(settings["bootstrap"])
    packed = turns.gae(flat(reward), flat(value), flat(MASK), label, **settings)
    np.testing.assert_allclose([flat(rows) for rows in padded], packed, rtol=1e-12)


def test_numpy_is_jax_and_lengths_compile_nothing_anew():
    compiled = jax.jit(lambda *rows: turns.gae(*rows, discount=0.9, trace=0.8))
    for end in (3, 5):
        mask, label = RNG.uniform(size=12) < 0.6, np.repeat([0, 1], [end, 12 - end])
        reward, value = RNG.normal(size=12), RNG.normal(size=12)
        theirs = compiled(*(jnp.asarray(rows) for rows in (reward, value, mask, label)))
        ours = turns.gae(reward, value, mask, label, discount=0.9, trace=0.8)
        np.testing.assert_allclose(theirs, ours, rtol=1e-4, atol=1e-5)
    assert compiled._cache_size() == 1


def test_penalized():
    reward = turns.penalized(
        np.array([0.0, 1.0, 2.0]), np.array([-1.0, -2.0, -3.0]), np.array([-2.0, -2.0, 9.0]), np.array([1, 1, 0]), 0.5
    )
    assert reward.tolist() == [-0.5, 1.0, 2.0]


def test_turn_mean():
    advantage = np.array([[9.0, 1.0, 3.0, 9.0, 5.0, 9.0]])
    mask = MASK[:1]
    assert turns.turn_mean(advantage, turns.turns(mask), mask).tolist() == [[0, 2, 2, 0, 5, 0]]


def test_whitening_over_own_tokens_is_one_group():
    advantage = RNG.normal(size=(2, 6))
    white = groups.standardize(advantage, np.zeros((2, 6), int), groups.by_weight(1.0 * MASK), epsilon=0.0)
    own = advantage[MASK]
    np.testing.assert_allclose(white[MASK], (own - own.mean()) / own.std(ddof=1), rtol=1e-10)
    assert not white[~MASK].any()
