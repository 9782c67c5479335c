"""Lemma 4.2 of Dr. MAS: with one baseline for all, an agent's squared gradient grows by (σ_k² + (μ_k − μ)²) / σ²."""

import numpy as np

from interplay.credit import groups

RNG = np.random.default_rng(0)


def team(tasks=400, attempts=8):
    """An agent that speaks in every rollout, and one that is called in those that tend to fail, and more than once."""
    task, episode, agent, reward = [], [], [], []
    for rollout in range(tasks * attempts):
        hard = RNG.random() < 0.3
        won = float(RNG.random() < (0.2 if hard else 0.8))
        for who in [0] + [1] * (RNG.integers(1, 4) if hard else 0):
            task.append(rollout // attempts)
            episode.append(rollout)
            agent.append(who)
            reward.append(won)
    return np.array(task), np.array(episode), np.array(agent), np.array(reward)


def test_the_second_moment_of_gradients_is_as_predicted():
    task, episode, agent, reward = team()
    score = RNG.normal(size=(len(task), 5)) * RNG.uniform(0.5, 2, size=(len(task), 1))  # independent of the reward
    size = (score**2).sum(1)
    count = groups.by_episode(episode)
    whole = groups.statistics(reward, (task,), count)
    own = groups.statistics(reward, (task, agent))
    plain = {"center": groups.mean, "scale": groups.population, "singleton": groups.zero, "epsilon": 0.0}
    usable = (agent == 1) & (own.units > 1) & (whole.variance > 0) & (own.variance > 0)
    shared, agentwise = groups.relative(whole, **plain), groups.relative(own, **plain)
    predicted = groups.inflation(own, whole)[usable].mean()
    measured = (shared**2 * size)[usable].mean() / size[usable].mean()
    assert predicted > 1.2  # the agent that is called seldom is the one that is inflated
    np.testing.assert_allclose(measured, predicted, rtol=0.05)
    np.testing.assert_allclose((agentwise**2 * size)[usable].mean() / size[usable].mean(), 1.0, rtol=0.05)
    exact = (shared**2)[usable].mean()
    np.testing.assert_allclose(exact, predicted, rtol=1e-9)  # without the scores it is an identity, group by group
