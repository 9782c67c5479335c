"""What tables earn from each other, against play and against every rule there is."""

import itertools

import numpy as np
import pytest

from interplay.games.iterated import prisoners_dilemma
from interplay.measure.reciprocity import (
    ALWAYS_COOPERATE,
    ALWAYS_DEFECT,
    TIT_FOR_TAT,
    earned,
    exploited,
    joint,
    mirrored,
)

PAYOFFS = prisoners_dilemma().payoffs
RNG = np.random.default_rng(0)


def drawn():
    chance = RNG.uniform(size=(5, 1))
    return np.concatenate([chance, 1 - chance], 1)


@pytest.mark.parametrize(
    ("own", "other", "pays"),
    [
        (TIT_FOR_TAT, TIT_FOR_TAT, (3, 3)),
        (ALWAYS_DEFECT, ALWAYS_COOPERATE, (5, 0)),
        (TIT_FOR_TAT, ALWAYS_DEFECT, (0.9, 1.4)),
        (ALWAYS_DEFECT, ALWAYS_DEFECT, (1, 1)),
    ],
)
def test_known_pairs(own, other, pays):
    np.testing.assert_allclose(earned(own, other, PAYOFFS, 10), pays)


def test_what_is_earned_is_the_mean_over_all_ways_a_game_can_go():
    own, other = drawn(), drawn()
    total = np.zeros(2)
    for way in itertools.product(itertools.product((0, 1), repeat=2), repeat=3):
        chance, rows = 1.0, (0, 0)
        for a, b in way:
            chance *= own[rows[0], a] * other[rows[1], b]
            rows = (1 + 2 * a + b, 1 + 2 * b + a)
        total += chance * sum(PAYOFFS[:, a, b] for a, b in way) / 3
    np.testing.assert_allclose(earned(own, other, PAYOFFS, 3), total)
    np.testing.assert_allclose(earned(other, own, PAYOFFS, 3), total[::-1])


def test_a_best_response_is_the_best_of_all_rules_that_count_rounds():
    agent = drawn()
    later = itertools.product((0, 1), repeat=5)  # of the first round only the first row is ever seen
    rules = (np.array([[first] * 5, rule]) for first, rule in itertools.product((0, 1), later))
    best = max(_followed(one, agent) for one in rules)
    found = exploited(agent, PAYOFFS, 2)
    np.testing.assert_allclose(found.responder, best)
    assert found.responder >= max(earned(rule, agent, PAYOFFS, 2)[0] for rule in (ALWAYS_COOPERATE, ALWAYS_DEFECT))


def _followed(rules, agent):
    chance, total = np.eye(5)[0], 0.0
    for rule in rules:
        both = joint(np.eye(2)[rule], agent)
        chosen = np.einsum("s,sab->ab", chance, both)
        total += (chosen * PAYOFFS[0]).sum() / 2
        chance = np.concatenate([[0.0], chosen.reshape(-1)])
    return total


def test_who_can_be_exploited_is():
    assert exploited(ALWAYS_COOPERATE, PAYOFFS, 10)[:2] == (5.0, 0.0)
    assert exploited(ALWAYS_DEFECT, PAYOFFS, 10)[:2] == (1.0, 1.0)
    assert exploited(TIT_FOR_TAT, PAYOFFS, 10).rules[:, 0].tolist() == [0] * 9 + [1]


def test_the_other_sees_the_table_the_other_way_round():
    assert mirrored(3)[mirrored(3)].tolist() == list(range(10))
