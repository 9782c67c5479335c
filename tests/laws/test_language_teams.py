"""Laws of training language teams: Dr. MAS and GRPO are one where agents are called once, and differ where they are not."""

import numpy as np
import pytest

pytest.importorskip("torch")

from interplay.methods import dr_mas
from interplay.methods.baselines import grpo, rloo
from interplay.run import devices

SMALL = {"tasks": 4, "group": 6, "width": 8, "depth": 1, "rate": 1e-2}


def trained(module, game, updates=2, demonstrations=0):
    method = module.build(module.Settings(**SMALL, game=game, demonstrations=demonstrations))
    state = method.init(devices.starting_key(0))
    for update in range(updates):
        state, told = method.step(state, devices.update_key(0, update))
    return state, told if updates else {}


def weights(state):
    return np.concatenate([part.ravel() for member in state.members for part in member.weights.values()])


ALONE = "alone()"


def test_a_team_of_one_that_speaks_once_under_dr_mas_is_grpo_bit_for_bit():
    ours, theirs = trained(dr_mas, ALONE), trained(grpo, ALONE)
    np.testing.assert_array_equal(weights(ours[0]), weights(theirs[0]))
    assert ours[1]["length"] == 1
    assert not np.array_equal(weights(ours[0]), weights(trained(rloo, ALONE)[0]))
    assert not np.array_equal(weights(ours[0]), weights(trained(dr_mas, ALONE, updates=0)[0]))


def test_agents_called_once_in_every_rollout_make_dr_mas_and_grpo_equal():
    ours, theirs = trained(dr_mas, "once()"), trained(grpo, "once()")
    np.testing.assert_allclose(weights(ours[0]), weights(theirs[0]), rtol=1e-5, atol=1e-6)
    assert ours[1]["calls/first"] == ours[1]["calls/second"] == 1


def test_agents_called_unevenly_do_not():
    ours, theirs = trained(dr_mas, "ledger", demonstrations=16), trained(grpo, "ledger", demonstrations=16)
    assert ours[1]["calls/searcher"] not in (0.0, 1.0)
    assert np.abs(weights(ours[0]) - weights(theirs[0])).max() > 1e-3


@pytest.fixture(autouse=True)
def scenes(monkeypatch):
    """One agent that speaks once, and two that speak once each and are rewarded together; chance has its part."""
    from interplay.lm import tasks
    from interplay.lm.scene import Scene

    async def alone(team, task):
        return float(len((await team.say("first", task)).text)) + team.random.normal()

    async def once(team, task):
        first = await team.say("first", task)
        second = await team.say("second", task, first)
        return float(len(first.text + second.text)) + team.random.normal()

    words = {"vocabulary": ("go", "a", "b")}
    made = {
        "alone()": Scene("alone", ("first",), alone, lambda random: "go", **words),
        "once()": Scene("once", ("first", "second"), once, lambda random: "go", **words),
    }
    named = tasks._named
    monkeypatch.setattr(tasks, "_named", lambda name: made.get(name) or named(name))
