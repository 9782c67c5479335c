"""Laws of M-GRPO: alignment of single calls changes nothing and is GRPO's credit; weights stand for duplicated rows."""

import numpy as np
import pytest

pytest.importorskip("torch")

from interplay.credit import groups
from interplay.lm.transcript import Turns
from interplay.methods import m_grpo
from interplay.run import devices

SMALL = {"tasks": 3, "group": 4, "width": 8, "depth": 1, "rate": 1e-2, "demonstrations": 0}


def turns(calls, tasks=2, said=2, seed=0):
    """A planner that speaks twice in every episode, and calls[episode] invocations of a seeker that says `said` things."""
    random, rows = np.random.default_rng(seed), []
    attempts = len(calls) // tasks
    for episode, count in enumerate(calls):
        for agent, invocation in [(0, 0), (0, 0), *((1, call + 1) for call in range(count) for _ in range(said))]:
            rows.append((episode // attempts, episode, agent, invocation))
    task, episode, agent, invocation = np.array(rows).T
    label = m_grpo.distinct(episode, invocation)
    reward, noise, ones = random.normal(size=len(rows))[label], random.random(len(rows)), np.ones(len(rows), np.int64)
    return Turns(
        task=task,
        episode=episode,
        agent=agent,
        index=ones,
        invocation=invocation,
        reward=reward,
        version=ones,
        trained=ones > 0,
        round=ones,
        paid=0.0 * noise,
        noise=noise,
    )


def test_called_once_every_alignment_is_grpos_credit():
    rows = turns([1] * 8)
    for align in m_grpo.ALIGNMENTS.values():
        ours = m_grpo.credit(rows, align(rows, 4), m_grpo.of_the_task(rows, 4))
        for agent in (0, 1):
            mine = rows.agent == agent
            count = groups.by_episode(rows.episode[mine])
            theirs = groups.standardize(rows.reward[mine], (rows.task[mine],), count, scale=groups.population)
            np.testing.assert_allclose(ours[mine], theirs, atol=1e-9)
    assert np.ptp(m_grpo.weights(rows, 4)) == np.ptp(m_grpo.duplicate(rows, 4)) == 0


def trained(game="once()", **changes):
    method = m_grpo.build(m_grpo.Settings(**SMALL, game=game, **changes))
    state = method.init(devices.starting_key(0))
    for update in range(2):
        state, _ = method.step(state, devices.update_key(0, update))
    return [np.concatenate([part.ravel() for part in member.weights.values()]) for member in state.members]


def test_called_once_every_alignment_trains_the_same():
    whole = [np.concatenate(trained(alignment=name)) for name in m_grpo.ALIGNMENTS]
    np.testing.assert_allclose(whole[0], whole[1], atol=1e-6)
    np.testing.assert_allclose(whole[0], whole[2], atol=1e-6)
    assert not np.array_equal(whole[0], np.concatenate(trained(peers="task", slots=2, game="twice()")))


def test_called_unevenly_they_differ_and_who_does_not_learn_stays():
    ours, other = trained(game="twice()"), trained(game="twice()", alignment="none")
    assert np.abs(ours[1] - other[1]).max() > 1e-4
    frozen = trained(game="twice()", learning="first")
    method = m_grpo.build(m_grpo.Settings(**SMALL, game="twice()"))
    before = method.init(devices.starting_key(0)).members[1].weights
    np.testing.assert_array_equal(frozen[1], np.concatenate([part.ravel() for part in before.values()]))
    np.testing.assert_array_equal(frozen[0], ours[0])


def test_duplication_is_weights_on_average_and_fills_every_slot():
    calls = [0, 1, 2, 3, 4, 7, 2, 1]
    drawn = []
    for seed in range(2000):
        rows = turns(calls, said=1, seed=seed)
        drawn.append(m_grpo.duplicate(rows, 4))
    rows = turns(calls, said=1)
    np.testing.assert_allclose(np.mean(drawn, 0), m_grpo.weights(rows, 4), atol=0.08)
    for episode, count in enumerate(calls):
        mine = (rows.episode == episode) & (rows.agent == 1)
        assert drawn[0][mine].sum() == (4 if count else 0)
        np.testing.assert_allclose(m_grpo.weights(rows, 4)[mine].sum(), 4 if count else 0)


def test_weights_are_what_duplicated_rows_would_do():
    rows = turns([1, 2, 3, 6, 2, 2, 1, 5], said=1)
    weight = m_grpo.duplicate(rows, 4)
    ours = m_grpo.credit(rows, weight, m_grpo.of_the_task(rows, 4))
    mine = np.flatnonzero((rows.agent == 1) & (rows.task == 0))
    copies = np.repeat(rows.reward[mine], weight[mine].astype(int))
    by_hand = (rows.reward[mine] - copies.mean()) / (copies.std() + 1e-6)
    np.testing.assert_allclose(ours[mine][weight[mine] > 0], by_hand[weight[mine] > 0], atol=1e-9)


def test_all_turns_of_a_call_share_its_credit_and_weight():
    rows = turns([1, 3, 2, 2])
    weight = m_grpo.weights(rows, 4)
    worth = m_grpo.credit(rows, weight, m_grpo.of_the_task(rows, 2))
    label = m_grpo.trajectories(rows)
    for one in np.unique(label):
        assert np.ptp(worth[label == one]) == np.ptp(weight[label == one]) == 0


def test_peers_by_arrival_mix_tasks_for_calls_only():
    rows = turns([2] * 8)
    peers = m_grpo.by_arrival(rows, 4)
    for one in np.unique(peers[rows.agent == 1]):
        mine = peers == one
        assert len(np.unique(m_grpo.trajectories(rows)[mine])) == 4 and (rows.agent[mine] == 1).all()
    mixed = [len(np.unique(rows.task[peers == one])) for one in np.unique(peers[rows.agent == 1])]
    assert max(mixed) == 2
    assert all(len(np.unique(rows.task[peers == one])) == 1 for one in np.unique(peers[rows.agent == 0]))


@pytest.fixture(autouse=True)
def scenes(monkeypatch):
    """Two that speak once each, and a first that has a second answer once or twice, whose rewards chance decides."""
    from interplay.lm import tasks
    from interplay.lm.scene import Scene

    async def answer(team, asked):
        said = await team.say("second", asked)
        team.reward(said, team.random.normal())
        return said

    async def once(team, task):
        await team.delegate(answer, await team.say("first", task))
        return {"first": team.random.normal(), "second": 0.0}

    async def twice(team, task):
        first = await team.say("first", task)
        for _ in range(1 + int(team.random.integers(3))):
            await team.delegate(answer, first)
        return {"first": team.random.normal(), "second": 0.0}

    words = {"vocabulary": ("go", "a", "b"), "limits": {"first": 2, "second": 2}}
    made = {
        "once()": Scene("once", ("first", "second"), once, lambda random: "go", **words),
        "twice()": Scene("twice", ("first", "second"), twice, lambda random: "go", **words),
    }
    named = tasks._named
    monkeypatch.setattr(tasks, "_named", lambda name: made.get(name) or named(name))
