"""Repeated games of two who speak: what they pay by the round, who reads what, and what rounds turn into for credit."""

import asyncio

import numpy as np
import pytest

from interplay.core.errors import InputError
from interplay.lm import tasks
from interplay.lm.play import Seat, play
from interplay.lm.scene import Scene
from interplay.lm.scripted import Scripted, always
from interplay.lm.tasks import bargaining, dilemma
from interplay.lm.transcript import turns
from interplay.lm.words import Words

PATH = "interplay.lm.tasks"


def played(name, first, second=None, episodes=1, seed=0):
    scene = tasks.make(f"{PATH}.{name}")
    codec = Words(scene.vocabulary, scene.agents)
    scripts = (first or scene.script, second or first or scene.script)
    seats = {agent: Seat(Scripted(codec, script)) for agent, script in zip(scene.agents, scripts, strict=True)}
    drawn = [scene.draw(np.random.default_rng([seed, number])) for number in range(episodes)]
    return play(scene, seats, drawn, (seed,)), scene


@pytest.mark.parametrize(
    ("first", "second", "pays"),
    [
        (always("A"), always("A"), (30, 30)),
        (always("B"), always("A"), (50, 0)),
        (dilemma.tit_for_tat, always("B"), (9, 14)),
        (dilemma.grim, dilemma.tit_for_tat, (30, 30)),
    ],
)
def test_the_dilemma_pays_its_table(first, second, pays):
    (one,), scene = played("dilemma:dilemma", first, second)
    assert tuple(one.outcome[agent] for agent in scene.agents) == pays
    assert len(one.rounds) == 10 and [call.round for call in one.calls] == [n // 2 for n in range(20)]
    assert [len(chain) for chain in one.chains()] == [10, 10]  # each seat's game is one sequence


def test_only_so_many_rounds_are_remembered():
    (one,), _ = played("dilemma:dilemma(remembered=2)", always("A"), always("B"))
    texts = [message.text for message in one.calls[-1].context]
    assert texts == ["B", "A", "B", "A"]  # the second seat's own word first


def test_rounds_become_rows():
    some, scene = played("dilemma:dilemma(rounds=3)", dilemma.tit_for_tat, always("B"), episodes=2)
    rows = turns(some, np.zeros(2, int), scene.agents)
    assert rows.round.tolist() == [0, 0, 1, 1, 2, 2] * 2
    assert rows.paid[:6].tolist() == [0, 5, 1, 1, 1, 1] and rows.reward[:2].tolist() == [2, 7]


def test_greedy_bargainers_get_what_the_source_says_and_fair_ones_more():
    greedy, scene = played("bargaining:trust_and_split", bargaining.greedy, episodes=6)
    total = lambda some: np.mean([sum(one.outcome.values()) for one in some]) / 10
    assert total(greedy) == 55.0
    fair, _ = played("bargaining:trust_and_split(prior=1.0)", None, episodes=6)
    assert total(fair) == 100.0
    exploiting, _ = played("bargaining:trust_and_split(prior=1.0)", bargaining.greedy, scene.script, episodes=6)
    assert np.mean([one.outcome["first"] - one.outcome["second"] for one in exploiting]) > 100
    split, _ = played("bargaining:split(prior=1.0)", None, episodes=2)
    assert total(split) > total(played("bargaining:split", bargaining.greedy, episodes=2)[0]) * 1.3


def test_both_hear_both_messages_before_they_ask_for_coins():
    (one,), scene = played("bargaining:trust_and_split(rounds=2, prior=1.0)", None)
    opens = one.task.opens
    said = [call.agent for call in one.calls]
    assert said[:2] == [scene.agents[opens], scene.agents[1 - opens]] and said[4:6] == said[:2][::-1]
    for call in one.calls[2:4]:
        assert [message.author for message in call.context[-2:]] == said[:2]
        assert call.context[0].text == f"hand {one.task.hands[0][scene.agents.index(call.agent)]}"


def test_values_of_split_add_up_alike_and_differ():
    for values in played("bargaining:split", bargaining.greedy)[0][0].task.rounds:
        assert sum(values[0]) == sum(values[1]) and values[0] != values[1]


@pytest.mark.parametrize(
    "name", ["dilemma:dilemma(rounds=0)", "bargaining:split(prior=2)", "bargaining:trust_and_split(remembered=-1)"]
)
def test_wrong_numbers_are_refused(name):
    with pytest.raises(InputError, match="give 1 or more, 0 or more, 0 to 1"):
        tasks.make(f"{PATH}.{name}")


def scene_of(workflow):
    return Scene("own", ("first", "second"), workflow, lambda random: "go", vocabulary=("A", "B"))


def test_a_round_that_pays_somebody_nothing_is_refused_and_one_that_pays_nan_fails():
    async def forgets(team, task):
        team.pay({"first": 1.0})
        return team.earned()

    async def broken(team, task):
        await asyncio.gather(team.say("first"), team.say("second"))
        team.pay({"first": 1.0, "second": float("nan") if team.random.random() < 0.5 else 1.0})
        return {"first": 1.0, "second": 1.0}

    codec = Words(("A", "B"), ("first", "second"))
    seats = dict.fromkeys(("first", "second"), Seat(Scripted(codec, always("A"))))
    with pytest.raises(InputError, match="pays second nothing"):
        play(scene_of(forgets), seats, ["go"], (0,))
    failed = [one.events.get("failed", 0) for one in play(scene_of(broken), seats, ["go"] * 20, (0,))]
    assert 0 < sum(failed) < 20
