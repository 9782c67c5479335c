"""The token loss worked by hand: every ratio, clip, average, penalty and correction, and the clipping bias."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay.core.errors import InputError
from interplay.objectives import tokens
from interplay.objectives.tokens import PolicyLoss, Tokens

close = lambda mine, theirs: np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-6)

# sequence 0: a turn of two tokens, an observation, a turn of one; sequence 1: a turn of one token, padding
RATIO = np.array([2.0, 0.5, 77.0, 1.1, 0.7, np.nan])
ADVANTAGE = np.array([1.0, -1.0, 50.0, 2.0, -3.0, np.nan])
MASK = np.array([1, 1, 0, 1, 1, 0], bool)
SEQUENCE, TURN = np.array([0, 0, 0, 0, 1, 1]), np.array([0, 0, 0, 1, 2, 2])
OLD = np.log(np.full(6, 0.25))
LOG_PROB = OLD + np.log(RATIO)
BATCH = Tokens(OLD, ADVANTAGE, MASK, SEQUENCE, TURN)


def arrays(batch=BATCH):
    return Tokens(*(None if rows is None else jnp.asarray(rows) for rows in batch))


def loss(choices, batch=BATCH, log_prob=LOG_PROB):
    """By JAX; by numpy the same."""
    mine = PolicyLoss(**choices)
    value, metrics = mine(jnp.asarray(log_prob), arrays(batch))
    close(value, mine(log_prob, batch)[0])
    return value, metrics


def test_ratios():
    own = MASK
    close(tokens.token(LOG_PROB, BATCH)[own], [2, 0.5, 1.1, 0.7])
    close(tokens.turn(LOG_PROB, BATCH)[own], [1, 1, 1.1, 0.7])  # √(2 · 1/2)
    close(tokens.sequence(LOG_PROB, BATCH)[own], [1.1 ** (1 / 3)] * 3 + [0.7])
    close(tokens.no_ratio(LOG_PROB, BATCH)[own], [1, 1, 1, 1])


def test_ratios_send_gradient_to_every_token_they_average():
    def slope(ratio):
        of = lambda log_prob: ratio(log_prob, arrays())
        return jax.jacobian(of)(jnp.asarray(LOG_PROB))[jnp.asarray(MASK)][:, jnp.asarray(MASK)]

    close(slope(tokens.token), np.diag([2, 0.5, 1.1, 0.7]))
    close(slope(tokens.turn), [[0.5, 0.5, 0, 0], [0.5, 0.5, 0, 0], [0, 0, 1.1, 0], [0, 0, 0, 0.7]])
    close(slope(tokens.no_ratio), np.eye(4))
    third = 1.1 ** (1 / 3) / 3
    close(slope(tokens.sequence), [[third] * 3 + [0]] * 3 + [[0, 0, 0, 0.7]])


def test_clips():
    ratio, advantage = np.array([2.0, 0.5, 2.0, 0.5, 9.0]), np.array([1.0, 1.0, -1.0, -1.0, -1.0])
    assert tokens.unclipped(ratio, advantage).tolist() == [2, 0.5, -2, -0.5, -9]
    close(tokens.symmetric(0.2)(ratio, advantage), [1.2, 0.5, -2, -0.8, -9])
    close(tokens.asymmetric(0.2, 0.28)(ratio, advantage), [1.28, 0.5, -2, -0.8, -9])
    close(tokens.dual(0.2, 0.28, 3.0)(ratio, advantage), [1.28, 0.5, -2, -0.8, -3])


def test_no_gradient_where_the_clip_holds():
    ratio, advantage = jnp.array([2.0, 0.5, 2.0, 0.5, 9.0, 1.0]), jnp.array([1.0, 1.0, -1.0, -1.0, -1.0, 5.0])
    slope = jax.grad(lambda ratio: tokens.dual(0.2, 0.2, 3.0)(ratio, advantage).sum())(ratio)
    assert slope.tolist() == [0, 1, -1, 0, 0, 5]


def test_surrogates_by_hand():
    value, metrics = loss({"ratio": tokens.token})
    close(value, -(1.2 - 0.8 + 2.2 - 2.4) / 4)
    close(metrics["clip_fraction"], 3 / 4)
    close(metrics["clip_fraction_turn"], 2 / 3)
    kl = lambda ratio: ratio - 1 - np.log(ratio)
    close(metrics["approx_kl"], (kl(2) + kl(0.5) + kl(1.1) + kl(0.7)) / 4)
    value, metrics = loss({"ratio": tokens.turn})
    close(value, -(1 - 1 + 2.2 - 2.4) / 4)
    close(metrics["clip_fraction"], 1 / 4)
    close(loss({"ratio": tokens.no_ratio})[0], -(1 - 1 + 2 - 3) / 4)
    close(loss({"ratio": tokens.token, "clip": tokens.unclipped})[0], -(2 - 0.5 + 2.2 - 2.1) / 4)


def test_averages():
    value = np.array([1.0, 2.0, 99.0, 6.0, 5.0, 99.0])
    close(tokens.token_mean(value, BATCH), 14 / 4)
    close(tokens.sequence_mean(value, BATCH), (3 + 5) / 2)
    weighed = BATCH._replace(weight=np.array([1.0, 1, 1, 1, 3, 3]))
    close(tokens.token_mean(value, weighed), (9 + 15) / 6)
    close(tokens.sequence_mean(value, weighed), (3 + 3 * 5) / 4)
    close(tokens.token_total(value, BATCH._replace(total=8)), 14 / 8)
    close(tokens.sequence_total(value, BATCH._replace(total=10)), (3 + 5) / 10)
    for average in (tokens.token_total, tokens.sequence_total):
        with pytest.raises(InputError, match=r"needs Tokens\.total"):
            average(value, BATCH)


def test_parts_of_a_batch_add_up():
    whole, total = BATCH._replace(total=4), 0.0
    for part in (slice(0, 4), slice(4, 6)):
        cut = [None if rows is None else rows[part] for rows in BATCH[:5]]
        some = Tokens(*cut)._replace(sequence=np.zeros_like(cut[3]), turn=cut[4] - cut[4].min(), total=4)
        total += PolicyLoss(average=tokens.token_total)(LOG_PROB[part], some)[0]
    close(total, loss({"average": tokens.token_total}, whole)[0])
    close(total, loss({})[0])


def test_k3():
    reference = OLD + np.log(np.array([1.0, 1.0, 5.0, 1.1, 1.4, np.nan]))
    batch = BATCH._replace(reference=reference)
    value, metrics = loss({"kl": tokens.k3(0.5)}, batch)
    penalty = lambda ratio: ratio - np.log(ratio) - 1  # of π_ref / π
    expected = 0.5 * (penalty(0.5) + penalty(2) + penalty(1) + penalty(2)) / 4
    close(metrics["kl_penalty"], expected)
    close(value, loss({})[0] + expected)
    close(metrics["policy_loss"], loss({})[0])
    with pytest.raises(InputError, match=r"k3 needs Tokens\.reference"):
        loss({"kl": tokens.k3(0.5)})


def test_truncated_correction_weighs_surrogate_and_penalty():
    sampler = OLD - np.log(np.array([1.0, 9.0, 1.0, 0.5, 1.5, np.nan]))  # π_old / π_sampler
    batch = BATCH._replace(sampler=sampler, reference=OLD)
    correction = tokens.truncated(2.0)
    close(correction(batch)[MASK], [1, 2, 0.5, 1.5])
    value, metrics = loss({"correction": correction}, batch)
    close(value, -(1.2 - 2 * 0.8 + 0.5 * 2.2 - 1.5 * 2.4) / 4)
    close(metrics["sampler_gap"], (np.log(9) + np.log(2) + np.log(1.5)) / 4)
    penalty = lambda ratio: ratio - np.log(ratio) - 1
    expected = penalty(0.5) + 2 * penalty(2) + 0.5 * penalty(1 / 1.1) + 1.5 * penalty(1 / 0.7)
    both, metrics = loss({"correction": correction, "kl": tokens.k3(1.0)}, batch)
    close(metrics["kl_penalty"], expected / 4)
    close(both, value + expected / 4)
    with pytest.raises(InputError, match=r"truncated needs Tokens\.sampler"):
        loss({"correction": correction})


@pytest.mark.parametrize("ratio", [tokens.no_ratio, tokens.token, tokens.turn, tokens.sequence])
@pytest.mark.parametrize("average", [tokens.token_mean, tokens.sequence_mean])
def test_masked_tokens_get_no_gradient_whatever_stands_there(ratio, average):
    mine = PolicyLoss(ratio=ratio, average=average, kl=tokens.k3(0.1), correction=tokens.truncated())
    batch = arrays(BATCH._replace(reference=LOG_PROB, sampler=LOG_PROB))
    slope = jax.grad(lambda log_prob: mine(log_prob, batch)[0])(jnp.asarray(LOG_PROB))
    assert np.isfinite(slope).all() and (slope[~MASK] == 0).all() and (slope[MASK] != 0).any()


def test_a_batch_without_own_tokens_is_worth_nothing():
    empty = BATCH._replace(mask=np.zeros(6, bool))
    for average in (tokens.token_mean, tokens.sequence_mean):
        assert loss({"average": average}, empty)[0] == 0


def test_the_turn_as_one_action_has_the_same_slope_without_clip():
    """Every token of a turn gets ratio · (mean advantage of the turn), whether or not advantages are averaged first."""
    averaged = BATCH._replace(advantage=np.array([0.0, 0.0, 9.0, 2.0, -3.0, 9.0]))
    mine = PolicyLoss(ratio=tokens.turn, clip=tokens.unclipped)
    slope = lambda batch: jax.grad(lambda log_prob: mine(log_prob, batch)[0])(jnp.asarray(LOG_PROB))
    close(slope(arrays())[MASK], slope(arrays(averaged))[MASK])
    close(slope(arrays())[MASK], -np.array([0, 0, 2.2, -2.1]) / 4)


def test_gradients_and_the_clipping_bias():
    matrix = np.random.default_rng(0).normal(size=(6, 3))
    start = jnp.where(MASK, LOG_PROB, 0.0)
    log_probs = lambda parameters: start + jnp.asarray(matrix) @ parameters["w"]
    parameters, mine = {"w": jnp.zeros(3)}, PolicyLoss()
    clipped, bias, metrics = tokens.gradients(mine, log_probs, parameters, arrays())
    by_grad = lambda some: jax.grad(lambda parameters: some(log_probs(parameters), arrays())[0])(parameters)["w"]
    close(clipped["w"], by_grad(mine))
    close(bias["w"], by_grad(mine.free()) - by_grad(mine))
    # by its definition: the sum over the held tokens (0, 1 and 4) of ratio · advantage · ∇ log π, as a loss
    held = -(RATIO * ADVANTAGE)[[0, 1, 4]] @ matrix[[0, 1, 4]] / 4
    close(bias["w"], held)
    close(metrics["clip_fraction"], 3 / 4)


def test_held_are_own_tokens_only():
    beyond = BATCH._replace(old=np.full(6, -9.0), advantage=np.ones(6))
    assert PolicyLoss().held(LOG_PROB, beyond).tolist() == MASK.tolist()
    assert not PolicyLoss().free().held(LOG_PROB, beyond).any()


def test_factors():
    close(tokens.norm([jnp.array([3.0]), jnp.array([[0.0, 4.0]])]), 5)
    close(tokens.literal(1.0)(jnp.array(4.0)), 0.2)
    assert [float(tokens.limited(2.0)(jnp.array(size))) for size in (0.0, 1.0, 8.0)] == [1, 1, 0.25]
    triggered = tokens.triggered(tokens.literal(1.0))
    assert [float(triggered(jnp.array(size))) for size in (0.0, 1.0)] == [1, 0.5]


def test_compiled_once_for_all_lengths():
    compiled = jax.jit(PolicyLoss(ratio=tokens.turn, average=tokens.sequence_mean))
    for change in ({}, {"sequence": np.array([0, 0, 1, 1, 2, 2])}, {"mask": ~MASK}):
        clean = BATCH._replace(advantage=np.nan_to_num(ADVANTAGE), **change)
        compiled(jnp.asarray(np.nan_to_num(LOG_PROB)), arrays(clean))
    assert compiled._cache_size() == 1


def test_free_changes_nothing_but_the_clip():
    mine = PolicyLoss(ratio=tokens.turn, average=tokens.sequence_mean)
    assert mine.free() == dataclasses.replace(mine, clip=tokens.unclipped)
