"""Group-relative advantages worked by hand, on ragged groups, in numpy and in JAX."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay.core.errors import InputError
from interplay.credit import groups
from interplay.credit.groups import by_episode, by_slot, by_turn, by_weight, leave_one_out, no_scale, population, zero

BOTH = pytest.mark.parametrize("xp", [np, jnp], ids=["numpy", "jax"])
close = lambda mine, theirs: np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-5)

# task 0: three episodes, of which the last calls agent 1 twice; task 1: one episode
TASK = np.array([0, 0, 0, 0, 0, 1])
EPISODE = np.array([0, 0, 1, 2, 2, 3])
AGENT = np.array([0, 1, 0, 1, 1, 0])
REWARD = np.array([1.0, 1.0, 0.0, 0.5, 0.5, 7.0])


@BOTH
def test_by_episode(xp):
    given = [xp.asarray(rows) for rows in (REWARD, TASK, EPISODE)]
    advantage = groups.standardize(given[0], given[1], by_episode(given[2]), epsilon=0.0)
    close(advantage, [1, 1, -1, 0, 0, 7])  # scores 1, 0, 0.5: mean 0.5, deviation 0.5 with n − 1


@BOTH
def test_by_turn_and_agent(xp):
    given = [xp.asarray(rows) for rows in (REWARD, TASK, AGENT)]
    advantage = groups.standardize(given[0], (given[1], given[2]), scale=population, epsilon=0.0)
    # agent 0: 1 and 0; agent 1: 1, 0.5, 0.5 with mean 2/3 and deviation √(1/18)
    deviation = np.sqrt(1 / 18)
    close(advantage, [1, 1 / 3 / deviation, -1, -1 / 6 / deviation, -1 / 6 / deviation, 7])


def test_who_is_compared_and_what_counts_once_are_independent():
    center_only = {"scale": no_scale, "epsilon": 0.0, "singleton": zero}
    task = lambda count: groups.standardize(REWARD, TASK, count, **center_only)
    agent = lambda count: groups.standardize(REWARD, (TASK, AGENT), count, **center_only)
    close(task(by_turn(REWARD))[:5], REWARD[:5] - 0.6)
    close(task(by_episode(EPISODE))[:5], REWARD[:5] - 0.5)
    close(agent(by_turn(REWARD))[:5], [0.5, 1 / 3, -0.5, -1 / 6, -1 / 6])
    close(agent(by_episode(EPISODE))[:5], [0.5, 0.25, -0.5, -0.25, -0.25])  # agent 1: episodes 0 and 2 once each


def test_an_episode_is_worth_the_mean_of_its_rows():
    reward = np.array([1.0, 0.0, 0.0, 0.0])  # a penalty on one row of episode 0
    advantage = groups.standardize(reward, np.zeros(4, int), by_episode(np.array([0, 0, 1, 1])), epsilon=0.0)
    close(advantage, [0.5**0.5, 0.5**0.5, -(0.5**0.5), -(0.5**0.5)])


def test_leave_one_out_leaves_the_whole_episode_out():
    count = by_episode(EPISODE)
    settings = {"center": leave_one_out, "scale": no_scale, "singleton": zero, "epsilon": 0.0}
    advantage = groups.standardize(REWARD, TASK, count, **settings)
    close(advantage, [1 - 0.25, 1 - 0.25, -0.75, 0, 0, 0])


def test_leave_one_out_weighs_the_others():
    reward, weight = np.array([1.0, 2.0, 6.0]), np.array([2.0, 1.0, 3.0])
    settings = {"center": leave_one_out, "scale": no_scale, "epsilon": 0.0}
    advantage = groups.standardize(reward, np.zeros(3, int), by_weight(weight), **settings)
    close(advantage, [1 - 20 / 4, 2 - 20 / 5, 6 - 4 / 3])


def test_leave_one_out_is_the_mean_scaled_up():
    reward = np.random.default_rng(0).normal(size=12)
    settings = {"scale": no_scale, "epsilon": 0.0}
    own = groups.standardize(reward, np.zeros(12, int), **settings)
    rest = groups.standardize(reward, np.zeros(12, int), center=leave_one_out, **settings)
    np.testing.assert_allclose(rest, 12 / 11 * own, rtol=1e-12)


def test_a_group_of_one():
    reward, task = np.array([3.0, 1.0, 2.0]), np.array([0, 1, 1])
    assert groups.standardize(reward, task)[0] == 3
    assert groups.standardize(reward, task, singleton=zero)[0] == 0
    twice = groups.standardize(np.array([3.0, 3.0, 1.0]), task * 0 + [0, 0, 1], by_episode(np.array([5, 5, 6])))
    assert twice.tolist() == [3, 3, 1]  # two rows of one episode are one


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equal_rewards_give_exactly_nothing(dtype):
    reward = np.full(9, 0.1, dtype)
    for count in (None, by_episode(np.array([0, 0, 0, 1, 1, 2, 2, 2, 2]))):
        assert not groups.standardize(reward, np.zeros(9, int), count).any()
    assert groups.dead(groups.statistics(reward, np.arange(9) // 3)) == 1


def test_dead_groups_are_counted_as_groups():
    reward = np.array([1.0, 1.0, 1.0, 1.0, 0.0, 1.0])
    assert groups.dead(groups.statistics(reward, np.array([0, 0, 0, 0, 1, 1]))) == 0.5


@BOTH
def test_padding_is_compared_with_nobody(xp):
    weight = xp.asarray([1.0, 1.0, 1.0, 0.0, 0.0])
    reward = xp.asarray([1.0, 0.0, 3.0, 99.0, np.nan])
    advantage = groups.standardize(reward, xp.zeros(5, int), by_weight(weight))
    close(advantage[:3], groups.standardize(reward[:3], xp.zeros(3, int)))
    assert not advantage[3:].any()
    episodes = by_episode(xp.asarray([0, 0, 1, 1, 1]), weight)
    close(groups.standardize(reward, xp.zeros(5, int), episodes)[3:], [0, 0])
    close(groups.statistics(reward, xp.zeros(5, int), episodes).mean[0] + 3, (0.5 + 3) / 2)


def test_weights_are_whatever_unit_they_are_in():
    weight = np.array([1.0, 2.0, 1.0, 0.5])
    for scale in (population, groups.sample):
        one, ten = (
            groups.standardize(REWARD[:4], TASK[:4], by_weight(factor * weight), scale=scale) for factor in (1, 10)
        )
        np.testing.assert_allclose(one, ten, rtol=1e-12)
    whole = groups.standardize(np.array([1.0, 1.0, 0.0]), np.zeros(3, int), scale=population)
    once = groups.standardize(np.array([1.0, 0.0]), np.zeros(2, int), by_weight(np.array([2.0, 1.0])), scale=population)
    close(whole[1:], once)  # a weight of two is two rows


def test_mean_and_scale_may_come_from_different_groups():
    agent, task = groups.statistics(REWARD, (TASK, AGENT)), groups.statistics(REWARD, TASK, by_episode(EPISODE))
    mixed = groups.relative(agent, task, center=groups.mean, scale=groups.sample, singleton=zero, epsilon=0.0)
    close(mixed, [1, 2 / 3, -1, -1 / 3, -1 / 3, 0])


def test_compiled_and_ragged():
    compiled = jax.jit(lambda reward, task: groups.standardize(reward, task))
    for task in ([0, 0, 0, 0, 0, 1], [3, 4, 3, 4, 3, 3], [0, 1, 2, 3, 4, 5]):
        task = np.array(task)
        close(compiled(jnp.asarray(REWARD), jnp.asarray(task)), groups.standardize(REWARD, task))
    assert compiled._cache_size() == 1


def test_rows_of_any_shape():
    reward = np.random.default_rng(1).normal(size=(4, 3))  # matches, timesteps
    step = np.broadcast_to(np.arange(3), (4, 3))
    settings = {"center": leave_one_out, "scale": no_scale, "epsilon": 0.0}
    together = groups.standardize(reward, (step,), **settings)
    np.testing.assert_allclose(together, reward - (reward.sum(0) - reward) / 3, rtol=1e-12)


def test_edges_relative_to_the_other_edges_of_a_query():
    """Graph-GRPO's edge advantages are a setting: rows are edges, padded where an edge is in no graph."""
    success, present = np.array([0.8, 0.4, 0.0, 0.6]), np.array([1.0, 1.0, 0.0, 1.0])
    advantage = groups.standardize(success, np.zeros(4, int), by_weight(present), scale=population, epsilon=1e-6)
    seen = success[present > 0]
    close(advantage[present > 0], (seen - seen.mean()) / (seen.std() + 1e-6))


