"""Laws of credit and loss for language teams: what reduces to what."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay.credit import groups, opponents, returns, turns
from interplay.objectives import tokens
from interplay.objectives.tokens import PolicyLoss, Tokens

RNG = np.random.default_rng(0)
FORMS = (tokens.no_ratio, tokens.token, tokens.turn, tokens.sequence)


def grpo(reward, task):
    """As it is published: (r − mean) / (deviation + ε) over the attempts at one task."""
    advantage = np.zeros_like(reward)
    for each in np.unique(task):
        own = reward[task == each]
        advantage[task == each] = (own - own.mean()) / (own.std(ddof=1) + 1e-6)
    return advantage


def test_a_team_of_one_that_speaks_once_under_dr_mas_is_grpo():
    task, episode, agent = np.repeat([0, 1, 2], 8), np.arange(24), np.zeros(24, int)
    reward = RNG.integers(0, 2, 24).astype(float)
    dr_mas = groups.standardize(reward, (task, agent), groups.by_turn(reward))
    ours = groups.standardize(reward, (task,), groups.by_episode(episode))
    np.testing.assert_array_equal(dr_mas, ours)
    np.testing.assert_allclose(dr_mas, grpo(reward, task), rtol=1e-12, atol=1e-12)


def test_agents_called_once_in_every_rollout_make_dr_mas_grpo():
    episode, agent = np.repeat(np.arange(16), 3), np.tile([0, 1, 2], 16)
    task, outcome = episode // 8, RNG.normal(size=16)
    reward = outcome[episode]
    dr_mas = groups.standardize(reward, (task, agent))
    vanilla = groups.standardize(reward, task, groups.by_episode(episode))
    np.testing.assert_allclose(dr_mas, vanilla, rtol=1e-12)
    np.testing.assert_allclose(dr_mas, grpo(outcome, np.arange(16) // 8)[episode], rtol=1e-10)
    called_again = np.append(agent, 0)  # a second call in one rollout breaks it
    more = lambda rows, last: np.append(rows, last)
    changed = groups.standardize(more(reward, reward[0]), (more(task, 0), called_again))
    assert np.abs(changed[:-1] - vanilla)[(task == 0) & (agent == 0)].min() > 1e-3


def test_alignment_of_single_calls_is_a_no_op_on_the_mean():
    episode, task = np.arange(12), np.repeat([0, 1], 6)
    reward = RNG.normal(size=12)
    aligned = groups.standardize(reward, task, groups.by_slot(episode, 4), scale=groups.population)
    plain = groups.standardize(reward, task, scale=groups.population)
    np.testing.assert_allclose(aligned, plain, rtol=1e-12)
    index, live = groups.duplicated(episode, 4, RNG.uniform(size=12), RNG.uniform(size=(12, 4)))
    assert live.all() and (index == episode[:, None]).all()
    literal = groups.standardize(reward[index], np.broadcast_to(task[:, None], index.shape), scale=groups.population)
    np.testing.assert_allclose(literal[:, 0], plain, rtol=1e-12)


def test_duplicated_slots_and_slot_weights_share_their_mean_where_calls_divide_slots():
    episode = np.array([0, 1, 1, 2, 2, 2, 2])
    reward, task = RNG.normal(size=7), np.zeros(7, int)
    again = np.array([[0, 0, 0, 0], [0, 0, 0.1, 0.6], [0, 0, 0, 0]])
    index, live = groups.duplicated(episode, 4, np.arange(7.0), again)
    assert live.all()
    literal = groups.statistics(reward[index], np.zeros((3, 4), int))
    weighed = groups.statistics(reward, task, groups.by_slot(episode, 4))
    np.testing.assert_allclose(literal.mean[0, 0], weighed.mean[0], rtol=1e-12)
    np.testing.assert_allclose(literal.variance[0, 0], weighed.variance[0], rtol=1e-12)


def test_deleting_observation_tokens_gives_ordinary_advantages():
    mask = RNG.uniform(size=40) < 0.6
    mask[-1] = False  # ends with an observation
    reward, value = RNG.normal(size=(2, 40)).astype(np.float32)
    masked, target = turns.gae(reward, value, mask, discount=0.9, trace=0.8)
    assert not masked[~mask].any() and not target[~mask].any()
    deleted = turns.gae(reward[mask], value[mask], np.ones(mask.sum(), bool), discount=0.9, trace=0.8)
    np.testing.assert_array_equal(masked[mask], deleted[0])
    own, earned = jnp.asarray(value[mask]), jnp.asarray(reward[mask])
    after = jnp.append(own[1:], 0.0)
    discount = jnp.full_like(own, 0.9).at[-1].set(0.0)
    ordinary = returns.generalized_advantage(earned, own, 0.9 * after, discount, 0.8)
    np.testing.assert_allclose(masked[mask], ordinary, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(target[mask], ordinary + own, rtol=1e-5, atol=1e-6)


def batch(mask, advantage=None, apart=0.3):
    """Random log-probabilities and what they are judged by; `apart` is how far the old policy is from the new one."""
    new = np.log(RNG.uniform(0.05, 1, size=mask.shape))
    advantage = RNG.normal(size=mask.shape) if advantage is None else advantage
    old = new + apart * RNG.normal(size=mask.shape)
    given = Tokens(old, advantage, mask, turns.sequences(mask), turns.turns(mask))
    return jnp.asarray(new), Tokens(*(None if rows is None else jnp.asarray(rows) for rows in given))


def judged(loss, given):
    return jax.value_and_grad(lambda log_prob: loss(log_prob, given[1])[0])(given[0])


def same(first, second, tolerance=0.0):
    for mine, other in zip(first, second, strict=True):
        np.testing.assert_allclose(mine, other, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("average", [tokens.token_mean, tokens.sequence_mean])
def test_turn_ppo_of_a_single_turn_is_the_sequence_ratio(average):
    mask = np.arange(8) < np.array([[8], [5], [1]])
    given = batch(mask)
    same(*(judged(PolicyLoss(ratio=ratio, average=average), given) for ratio in (tokens.turn, tokens.sequence)))


def test_turn_ppo_of_turns_of_one_token_is_token_ppo():
    mask = np.broadcast_to(np.arange(9) % 2 == 0, (4, 9))
    given = batch(mask)
    pair = [judged(PolicyLoss(ratio=ratio), given) for ratio in (tokens.turn, tokens.token)]
    same(*pair, 1e-6)
    assert np.abs(pair[0][1]).max() > 1e-3


def test_forms_differ_off_policy():
    given = batch(RNG.uniform(size=(4, 12)) < 0.7)
    slopes = [np.asarray(judged(PolicyLoss(ratio=ratio), given)[1]) for ratio in FORMS]
    assert all(np.abs(one - other).max() > 1e-3 for i, one in enumerate(slopes) for other in slopes[:i])


def test_on_policy_all_forms_of_ppo_coincide_and_nothing_is_clipped():
    """Token PPO, Turn-PPO and their stabilized forms; and the plain policy gradient where credit is equal in a turn."""
    mask = RNG.uniform(size=(4, 12)) < 0.7
    label = turns.sequences(mask)
    advantage = RNG.normal(size=4)[label]
    given = batch(mask, advantage, apart=0.0)
    first, *others = (judged(PolicyLoss(ratio=ratio), given) for ratio in FORMS)
    for other in others:
        same(first, other, 1e-6)
    for ratio in FORMS:
        clipped, bias, metrics = tokens.gradients(PolicyLoss(ratio=ratio), lambda new: new, given[0], given[1])
        size = tokens.norm([bias])
        assert size == 0 and metrics["clip_fraction"] == 0 and metrics["clip_fraction_turn"] == 0
        for factor in (tokens.triggered(tokens.literal()), tokens.limited(0.1)):  # S-PPO and ST-PPO leave it as it is
            np.testing.assert_array_equal(factor(size) * clipped, clipped)
        np.testing.assert_allclose(clipped, first[1], atol=1e-6)


def test_on_policy_turn_ppo_credits_a_turn_with_its_mean_advantage():
    mask = RNG.uniform(size=(4, 12)) < 0.7
    given = batch(mask, apart=0.0)
    meant = turns.turn_mean(given[1].advantage, given[1].turn, given[1].mask)
    by_token = judged(PolicyLoss(ratio=tokens.token), (given[0], given[1]._replace(advantage=meant)))
    same(judged(PolicyLoss(ratio=tokens.turn), given), by_token, 1e-6)


@pytest.mark.parametrize("past", [opponents.before, opponents.up_to])
def test_alignment_without_weight_is_naive_to_the_bit(past):
    own, other = RNG.normal(size=(2, 16, 10))
    for xp in (np, jnp):
        mine = xp.asarray(own)
        credit = opponents.align(mine, xp.asarray(other), weight=0.0, discount=0.9, past=past)
        assert np.asarray(credit).tobytes() == np.asarray(mine).tobytes()
    assert not np.array_equal(opponents.align(own, other, weight=0.5, discount=0.9, past=past), own)


def test_alignments_baseline_is_a_setting_of_grouped_advantages():
    """Leave-one-out per seed, timestep and seat, on ragged groups of matches."""
    seed = np.array([0, 0, 0, 1, 1])
    earned = opponents.to_go(RNG.normal(size=(5, 4)), 0.9)
    step = np.broadcast_to(np.arange(4), (5, 4))
    seeds = np.broadcast_to(seed[:, None], (5, 4))
    settings = {"center": groups.leave_one_out, "scale": groups.no_scale, "epsilon": 0.0}
    advantage = groups.standardize(earned, (seeds, step), **settings)
    for match in range(5):
        others = [other for other in range(5) if seed[other] == seed[match] and other != match]
        np.testing.assert_allclose(advantage[match], earned[match] - earned[others].mean(0), rtol=1e-10)


def test_rloo_is_a_setting_of_grouped_advantages():
    task, reward = np.repeat([0, 1], [3, 5]), RNG.normal(size=8)
    settings = {"center": groups.leave_one_out, "scale": groups.no_scale, "epsilon": 0.0}
    advantage = groups.standardize(reward, task, groups.by_episode(np.arange(8)), **settings)
    for row in range(8):
        others = [other for other in range(8) if task[other] == task[row] and other != row]
        np.testing.assert_allclose(advantage[row], reward[row] - reward[others].mean(), rtol=1e-12)
