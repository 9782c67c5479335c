"""Programs that give numbers: how they are read, what they use, and that all changes of them are programs again."""

import numpy as np
import pytest

from interplay.core.errors import InputError
from interplay.text import program_changes, programs
from interplay.text.program_changes import EDITS, Language
from interplay.text.programs import Interface
from interplay.text.systems import TASKS

SHOWN = Interface({"rank": {"job": {"size": "of it", "due": "when"}, "all": {"work": "in all"}}})
TEXT = "def rank(job, all):\n    return {}"


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("job.size", {"+job.size"}),
        ("-job.size", {"-job.size"}),
        ("job.due - (job.size - all.work)", {"+job.due", "-job.size", "+all.work", "-"}),
        ("over(job.due, -job.size)", {"+job.due", "+job.size", "over"}),
        ("job.due / job.size", {"+job.due", "-job.size", "over"}),
        ("-2.0 * job.size", {"-job.size", "*"}),
        ("log(job.size) if all.work > 3 else 0", {"+job.size", "+all.work", "log", "if"}),
    ],
)
def test_traits_have_the_sign_with_which_a_feature_counts(formula, expected):
    found = programs.traits(TEXT.format(formula), SHOWN)
    assert set(found) == {f"rank: {each}" for each in expected}


def test_one_form_whatever_is_written_around_a_program():
    assert SHOWN.read("# mine\ndef rank(a, b):  return (a.size)\n") == "def rank(a, b):\n    return a.size"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def rank(job:", "no Python"),
        ("def order(job, all):\n    return 1", "lacks rank"),
        ("def rank(job):\n    return 1", "let it take"),
        ("def rank(job, all):\n    return " + "1 + " * 2000 + "1", "at most"),
    ],
)
def test_what_is_no_program_is_said(text, words):
    with pytest.raises(InputError, match=words):
        SHOWN.read(text)


@pytest.mark.parametrize("name", TASKS)
def test_children_are_new_programs_that_say_what_was_done(name):
    task, rng = TASKS[name], np.random.default_rng(0)
    texts = [task.genome(text).parts["program"] for text in (task.start, *task.known.values())]
    known, done = set(texts), set()
    for _ in range(60):
        parent, mate = (texts[int(rng.integers(len(texts)))] for _ in range(2))
        made = program_changes.change(Language(task.interface), parent, mate, rng, known.__contains__)
        assert made is not None and made.text not in known and len(made.text) <= 600
        assert task.interface.read(made.text) == made.text
        assert programs.traits(made.text, task.interface) or "0" in made.text
        texts, known = [*texts, made.text], known | {made.text}
        done |= {each.split(": ")[1] for each in made.how.split(", ")}
    assert len(done & set(EDITS)) >= 7


def test_programs_written_by_others_can_be_changed_too():
    text = (
        "def rank(j, a):\n    best = 0\n    for k in range(3):\n        best = max(best, j.size * k)\n    return best"
    )
    own = TEXT.format("job.due")
    rng = np.random.default_rng(1)
    for _ in range(40):
        assert program_changes.change(Language(SHOWN), text, own, rng) is not None
        assert program_changes.change(Language(SHOWN), own, text, rng) is not None


def test_a_lean_brings_in_what_it_favors_and_no_lean_is_an_even_one():
    lean = {"rank: +all.work": 3.0}
    count = lambda lean: sum(
        "all.work"
        in program_changes.change(Language(SHOWN), TEXT.format("job.due"), TEXT.format("job.due"), rng, lean=lean).text
        for rng in map(np.random.default_rng, range(150))
    )
    assert count(lean) > 1.5 * count(None)
    assert count({}) == count(None) == count(dict.fromkeys(lean, 0.0))
