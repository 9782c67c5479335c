"""What a replay is given: every step with the one it led to, before the next episode begins."""

from typing import Any

import jax
import numpy as np
import pytest

from interplay import games
from interplay.core.errors import InputError
from interplay.methods.baselines import random
from interplay.play import scan

KEY = jax.random.key(0)


def played(length):
    game: Any = games.make("spread")
    team: Any = random.Uniform(game.spec)  # pyright: ignore[reportCallIssue]
    gather = scan.experience(game, 3, length)
    return gather(team, gather.init(team, KEY), KEY), scan.steps(game, 3, length)(team, gather.init(team, KEY), KEY)


def test_it_is_the_play_that_is_recorded_for_on_policy_methods():
    (play, rows, finished), (again, record, same) = played(60)
    for a, b in zip(jax.tree.leaves((play, finished)), jax.tree.leaves((again, same)), strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(rows.decision.action, record.decision.action)
    np.testing.assert_array_equal(rows.arrived.reward, record.reward)
    np.testing.assert_array_equal(rows.started, record.started)


def test_a_row_leads_to_the_next_one_except_at_an_end():
    rows = played(60)[0][1]
    done: Any = np.asarray(rows.arrived.terminated | rows.arrived.truncated)
    assert done.any()
    np.testing.assert_array_equal(rows.started[1:], done[:-1])
    same: Any = np.asarray(rows.arrived.observation[:-1] == rows.time_step.observation[1:]).all((2, 3))
    assert same[~done[:-1]].all()
    assert not same[done[:-1]].any()


def test_the_sequence_is_what_was_seen_first_and_what_followed():
    rows = played(5)[0][1]
    sequence = rows.sequence().observation
    np.testing.assert_array_equal(sequence[:5], rows.time_step.observation)
    np.testing.assert_array_equal(sequence[5], rows.arrived.observation[4])


def test_games_in_python_are_refused():
    pytest.importorskip("pettingzoo")
    with pytest.raises(InputError, match="use an on-policy method"):
        scan.experience(games.make("pettingzoo:classic/tictactoe_v3"), 2, 2)