def test_labels_have_to_fit():
    with pytest.raises(InputError, match="one label per row"):
        groups.standardize(REWARD, TASK[:3])
    with pytest.raises(InputError, match="one per slot"):
        groups.duplicated(EPISODE, 3, REWARD, np.zeros((4, 2)))


def test_slots_weigh_episodes_equally():
    count = by_slot(EPISODE, 4)
    assert count.weight.tolist() == [2, 2, 4, 2, 2, 4]
    padded = by_slot(EPISODE, 4, np.array([1.0, 0, 1, 1, 1, 1]))
    assert padded.weight.tolist() == [4, 0, 4, 2, 2, 4]


@BOTH
def test_duplication_by_hand(xp):
    episode = xp.asarray([2, 0, 0, 2, 2])  # episode 0 has rows 1 and 2, episode 1 none, episode 2 rows 0, 3 and 4
    order = xp.asarray([0.9, 0.2, 0.1, 0.3, 0.5])
    again = xp.asarray([[0.0, 0.0, 0.9], [0.5, 0.5, 0.5], [0.1, 0.1, 0.1]])
    index, live = groups.duplicated(episode, 3, order, again)
    assert index.tolist() == [[2, 1, 1], [0, 0, 0], [3, 4, 0]]
    assert live.tolist() == [[True] * 3, [False] * 3, [True] * 3]
    assert groups.duplicated(episode, 2, order, again[:, :2])[0].tolist() == [[2, 1], [0, 0], [3, 4]]


