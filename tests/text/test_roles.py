"""Roles by a model: typed answers, told again what was wrong with them, and what they cost."""

import json

import numpy as np
import pytest

from interplay.core.budget import Budget
from interplay.lm.client import Answer, scripted
from interplay.text import roles
from interplay.text.genome import Genome
from interplay.text.roles import Aim, Example, Step, Summary, Track
from interplay.text.trial import Trial, failed

PARENT, CHILD = Genome({"program": "a"}), Genome({"program": "b"})
BEFORE = Summary((), ("uses age",))
TRACKS = [Track((Step(BEFORE, Summary(("uses age",), ("uses size",)), 0.25, (0.25,)),), "improvement")]
SCORES = {"a": 0.1, "b": 0.2, "c": 0.3, "d": 0.4}
TRIALS = [Trial(Genome({"program": text}), score, {"score": score}) for text, score in SCORES.items()]
BROKEN = failed(Genome({"program": "e"}), "it raised")
EXAMPLES = [*(Example(trial, BEFORE, 0.1) for trial in TRIALS), Example(BROKEN, BEFORE, -0.1)]
SUMMARIZED = {"inherited": ["uses age"], "novel": ["uses size"]}
AIMED = {"aim": "weigh size", "more": ["size"], "less": ["age"]}

ROLES = {
    "summarize": lambda ask: roles.summarizer(ask)(CHILD, PARENT, BEFORE),
    "navigate": lambda ask: roles.navigator(ask, ("size", "age"))(TRACKS, None),
    "sample": lambda ask: roles.sampler(ask)(EXAMPLES, BEFORE, Aim("weigh size"), 2),
    "criticize": lambda ask: roles.critic(ask, "A program.")(TRIALS[0]),
}
GOOD = {
    "summarize": (SUMMARIZED, Summary(("uses age",), ("uses size",))),
    "navigate": (AIMED, Aim("weigh size", {"age": -1.0, "size": 1.0})),
    "sample": ({"chosen": [3, 1]}, (TRIALS[3], TRIALS[1])),
    "criticize": ({"weakness": "it is slow", "reason": "it looks at all"}, "it is slow it looks at all"),
}
BAD = {
    "summarize": ["no JSON", "[1]", {"inherited": [], "novel": ["x"]}, {"inherited": ["uses age"], "novel": []},
                  {"inherited": "uses age", "novel": ["x"]}, {"inherited": ["word " * 90], "novel": ["x"]}, {"novel": [3]}],
    "navigate": [{}, {"aim": " "}, {"aim": "word " * 61}, {"aim": "on", "more": ["speed"]}, {"aim": ["on"]}],
    "sample": [{}, {"chosen": []}, {"chosen": [5]}, {"chosen": [0, 1, 2]}, {"chosen": ["0"]}, {"chosen": 1}],
    "criticize": [{"weakness": "slow"}, {"weakness": 3, "reason": "x"}],
}  # fmt: skip


def heard(answers):
    """A scripted model, and what it was told."""
    model, talks = scripted(answers), []
    return (lambda talk: talks.append(list(talk)) or model(talk)), talks


@pytest.mark.parametrize("role", ROLES)
def test_a_good_answer_is_typed_and_counted(role):
    answer, expected = GOOD[role]
    said = ROLES[role](scripted([f"Gladly: {json.dumps(answer)}"]))
    assert said.value == expected and not said.failure
    assert said.spent.calls == 1 and said.spent.tokens > 20


@pytest.mark.parametrize(("role", "answer"), [(role, answer) for role, some in BAD.items() for answer in some])
def test_a_bad_answer_is_told_back_and_answered_again(role, answer):
    wrong = answer if isinstance(answer, str) else json.dumps(answer)
    ask, talks = heard([wrong, json.dumps(GOOD[role][0])])
    said = ROLES[role](ask)
    assert said.value == GOOD[role][1] and said.spent.calls == 2
    assert talks[1][-2]["content"] == wrong and "cannot be used" in talks[1][-1]["content"]


@pytest.mark.parametrize("role", ROLES)
def test_a_model_that_never_answers_well_is_given_up(role):
    said = ROLES[role](scripted(["I would rather not."]))
    assert said.value is None and "no usable answer" in said.failure and said.spent.calls == roles.TRIES
    down = ROLES[role](lambda talk: Answer("", Budget(calls=4), "the endpoint answered with status 503"))
    assert down.value is None and "503" in down.failure and down.spent.calls == 4


def test_prompts_hold_what_roles_read_and_no_programs_where_summaries_stand_for_them():
    asks = {role: heard([json.dumps(GOOD[role][0])]) for role in ROLES}
    for role, play in ROLES.items():
        play(asks[role][0])
    told = {role: "\n".join(each["content"] for each in talks[0]) for role, (_, talks) in asks.items()}
    assert (
        "+program = b" in told["summarize"] and "-program = a" in told["summarize"] and "uses age" in told["summarize"]
    )
    assert "+0.2500" in told["navigate"] and "uses size" in told["navigate"] and "size, age" in told["navigate"]
    assert "4: failed" in told["sample"] and "program =" not in told["sample"] + told["navigate"]
    assert "score: 0.100" in told["criticize"]


def test_nothing_is_asked_where_there_is_nothing_to_say():
    never = lambda talk: pytest.fail("asked")
    assert roles.navigator(never)([], np.random.default_rng(0)).value == Aim()
    assert len(roles.sampler(never)(EXAMPLES[:2], BEFORE, Aim(), 3).value) == 2


def test_proposals_are_new_texts_with_their_parent():
    block = "<<<<<<< SEARCH\nprogram = a\n=======\nprogram = {}\n>>>>>>> REPLACE"
    read = lambda text: Genome({"program": text.removeprefix("program = ").strip()})
    known = lambda genome: genome.parts["program"] == "b"
    ask, talks = heard([block.format("b"), block.format("c")])
    said = roles.propose(ask, [], PARENT, read, known)
    assert (
        said.value == Genome({"program": "c"}, (PARENT.hash,), "model") and "tried already" in talks[1][-1]["content"]
    )
