"""Changing what trained listeners hear changes what they do where it should, and nothing else."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay import games
from interplay.core.errors import InputError
from interplay.core.population import Population, shared
from interplay.measure import messages
from interplay.nets import message, views
from interplay.nets.seated import seated
from interplay.nets.speaker import speaking

GAME = games.make("sum-guessing", agents=3)
KEY = jax.random.key(0)


def told(channel):
    """A team whose speaker sends its decoders' biases: 1, 2 and 3, whatever anybody sees."""
    team = speaking(GAME.spec, KEY, shared(3), views.local, size=1, channel=channel, width=8, encoder=8)
    silent = jax.tree.map(jnp.zeros_like, team.decoders.members)
    fixed = eqx.tree_at(lambda decoder: decoder.bias, silent, jnp.array([[1.0], [2.0], [3.0]]))
    return dataclasses.replace(team, decoders=Population(fixed))


def what_is_heard(team, key):
    seen = GAME.reset(KEY)[1]
    noise = team.act(team.begin(), seen, key)[1].extra["noise"]
    return np.asarray(team.said(seen, noise)["message"])[:, 0]


@pytest.mark.parametrize("greedy", [False, True])
def test_each_change_does_what_it_says(greedy):
    team = told(message.continuous())
    mode = (lambda team: team.greedy()) if greedy else (lambda team: team)
    heard = {name: [what_is_heard(mode(messages.changed(team, name)), jax.random.key(k)) for k in range(20)]
             for name in ("none", "mute", "shuffle", "random")}  # fmt: skip
    assert all(row.tolist() == [1, 2, 3] for row in heard["none"])
    assert not np.any(heard["mute"])
    assert all(sorted(row) == [1, 2, 3] for row in heard["shuffle"])
    assert len({tuple(row) for row in heard["shuffle"]}) > 2
    assert len(np.unique(heard["random"])) == 60, "noise comes anew to every agent at every decision"


def test_a_discrete_channel_stays_discrete_when_running():
    team = told(message.regularized())
    assert what_is_heard(messages.changed(team, "none").greedy(), KEY).tolist() == [1, 1, 1]
    assert not np.isin(what_is_heard(messages.changed(team, "none"), KEY), [0, 1]).any()


def test_nothing_is_changed_but_the_channel_and_every_row_plays_the_same_episodes():
    team = told(message.continuous())
    for name in ("mute", "shuffle", "random"):
        pairs = zip(jax.tree.leaves(team), jax.tree.leaves(messages.changed(team, name)), strict=True)
        assert all(one is other for one, other in pairs)
    rows = messages.heard(team, GAME, KEY, 32)
    assert set(rows) == {"none", "mute", "shuffle", "random"}
    assert rows == messages.heard(team, GAME, KEY, 32)
    assert rows["none"] == messages.returns.play(team.greedy(), GAME, KEY, 32).mean


def test_what_cannot_be_changed_is_refused():
    team = seated(GAME.spec, KEY, shared(3), views.local, width=8)
    with pytest.raises(InputError, match="sends no messages"):
        messages.changed(team, "mute")
    with pytest.raises(InputError, match="did you mean mute"):
        messages.changed(told(message.continuous()), "muted")