@pytest.mark.parametrize("slots", [2, 3, 5])
def test_duplication_is_by_slot_on_average(slots):
    """Over all orders and all redraws, each equally likely, row j is in slots / calls slots of its episode."""
    episode = np.array([0, 0, 0, 1])
    hits, draws = np.zeros(4), 0
    for order in itertools.permutations(range(3)):
        for again in itertools.product([0.0, 1 / 3, 2 / 3], repeat=max(slots - 3, 0)):
            noise = np.zeros((2, slots))
            noise[0, min(3, slots) :] = np.array(again) + 1e-9
            index, live = groups.duplicated(episode, slots, np.array([*order, 0]), noise)
            hits += np.bincount(index[live], minlength=4)
            draws += 1
    np.testing.assert_allclose(hits / draws, by_slot(episode, slots).weight)


def test_inflation_by_hand():
    agent, task = groups.statistics(REWARD, (TASK, AGENT)), groups.statistics(REWARD, TASK, by_episode(EPISODE))
    inflation = groups.inflation(agent, task)
    variance = 1 / 6  # of 1, 0, 0.5
    close(inflation[0], (0.25 + 0) / variance)
    close(inflation[1], (1 / 18 + (2 / 3 - 1 / 2) ** 2) / variance)
    assert np.isnan(inflation[5])


def test_inflation_is_the_ratio_of_second_moments():
    """Dr. MAS, lemma 4.2, with scores z that are independent of the rewards."""
    rng = np.random.default_rng(0)
    agent = rng.integers(0, 2, 20_000)
    reward = (rng.uniform(size=20_000) < np.where(agent == 0, 0.2, 0.6)).astype(float)
    z, everything = rng.normal(size=20_000), np.zeros(20_000, int)
    settings = {"scale": population, "epsilon": 0.0}
    pooled, own = groups.standardize(reward, everything, **settings), groups.standardize(reward, agent, **settings)
    predicted = groups.inflation(groups.statistics(reward, agent), groups.statistics(reward, everything))
    for k in (0, 1):
        rows = agent == k
        moments = [np.mean((z * advantage)[rows] ** 2) for advantage in (pooled, own)]
        np.testing.assert_allclose(moments[0] / moments[1], predicted[rows][0], rtol=0.05)
