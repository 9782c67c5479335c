"""The language of rules: text and tree say the same, types hold, and nothing that is read can do anything but compute."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interplay.core.errors import InputError
from interplay.text import mutator, rules
from interplay.text.expression import NUMBER, ROW, TABLE, kind, parse, size, write
from interplay.text.tape import blank, interpreter, tape

LEAVES = {"R": TABLE, "r": TABLE, "t": NUMBER, "m": ROW}
LANGUAGE = mutator.Language(rules.SLOTS, rules.LEAVES, 60)


def value(text, legal=None, **leaves):
    legal = np.ones((2, 3), bool) if legal is None else legal
    program = tape([parse(text)], LEAVES)
    with np.errstate(all="raise"):
        return interpreter(program, np, legal)(leaves, blank(program, legal), True)[0][0]


@pytest.mark.parametrize("name", rules.SEEDS)
def test_every_known_rule_reads_as_it_is_written(name):
    formulas = rules.read(rules.SEEDS[name])
    assert rules.read(rules.listing(formulas)) == formulas
    assert rules.read("".join(f"{slot} = {text}\n" for slot, text in rules.parts(formulas).items())) == formulas
    assert size(*formulas) <= 60


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_random_expressions_read_as_they_are_written(seed):
    node = mutator.grow(LANGUAGE, np.random.default_rng(seed), 5)
    assert parse(write(node)) == node


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a - (b - c)", "a - (b - c)"),
        ("a - b - c", "a - b - c"),
        ("(2 ^ 3) ^ x", "(2 ^ 3) ^ x"),
        ("2 ^ (3 ^ x)", "2 ^ 3 ^ x"),
        ("(-2) ^ x", "(-2) ^ x"),
        ("-x ^ 2", "-x ^ 2"),
        ("-(3) * x", "-(3) * x"),
        ("2 - -3", "2 - -3"),
        ("R < 2", "2 > R"),
        ("((a)) * (b + c)", "a * (b + c)"),
    ],
)
def test_only_brackets_that_are_needed_are_written(text, said):
    assert write(parse(text)) == said
    assert parse(said) == parse(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "a value is missing"),
        ("max(R, 1", "')' is missing"),
        ("R +", "the text ends"),
        ("R r", "one too many"),
        ("import_(R)", "no operation is called 'import_'"),
        ("R.real", "no rule holds '.'"),
        ("max(R)", "takes 2 values"),
        ("where(R, 1, 2)", "takes a comparison"),
        ("rowmax(t)", "takes a table"),
        ("ema(R, t)", "a constant between 0 and 1"),
        ("ema(R, 2)", "a constant between 0 and 1"),
        ("Q + 1", "nothing is called 'Q'"),
        ("(R > 0) + 1", "takes numbers"),
        ("(" * 100 + "R", "nested more than"),
        ("-" * 5000 + "R", "nested more than"),
        ("1e999", "too large"),
        ("R + " * 9000 + "R", "too long"),
    ],
)
def test_what_cannot_be_read_is_said_in_words(text, words):
    with pytest.raises(InputError, match=words.replace("(", r"\(").replace(")", r"\)").replace(".", r"\.")):
        kind(parse(text), LEAVES)


def test_operations_by_hand():
    table = np.array([[1.0, -2.0, 3.0], [0.0, 0.0, -1.0]])
    assert value("R / 0", R=table).tolist() == np.zeros((2, 3)).tolist()
    assert value("fade(t, 1.5)", t=4.0) == pytest.approx(8 / 9)
    assert value("fade(t, 0)", t=0.0) == 0.5
    np.testing.assert_allclose(value("R ^ -1", R=table), [[1, 0, 1 / 3], [0, 0, 0]])
    np.testing.assert_allclose(value("normalise(R)", R=table), [[0.25, 0, 0.75], [1 / 3] * 3])
    np.testing.assert_allclose(value("rowmax(abs(R))", R=table), [[3], [1]])
    np.testing.assert_allclose(value("where(R >= 0, 1, 0.5) * R", R=table), [[1, -1, 3], [0, 0, -0.5]])
    assert value("pool(R)", R=table) == pytest.approx(1 / 6)


def test_moves_that_are_none_count_in_no_sum_or_maximum():
    table, legal = np.array([[-1.0, -2.0, 9.0]]), np.array([[True, True, False]])
    assert value("rowmax(R)", legal, R=table).tolist() == [[-1]]
    assert value("rowmean(R)", legal, R=table).tolist() == [[-1.5]]
    assert value("normalise(R)", legal, R=table).tolist() == [[0.5, 0.5, 0]]
    assert value("softmax(0 * R)", legal, R=table).tolist() == [[0.5, 0.5, 0]]


def test_memory_is_a_running_mean_or_the_last_value():
    program = tape([parse("ema(R, 0.25)"), parse("ema0(R, 0.25)"), parse("before(R)")], LEAVES)
    legal = np.ones((1, 1), bool)
    run, kept = interpreter(program, np, legal), blank(program, legal)
    rows = []
    for t, number in enumerate((4.0, 8.0)):
        found, kept = run({"R": np.array([[number]])}, kept, t == 0)
        rows.append([float(each[0, 0]) for each in found])
    assert rows == [[4, 1, 0], [5, 2.75, 4]]


def test_parts_that_stand_twice_are_worked_out_once():
    assert len(tape([parse("ema(abs(r), 0.1) + ema(abs(r), 0.1)")], LEAVES).memories) == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("accumulate = R\nstrategy = R\n", "no line 'weigh"),
        ("accumulate = R\nstrategy = R\nweigh = r\n", "one number a row"),
        ("accumulate = R > 0\nstrategy = R\nweigh = 1\n", "takes numbers"),
        ("a = 1\na = 2\n", "given twice"),
        ("R = 1\n", "given twice"),
        ("hello\n", "write NAME = FORMULA"),
    ],
)
def test_rules_that_lack_something_say_what(text, words):
    with pytest.raises(InputError, match=words):
        rules.read(text)
