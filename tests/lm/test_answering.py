"""Models in this process that are asked as endpoints are: what they are asked, what it costs, and what goes wrong."""

import dataclasses

import pytest

from interplay.core.budget import Budget
from interplay.core.errors import InputError
from interplay.lm import answering
from interplay.lm.answering import asker
from interplay.lm.client import NOTHING, Answer
from interplay.lm.model import Completion, Stop
from interplay.lm.scripted import Scripted, always
from interplay.lm.words import Words

CODEC = Words([*"abcdefgh", "be", "brief", "well"], [answering.SELF])
TALK = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "well"}]


def drawn(request, random):
    return "abcdefgh"[random.integers(8)]


def test_it_reads_the_chat_and_the_system_is_its_role():
    asked = []
    model = Scripted(CODEC, lambda request, random: asked.append(request) or "a b")
    said = [*TALK, {"role": "assistant", "content": "a"}, {"role": "user", "content": "b"}]
    answer = asker(model, longest=7, temperature=0.5)(said)
    assert CODEC.decode(asked[0].tokens) == "<model> be brief <note> well <say> a <note> b <say>"
    assert [each.text for each in asked[0].reads] == ["well", "a", "b"] and asked[0].role == "be brief"
    assert asked[0].limit == 7 and asked[0].temperature == 0.5
    assert answer == Answer("a b", Budget(calls=1, tokens=len(asked[0].tokens) + 3), finish="stop", written=3)


def test_answers_follow_from_the_seed_the_question_and_how_often_it_was_asked():
    many = lambda seed: [asker(Scripted(CODEC, drawn), seed=seed)(TALK).text for _ in range(5)]
    ask, again, other = (asker(Scripted(CODEC, drawn), seed=seed) for seed in (0, 0, 1))
    texts = [ask(TALK).text for _ in range(12)]
    assert texts == [again(TALK).text for _ in range(12)] != [other(TALK).text for _ in range(12)]
    assert len(set(texts)) > 1 and len(set(many(0))) == 1
    ask(TALK[1:])
    assert ask(TALK).text == again(TALK).text  # whatever else was asked in between


@dataclasses.dataclass
class Silent:
    """A model that always says the same completion."""

    one: Completion
    codec: Words = CODEC

    async def complete(self, requests):
        return [self.one]


@pytest.mark.parametrize(
    ("one", "failure"),
    [
        (Completion("", stop=Stop.ROOM), "context"),
        (Completion("", stop=Stop.FAILED, error="it is down"), "it is down"),
        (Completion(" \n", stop=Stop.END), NOTHING),
    ],
)
def test_what_is_no_answer_is_a_failure_in_words(one, failure):
    found = asker(Silent(one))(TALK)
    assert failure in found.failure and found.spent.calls == 1


def test_an_answer_that_was_cut_says_so():
    assert asker(Silent(Completion("a", stop=Stop.LIMIT)))(TALK).finish == "length"
    assert asker(Scripted(CODEC, always("a")))(TALK).finish == "stop"


@pytest.mark.parametrize("name", ["gpt", "local", "local:", "smollm2:here", ""])
def test_models_that_do_not_run_here_are_said(name):
    with pytest.raises(InputError, match=r"smollm2 or local:FOLDER"):
        answering.named(name)
