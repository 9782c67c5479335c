"""The typed mutator: children are well typed, no larger than they may be, new, and the same for the same seed."""

import numpy as np

from interplay.text import mutator, rules
from interplay.text.expression import parse, size, write
from interplay.text.mutator import Language, change, folded

LANGUAGE = Language(rules.SLOTS, rules.LEAVES, 60)
SEED, MATE = rules.read(rules.SEEDS["cfr-plus"]), rules.read(rules.SEEDS["vad-cfr"])


def walk(seed, steps=150):
    rng, now, hows = np.random.default_rng(seed), SEED, []
    for _ in range(steps):
        made = change(LANGUAGE, now, MATE, rng, lambda child: False)
        assert made is not None
        now = made.formulas
        hows.append(made.how)
        rules.check(now)
        assert size(*now) <= LANGUAGE.largest
        assert rules.read(rules.listing(now)) == now
    return now, hows


def test_children_of_children_stay_well_typed_and_readable():
    for seed in range(4):
        walk(seed)


def test_the_same_seed_gives_the_same_children():
    assert walk(3, 40) == walk(3, 40) != walk(4, 40)


def test_every_kind_of_change_is_drawn():
    hows = {part for seed in range(3) for how in walk(seed)[1] for part in how.split(", ")}
    wanted = {"constant", "grown part", "wrap", "condition", "memory", "cut", "hoist", "crossover", "operation", "leaf"}
    assert wanted | {"fading", "power", "sign split"} <= hows


def test_children_that_are_refused_are_not_proposed():
    assert change(LANGUAGE, SEED, MATE, np.random.default_rng(0), lambda child: True) is None


def test_trivial_parts_are_folded_away():
    for text, short in [("R * 1 + 0", "R"), ("abs(abs(R))", "abs(R)"), ("where(t > 1, R, R)", "R"), ("-(-R)", "R")]:
        assert write(folded(parse(text))) == short


def test_edits_have_shares_that_sum_to_one():
    assert mutator._SHARES.sum() == 1.0 or abs(mutator._SHARES.sum() - 1) < 1e-12
