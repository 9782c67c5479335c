"""Many dialogues at once: order, chance, budgets, tools and whatever goes wrong, each in its own episode."""

import asyncio
import time

import numpy as np
import pytest

from interplay.core.errors import GameError, InputError
from interplay.lm.model import Completion, Stop
from interplay.lm.play import Limits, Seat, play, run_async
from interplay.lm.scene import Scene, staged, workflow
from interplay.lm.scripted import Scripted, always
from interplay.lm.words import Words

CODEC = Words(["yes", "no", "maybe", "go"], ["solver", "checker"])


def scene(function, **changes):
    given = {"name": "test", "agents": ("solver", "checker"), "draw": lambda random: "go", "calls": 8}
    return Scene(workflow=function, **(given | changes))


def speaking(script=None):
    script = script or always("yes")
    return dict.fromkeys(("solver", "checker"), Seat(Scripted(CODEC, script)))


class Counting(Scripted):
    batches: list

    async def complete(self, requests):
        BATCHES.append(len(requests))
        return await super().complete(requests)


BATCHES: list[int] = []


async def two_turns(team, task):
    draft = await team.say("solver", task)
    verdict = await team.say("checker", task, draft)
    return float(verdict.text == "yes")


def test_all_episodes_are_answered_in_one_batch_a_turn():
    BATCHES.clear()
    seats = dict.fromkeys(("solver", "checker"), Seat(Counting(CODEC, always("yes"))))
    played = play(scene(two_turns), seats, ["go"] * 50, (0,))
    assert BATCHES == [50, 50]
    assert all(one.outcome == 1.0 and [call.agent for call in one.calls] == ["solver", "checker"] for one in played)


def random_words(request, random):
    return str(random.choice(["yes", "no", "maybe"]))


async def uneven(team, task):
    for _ in range(int(team.random.integers(1, 5))):
        await asyncio.sleep(0)
        await team.say("solver", task)
    return 0.0


def texts(played):
    return [[call.message.text for call in one.calls] for one in played]


def test_the_same_seed_says_the_same_whoever_else_plays():
    whole = texts(play(scene(uneven), speaking(random_words), ["go"] * 12, (3,)))
    assert whole == texts(play(scene(uneven), speaking(random_words), ["go"] * 12, (3,)))
    assert whole[:4] == texts(play(scene(uneven), speaking(random_words), ["go"] * 4, (3,)))
    assert whole != texts(play(scene(uneven), speaking(random_words), ["go"] * 12, (4,)))
    assert len({tuple(words) for words in whole}) > 6


async def endless(team, task):
    while True:
        await team.say("solver", task)


async def asleep(team, task):
    await asyncio.sleep(60)


def test_workflows_that_never_end_are_ended():
    played = play(scene(endless), speaking(), ["go"] * 3, (0,))
    assert all(len(one.calls) == 8 and one.events["over_budget"] == 1 for one in played)
    began = time.perf_counter()
    played = play(scene(asleep), speaking(), ["go"], (0,), limits=Limits(seconds=0.05))
    assert played[0].events["over_budget"] == 1 and time.perf_counter() - began < 10
    played = play(scene(endless), speaking(), ["go"], (0,), limits=Limits(tokens=5))
    assert played[0].events["tokens"] == 6 and played[0].events["over_budget"] == 1


def broken(*_):
    raise ValueError("the index\nis gone")


async def with_tools(team, task):
    good = await team.use(lambda x: x + 1, 41)
    bad = await team.use(broken)
    hung = await team.use(lambda: time.sleep(5), seconds=0.05)
    team.transcript.events["seen"] = 0
    return {"solver": float(good.text == "42"), "checker": float("index is gone" in bad.text and "0.05" in hung.text)}


def test_tools_that_raise_or_hang_are_counted_and_the_talk_goes_on():
    one = play(scene(with_tools), speaking(), ["go"], (0,))[0]
    assert one.outcome == {"solver": 1.0, "checker": 1.0}
    assert one.events["tool_errors"] == one.events["tool_hangs"] == 1


async def sometimes(team, task):
    await team.say("solver", task)
    if task == "bad":
        raise KeyError("nothing")
    return float("nan") if task == "nan" else 1.0


def test_a_failed_episode_and_a_reward_that_is_no_number_are_counted_alone():
    bad, fine, nan = play(scene(sometimes), speaking(), ["bad", "fine", "nan"], (0,))
    assert bad.events["failed"] == 1 and "KeyError" in bad.error and "sometimes" in bad.error
    assert "failed" not in fine.events and fine.outcome == 1.0
    assert nan.events["failed"] == nan.events["rewards_not_finite"] == 1
    with pytest.raises(GameError, match="every episode of test failed: KeyError"):
        play(scene(sometimes), speaking(), ["bad"] * 3, (0,))


async def stranger(team, task):
    await team.say("poet", task)


async def one_reward(team, task):
    return {"solver": 1.0}


def not_async(team, task):
    return 1.0


@pytest.mark.parametrize(
    ("function", "words"),
    [(stranger, "nobody speaks for 'poet'"), (one_reward, "no reward for checker"), (not_async, "is not async")],
)
def test_mistakes_in_a_workflow_stop_it_with_one_line(function, words):
    with pytest.raises(InputError, match=words):
        play(scene(function), speaking(), ["go"], (0,))


async def sub(team, task):
    return (await team.say("checker", task)).text


async def nested(team, task):
    answers = await asyncio.gather(*(team.delegate(sub, f"part {index}") for index in range(3)))
    last = await team.say("solver", *answers)
    team.reward(last, 0.5)
    return 1.0


def test_a_team_in_a_team_keeps_its_turns_apart():
    one = play(scene(nested), speaking(), ["go"], (0,))[0]
    assert sorted(call.invocation for call in one.calls) == [0, 1, 2, 3]
    assert [one.reward(call) for call in one.calls] == [1.0, 1.0, 1.0, 1.5]


class Down:
    codec = CODEC

    async def complete(self, requests):
        return [Completion("", stop=Stop.FAILED, error="refused") for _ in requests]


def test_a_model_that_gives_no_answer_is_counted_and_not_learned_from():
    seats = dict.fromkeys(("solver", "checker"), Seat(Down()))
    one = play(scene(two_turns), seats, ["go"], (0,))[0]
    assert one.events["failed_answers"] == 2 and one.outcome == 0.0 and not any(call.trained for call in one.calls)


def test_legal_answers_reach_the_model():
    async def chosen(team, task):
        return float((await team.say("solver", task, answers=("yes", "no"))).text == "yes")

    one = play(scene(chosen), speaking(), ["go"], (0,))[0]
    assert one.calls[0].message.completion.legal is not None
    assert one.outcome == 1.0


def test_it_plays_inside_a_running_loop():
    async def notebook():
        return play(scene(two_turns), speaking(), ["go"], (0,))

    assert run_async(notebook())[0].outcome == 1.0


def test_a_workflow_of_ones_own():
    @workflow("solver", solver=3)
    async def mine(team, task):
        return float(len((await team.say("solver", task)).text) > 0)

    made = staged(mine, ["go"], "mine")
    assert made.agents == ("solver",) and made.limit("solver") == 3 and made.draw(np.random.default_rng(0)) == "go"
    with pytest.raises(InputError, match="names no agents"):
        staged(two_turns, ["go"], "two_turns")
    with pytest.raises(InputError, match="no tasks"):
        staged(mine, [], "mine")
