"""Genomes, trials and budgets: names, differences, ancestors, what JSON gives back, and when a search may go on."""

import pytest

from interplay.core.budget import Budget
from interplay.core.errors import InputError
from interplay.text.edits import Block, applied, blocks
from interplay.text.genome import Genome, diff, lineage
from interplay.text.trial import WORST, Allowance, Trial, allowance, failed


def test_the_hash_is_of_the_text_and_of_where_parts_end():
    assert Genome({"a": "x"}).hash == Genome({"a": "x"}, ("p",), "copy").hash
    assert (
        len(
            {
                Genome(parts).hash
                for parts in ({"a": "x"}, {"a": "y"}, {"b": "x"}, {"a": "x b", "c": ""}, {"a": "x", "b": ""})
            }
        )
        == 5
    )


def test_a_difference_names_only_what_changed():
    old, new = Genome({"a": "1", "b": "one\ntwo"}), Genome({"a": "1", "b": "one\nthree", "c": "new"})
    assert diff(old, new).splitlines() == [" b:", " one", "-two", "+three", "+c = new"]
    assert diff(old, old) == ""


def test_lineage_goes_to_the_first_ancestor_and_no_circle_holds_it():
    first = Genome({"a": "1"})
    second = Genome({"a": "2"}, (first.hash,))
    third = Genome({"a": "3"}, (second.hash, first.hash))
    book = {genome.hash: genome for genome in (first, second, third)}
    assert lineage(book, third.hash) == [first, second, third]
    looped = Genome({"a": "1"}, (second.hash,))
    assert len(lineage(book | {looped.hash: looped}, third.hash)) == 3
    with pytest.raises(InputError, match="no candidate"):
        lineage(book, "nobody")


def test_trials_come_back_from_json():
    good = Trial(Genome({"a": "1"}, ("p",), "cut"), 1.5, {"m": 2.0}, {"log": "words"})
    for trial in (good, failed(good.genome, "broke")):
        assert Trial.from_json(trial.as_json()) == trial
    assert failed(good.genome, "broke").score == WORST


def test_budgets_in_words():
    assert allowance("2000") == Allowance(evaluations=2000)
    assert allowance("20min, 1e6 tokens") == Allowance(seconds=1200, tokens=1_000_000)
    assert allowance("1.5 money, 30 calls, 2h") == Allowance(money=1.5, calls=30, seconds=7200)
    for text in ("", "0", "-3", "many", "3 parsec", "nan", "1e400"):
        with pytest.raises(InputError, match="cannot read the budget"):
            allowance(text)


def test_whatever_is_used_up_first_ends_a_search():
    allowed = Allowance(evaluations=10, tokens=100)
    assert allowed.used_up(Budget(evaluations=9, tokens=99)) == ""
    assert allowed.used_up(Budget(evaluations=9, tokens=100)) == "tokens"
    assert allowed.share(Budget(evaluations=5, tokens=80)) == 0.8


TEXT = "a = 1\nb = 2\nc = 2"


def test_edits_are_made_one_after_the_other():
    first = "<<<<<<< SEARCH\r\nb = 2\r\n=======\r\nb = 3\r\nd = 4\r\n>>>>>>> REPLACE"
    answer = f"Better:\r\n{first}\r\nand\n<<<<<<< SEARCH\nc = 2\n=======\n>>>>>>> REPLACE"
    assert applied(TEXT, blocks(answer)) == "a = 1\nb = 3\nd = 4\n"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("", "no change"),
        ("weigh = t ^ 2", "no change"),
        ("<<<<<<< SEARCH\na = 1\n=======\nb", "do not end"),
        ("<<<<<<< SEARCH\na = 9\n=======\nb\n>>>>>>> REPLACE", "not in the text"),
        ("<<<<<<< SEARCH\n= 2\n=======\n= 3\n>>>>>>> REPLACE", "2 times"),
        ("<<<<<<< SEARCH\n=======\n= 3\n>>>>>>> REPLACE", "not in the text"),
    ],
)
def test_edits_that_cannot_be_made_say_why(answer, words):
    with pytest.raises(InputError, match=words):
        applied(TEXT, blocks(answer))
    assert blocks(f"<<<<<<< SEARCH\n{TEXT}\n=======\n{TEXT}\n>>>>>>> REPLACE") == [Block(TEXT, TEXT)]
