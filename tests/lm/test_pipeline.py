"""Episodes that outlast updates: who is admitted, who is learned from, who is dropped, and that no word is drawn twice."""

import numpy as np
import pytest

pytest.importorskip("torch")

from interplay.core.errors import GameError, InputError
from interplay.lm.pipeline import Pace, Pipeline, marked
from interplay.lm.play import Limits, Seat, play
from interplay.lm.scene import Scene
from interplay.lm.scripted import Scripted
from interplay.lm.update import Row
from interplay.lm.words import Words

CODEC = Words(["go", "yes", "no", *(f"v{version}" for version in range(40))], ["solver", "checker"])
ASKED: list[int] = []


class Speaker(Scripted):
    """Says which weights speak, and counts who asks."""

    async def complete(self, requests):
        ASKED.append(len(requests))
        return await super().complete(requests)


def line(workflow, lengths, tasks=2, group=2, in_flight=2, staleness=1, now=(0,), calls=40):
    """A team that says what `now` says, about tasks that are as long as `lengths`, in turn by their seeds."""
    turn = iter(lengths)
    drawn: dict[tuple, int] = {}

    def draw(random):
        place = (random.bit_generator.state["state"]["state"], random.random())
        if place not in drawn:
            drawn[place] = next(turn, 1)
        return drawn[place]

    scene = Scene("test", ("solver", "checker"), workflow, draw, calls=calls)
    seat = Seat(Speaker(CODEC, lambda request, random: f"v{now[0]}"))
    ASKED.clear()
    pace = Pace(tasks, group, in_flight, staleness)
    return Pipeline(scene, {"solver": seat, "checker": seat}, Limits(), pace)


async def as_long_as_asked(team, task):
    said = []
    for _ in range(task):
        said.append(await team.say("solver", "go", *said))
    return float(len(said))


def updates(pipeline, now, count=4):
    flight, found = pipeline.empty(2), []
    for version in range(count):
        now[0] = version
        one = pipeline.gathered(flight, (7, version), version)
        flight = one.flight
        found.append(one)
    return found


def test_slow_episodes_hold_no_update_up_and_go_on_in_the_words_of_new_weights():
    now = [0]
    found = updates(line(as_long_as_asked, [5, 1, 1, 1, 1], now=now, staleness=3), now, 3)
    quick, second, last = found
    assert [len(one.calls) for one in quick.played] == [1] * 4 and quick.told["batches"] == 2
    assert quick.told["under_way"] >= 1 and quick.task.tolist() == [0, 0, 1, 1]
    slow = [one for one in (*second.played, *last.played) if len(one.calls) == 5]
    assert len(slow) == 2  # both attempts at the long task
    for one in slow:
        versions = [call.version for call in one.calls]
        assert [call.message.text for call in one.calls] == [f"v{version}" for version in versions]
        assert versions == sorted(versions) and versions[0] == 0 and versions[-1] > 0 and one.outcome == 5.0
        np.testing.assert_array_equal(one.path(0).version[one.path(0).own], versions[0])
    whole = sum(len(one.calls) for update in found for one in update.played)
    assert whole <= sum(ASKED) and max(ASKED) <= 2 * 2  # in flight × group
    assert last.told["staleness"] > 0 and last.told["staleness_most"] <= 3 and last.told["strayed"] == 0


def test_no_word_is_drawn_twice_and_none_is_lost():
    now = [0]
    pipeline = line(as_long_as_asked, [9, 2, 3, 1, 4, 2, 1, 3, 2, 2, 2, 2], now=now, staleness=9, in_flight=3)
    found = updates(pipeline, now, 5)
    under_way = int((found[-1].flight.length >= 0).sum())
    assert sum(ASKED) == sum(len(one.calls) for update in found for one in update.played) + under_way
    seeds = [one.seed for update in found for one in update.played]
    assert len(set(seeds)) == len(seeds) == 5 * 2 * 2
    assert sum(update.told["dropped"] for update in found) == 0


def test_what_would_be_older_than_allowed_is_dropped_and_counted():
    now = [0]
    pipeline = line(as_long_as_asked, [30] + [1] * 40, now=now, staleness=1, in_flight=4)
    found = updates(pipeline, now, 6)
    assert sum(update.told["dropped"] for update in found) == 1
    assert all(len(one.calls) == 1 for update in found for one in update.played)
    assert all(update.told["staleness_most"] <= 1 for update in found)


@pytest.mark.parametrize("staleness", [0, 1, 3])
def test_no_more_is_admitted_than_can_be_learned_from_in_time(staleness):
    now, lengths = [0], np.random.default_rng(0).integers(1, 6, 200)
    pipeline = line(as_long_as_asked, lengths.tolist(), tasks=3, in_flight=8, staleness=staleness, now=now, group=1)
    found = updates(pipeline, now, 6)
    for version, update in enumerate(found):
        assert update.told["under_way"] <= staleness * 3 and update.told["staleness_most"] <= staleness
        oldest = min(call.version for one in update.played for call in one.calls)
        assert version - oldest == update.told["staleness_most"]
    ages = [update.told["staleness"] for update in found]
    assert (max(ages) > 0) == (staleness > 0)
    assert found[-1].flight.place.shape == (staleness * 3,)


