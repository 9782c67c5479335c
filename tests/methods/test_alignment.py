"""Advantage Alignment's settings, and that tables learn what the method is for in a few seconds."""

import jax
import numpy as np
import pytest

from interplay.core.errors import InputError
from interplay.measure import reciprocity
from interplay.methods import alignment_games

DILEMMA = "interplay.games.iterated:prisoners_dilemma"


def learned(updates=150, **changes):
    method = alignment_games.build(alignment_games.Settings(game=DILEMMA, rate=10.0, **changes))
    state = method.init(jax.random.key(0))
    state, _ = jax.lax.scan(method.step, state, jax.random.split(jax.random.key(1), updates))
    return np.asarray(method.team(state).tables()[0], float)


@pytest.mark.slow
def test_aligned_tables_cooperate_and_are_not_exploited_where_naive_ones_defect():
    payoffs = alignment_games.games.make(DILEMMA).payoffs
    aligned, naive = learned(), learned(alignment=0.0)
    alone = lambda table: reciprocity.earned(table, table, payoffs, 10)[0]
    assert alone(aligned) > 2.2 and alone(naive) < 1.4
    assert reciprocity.earned(aligned, reciprocity.ALWAYS_DEFECT, payoffs, 10)[0] > 0.75
    victim = learned(alignment=0.0, rewards="sum")
    assert alone(victim) > 2.7 and reciprocity.earned(victim, reciprocity.ALWAYS_DEFECT, payoffs, 10)[0] < 0.5


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"baseline": "other"}, "did you mean others"),
        ({"past": "after"}, "past is 'after'"),
        ({"game": "cartpole"}, "two or more"),
        ({"policy": "tables"}, "did you mean table"),
    ],
)
def test_wrong_settings_of_array_games(changes, words):
    with pytest.raises(InputError, match=words):
        alignment_games.build(alignment_games.Settings(**{"game": DILEMMA, **changes}))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"compared": "tasks"}, "did you mean task"),
        ({"reward_scale": 0.0}, "above 0"),
        ({"shape": "signs"}, "did you mean sign"),
    ],
)
def test_wrong_settings_of_language_teams(changes, words):
    from interplay.methods import advantage_alignment

    with pytest.raises(InputError, match=words):
        advantage_alignment.build(advantage_alignment.Settings(game="interplay.lm.tasks.dilemma:dilemma", **changes))
