"""What a replay is given: every step with the one it led to, before the next episode begins."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay import games
from interplay.core.errors import InputError
from interplay.core.game import Spec
from interplay.core.team import Decision, Team
from interplay.methods.baselines import random
from interplay.play import gathering, host, scan

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


class Patrol(Team):
    """Tries one action after the other, from its number on, and begins again with every episode."""

    spec: Spec
    needs: str = eqx.field(static=True, default="decentralized")

    def begin(self):
        return jnp.zeros((), jnp.int32)

    def act(self, memory, time_step, key):
        wanted = (memory + jnp.arange(self.spec.agents)) % self.spec.action.width
        action = jnp.where(jnp.take_along_axis(time_step.legal, wanted[:, None], 1)[:, 0], wanted, 0)
        nothing = jnp.zeros((self.spec.agents, self.spec.objectives))
        return memory + 1, Decision(action, nothing[:, 0], nothing + 1, {"memory": memory})


def test_a_game_in_python_gives_what_it_gives_compiled(in_python):
    """Law: without chance in game and team both gatherers record the same, over ends of episodes and between calls."""
    game: Any = games.make("treasures")
    team: Any = Patrol(game.spec)  # pyright: ignore[reportCallIssue]
    records = []
    for kind in (game, in_python(game)):
        gather = gathering.experience(kind, 3, 5)
        play = gather.init(team, KEY)
        like = gather.like(team, play)
        for key in jax.random.split(KEY, 3):
            play, rows, finished = gather(team, play, key)
            records.append((rows, finished, play.time_step, play.memory, play.started, play.total, play.length))
        assert jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), rows) == jax.tree.map(
            lambda leaf: (leaf.shape, leaf.dtype), like
        )
    assert rows.arrived.reward.shape == (5, 3, 2, 2) and records[1][1].episodes == 3
    for compiled, python in zip(records[:3], records[3:], strict=True):
        jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-6), compiled, python)


def test_each_gatherer_plays_its_own_kind_of_game(in_python):
    game = games.make("treasures")
    with pytest.raises(InputError, match=r"InPython is no Game: .*play/host\.py"):
        scan.experience(in_python(game), 2, 2)
    with pytest.raises(InputError, match=r"Treasures is no HostGame: .*play/scan\.py"):
        host.experience(lambda: game, 2, 2)
    with pytest.raises(InputError, match="2 objectives and the method learns from one reward"):
        gathering.steps(in_python(game), 2, 2)