def test_the_rule_of_admission():
    pace = Pace(tasks=4, group=8, in_flight=6, staleness=2)
    assert [pace.admits(talking, waiting) for talking, waiting in ((0, 0), (6, 0), (3, 8), (2, 10), (0, 14))] == [
        6, 0, 1, 0, 0,
    ]  # fmt: skip
    for wrong in ({"tasks": 0}, {"in_flight": 0}, {"staleness": -1}):
        with pytest.raises(InputError, match="give 1 or more"):
            Pace(**({"tasks": 1, "group": 1, "in_flight": 1, "staleness": 0} | wrong))


async def two_at_once(team, task):
    """Branches that ask side by side, one of them in a team of its own."""
    import asyncio

    async def branch(part, task):
        said = [await part.say("solver", "go")]
        for _ in range(task):
            said.append(await part.say("checker", *said))
        return said[-1]

    one, other = await asyncio.gather(branch(team, task), team.delegate(branch, task + 1))
    return float(one.text == other.text)


def heard(transcript):
    return [
        (call.agent, call.message.text, call.invocation, call.version, tuple(message.text for message in call.context))
        for call in transcript.calls
    ]


def test_branches_of_an_episode_go_on_where_each_of_them_stood():
    now = [0]
    pipeline = line(two_at_once, [6, 1, 1, 2, 1, 1, 2, 1, 1], now=now, staleness=4)
    found = updates(pipeline, now, 4)
    assert all(update.told["strayed"] == 0 for update in found)
    long = [one for update in found for one in update.played if len(one.calls) > 10]
    assert long and len({call.version for call in long[0].calls}) > 1
    for one in long:
        order = [call.version for call in one.calls]
        assert order == sorted(order)
        assert [call.message.text for call in one.calls] == [f"v{version}" for version in order]
        assert [agent for agent, *_ in heard(one)[:2]] == ["solver", "solver"]


def test_a_workflow_that_does_otherwise_the_second_time_learns_from_nothing_it_did_not_read():
    times, now = [0], [0]

    async def moody(team, task):
        times[0] += 1
        said = await team.say("solver", "go" if task == 1 else "yes" if times[0] % 2 else "no")
        for _ in range(task):
            said = await team.say("checker", said)
        return 1.0

    pipeline = line(moody, [6, 1, 1, 1, 1, 1, 1], now=now, staleness=5, group=1)
    found = updates(pipeline, now, 5)
    assert sum(update.told["strayed"] for update in found) > 0
    for update in found:
        for one in update.played:
            assert [call.message.text for call in one.calls] == [f"v{call.version}" for call in one.calls]


def test_workflows_that_fail_or_cannot_be_played_say_so():
    async def broken(team, task):
        await team.say("solver", "go")
        raise ValueError("no")

    async def stranger(team, task):
        return float(bool(await team.say("nobody", task)))

    with pytest.raises(GameError, match="every episode of test failed: ValueError: no"):
        updates(line(broken, [1] * 9), [0], 1)
    with pytest.raises(InputError, match="nobody speaks for 'nobody'"):
        updates(line(stranger, [1] * 9), [0], 1)


def test_without_staleness_it_is_play():
    now, lengths = [3], [3, 1, 2, 4]
    pipeline = line(as_long_as_asked, lengths, tasks=4, in_flight=9, staleness=0, now=now)
    found = pipeline.gathered(pipeline.empty(2), (5, 6), 3)
    batches = list(ASKED)
    ASKED.clear()
    tasks = np.repeat(lengths, 2).tolist()
    theirs = play(pipeline.scene, pipeline.seats, tasks, (5, 6, 1), version=3)
    assert batches == ASKED and [one.seed for one in found.played] == [one.seed for one in theirs]
    assert [heard(one) for one in found.played] == [heard(one) for one in theirs]
    assert found.told["staleness"] == found.told["dropped"] == found.told["under_way"] == 0


def test_rows_know_which_of_their_tokens_are_stale():
    now = [0]
    found = updates(line(as_long_as_asked, [5, 1, 1, 1, 1], now=now, staleness=3), now, 3)
    one = next(one for update in found for one in update.played if len(one.calls) == 5)
    chain = one.chains()[0]
    row = marked([Row(one.path(*chain), dict.fromkeys(chain, 1.0), 0)], 2)[0]
    assert row.stale.tolist() == [one.calls[turn].version < 2 for turn in row.path.turn[row.path.own].tolist()]
    assert row.stale.any() and marked([row], 0)[0].stale is None
