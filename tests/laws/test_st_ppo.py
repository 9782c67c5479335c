"""Laws of ST-PPO: on policy it is Turn-PPO and S-PPO is PPO; turns of one token and single turns make it simpler methods."""

import numpy as np
import pytest

pytest.importorskip("torch")

from interplay import check
from interplay.core.errors import InputError
from interplay.methods import m_grpo, s_ppo, st_ppo, turn_ppo
from interplay.methods.baselines import ppo
from interplay.run import devices

SMALL = {"tasks": 12, "width": 8, "depth": 1, "rate": 3e-2, "demonstrations": 0, "warmup": 1}
ONCE, STALE = {"passes": 1, "minibatches": 1}, {"passes": 2, "minibatches": 2}


def trained(module, game, updates=1, **changes):
    method = module.build(module.Settings(**{**SMALL, **changes}, game=game))
    state, told = method.init(devices.starting_key(0)), {}
    for update in range(updates):
        state, told = method.step(state, devices.update_key(0, update))
    return state, {name: float(value) for name, value in told.items()}


def weights(state):
    return np.concatenate([part.ravel() for pair in state.pairs for part in pair.actor.weights.values()])


def apart(one, other):
    return np.abs(weights(one[0]) - weights(other[0])).max()


def test_on_policy_the_bias_is_zero_and_scaled_steps_are_plain_ones():
    token, turn = trained(ppo, "several()", 2, **ONCE), trained(turn_ppo, "several()", 2, **ONCE)
    for plain, scaled in ((token, s_ppo), (turn, st_ppo)):
        ours = trained(scaled, "several()", 2, **ONCE)
        assert apart(ours, plain) == 0
        assert ours[1]["bias"] == ours[1]["clip_fraction"] == 0 and ours[1]["factor"] == 1
    first = [trained(module, "several()", **ONCE)[1]["policy_loss"] for module in (ppo, turn_ppo, s_ppo, st_ppo)]
    np.testing.assert_allclose(first, first[0], atol=1e-6)


def test_off_policy_all_four_differ():
    often = {"passes": 6, "minibatches": 2, "guard": "literal"}
    found = [trained(module, "several()", 2, **often) for module in (ppo, turn_ppo, s_ppo, st_ppo)]
    assert all(one[1]["bias"] > 0 for one in found)
    assert min(apart(one, other) for i, one in enumerate(found) for other in found[:i]) > 1e-4


def test_turns_of_one_token_make_it_token_ppo():
    assert apart(trained(turn_ppo, "short()", 2, **STALE), trained(ppo, "short()", 2, **STALE)) < 1e-5
    assert apart(trained(st_ppo, "short()", 2, **STALE), trained(s_ppo, "short()", 2, **STALE)) < 1e-5


def test_a_single_turn_makes_it_the_sequence_ratio():
    ours, theirs = (
        trained(turn_ppo, "single()", 2, **STALE),
        trained(turn_ppo, "single()", 2, **STALE, ratio="sequence"),
    )
    assert apart(ours, theirs) < 1e-6
    assert apart(ours, trained(ppo, "single()", 2, **STALE)) > 1e-4


def test_weights_that_talk_are_as_old_as_is_said():
    state, told = trained(ppo, "several()", 3, **ONCE, delay=2)
    first = np.concatenate([part.ravel() for part in state.past[0][0].values()])
    np.testing.assert_array_equal(first, weights(trained(ppo, "several()", 1, **ONCE, delay=2)[0]))
    assert told["approx_kl"] > 1e-5 and trained(ppo, "several()", 3, **ONCE)[1]["approx_kl"] < 1e-9


def test_the_contract_and_refusals():
    tiny = {**SMALL, "tasks": 4, **STALE}
    where = "interplay.lm.tasks."
    assert (
        check.check_method(
            st_ppo.build(st_ppo.Settings(**{**tiny, "demonstrations": 8}, game=where + "hops:k_hop", delay=1))
        )
        == []
    )
    calls = {"tasks": 2, "group": 3, "width": 8, "depth": 1, "demonstrations": 8, "imitation": 1}
    settings = m_grpo.Settings(**calls, alignment="duplicate", game=where + "delegation:two_hop")
    assert check.check_method(m_grpo.build(settings)) == []
    for module, changes, words in (
        (st_ppo, {"ratio": "trn"}, "did you mean turn"),
        (st_ppo, {"delay": -1}, "give 0 or more"),
        (m_grpo, {"slots": 0}, "give 1 or more"),
        (m_grpo, {"learning": "seekr"}, "did you mean seeker"),
    ):
        game = where + ("hops:k_hop" if module is st_ppo else "delegation:two_hop")
        with pytest.raises(InputError, match=words):
            module.build(module.Settings(**changes, game=game))


@pytest.fixture(autouse=True)
def scenes(monkeypatch):
    """One agent that speaks once, or three times with something in between; it is paid for what it says, and by chance."""
    from interplay.lm import tasks
    from interplay.lm.scene import Scene

    async def talk(team, task):
        read, said = [team.note(task)], []
        for _ in range(task.count("go")):
            said.append(await team.say("one", *read))
            read += [said[-1], team.note("go")]
        return sum(message.text.count("a") for message in said) + team.random.normal()

    made = {
        name: Scene(
            name, ("one",), talk, lambda random, task=task: task, limits={"one": limit}, vocabulary=("go", "a", "b")
        )
        for name, task, limit in (("several()", "go go go", 3), ("short()", "go go go", 1), ("single()", "go", 4))
    }
    named = tasks._named
    monkeypatch.setattr(tasks, "_named", lambda name: made.get(name) or named(name))
