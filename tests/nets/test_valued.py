"""Teams that act on values: what they choose, what they remember, and what is learned of them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay import check, games
from interplay.core.choosing import chosen
from interplay.core.errors import InputError
from interplay.core.population import separate, shared
from interplay.nets import exploring, mixing
from interplay.nets.valued import valued
from interplay.play import scan

KEY = jax.random.key(0)
CURIOUS = exploring.epsilon_greedy(exploring.linear(1.0, 0.2, 100))


def made(memory=0, mixer=None, game="spread", seats=(0, 0, 0)):
    game = games.make(game)
    return game, valued(game.spec, KEY, seats, mixer or mixing.monotone(), CURIOUS, width=8, memory=memory)


def played(memory, length=30):
    game, team = made(memory)
    gather = scan.experience(game, 2, length)
    _, rows, _ = jax.jit(lambda key: gather(team, gather.init(team, key), key))(KEY)
    return team, rows


@pytest.mark.parametrize("memory", [0, 4])
def test_it_is_a_team(memory):
    game, team = made(memory)
    assert check.check_team(team, game) == []


def test_curiosity_falls_with_the_steps_taken():
    _, team = made()
    assert float(team.exploration) == 1.0
    assert float(team.after(50).exploration) == pytest.approx(0.6)
    assert float(team.after(50).after(1000).exploration) == pytest.approx(0.2)


def test_greedy_takes_the_best_action_whatever_the_schedule_says():
    game, team = made(seats=separate(3))
    seen = game.reset(KEY)[1]
    actions = jax.vmap(lambda key: team.greedy().act((), seen, key)[1].action)(jax.random.split(KEY, 20))
    best = jnp.argmax(team.values((), seen)[1], -1)
    assert (actions == best).all()
    assert (
        len(
            set(map(tuple, jax.vmap(lambda key: team.act((), seen, key)[1].action)(jax.random.split(KEY, 20)).tolist()))
        )
        > 5
    )


@pytest.mark.parametrize("memory", [0, 4])
def test_values_along_a_sequence_are_those_of_its_steps(memory):
    team, rows = played(memory, length=10)
    ahead = team.values_ahead(rows)
    remembered = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (2, *leaf.shape)), team.begin())
    step = jax.vmap(team.values)
    seen, found = rows.sequence(), []
    for t in range(11):
        remembered, values = step(remembered, jax.tree.map(lambda leaf, t=t: leaf[t], seen))
        found.append(values)
    np.testing.assert_allclose(ahead, jnp.stack(found)[1:], atol=1e-5)


@pytest.mark.parametrize("memory", [0, 4])
def test_what_is_learned_is_the_mixed_value_of_what_was_done(memory):
    team, rows = played(memory, length=10)
    ahead = jax.vmap(jax.vmap(chosen))(team.values_ahead(rows)[:-1], rows.decision.action[1:])
    np.testing.assert_allclose(
        team.values_of(rows)[1:], team.mixed(rows.arrived, jnp.pad(ahead, ((0, 1), (0, 0), (0, 0))))[:-1], atol=1e-5
    )


def test_agents_that_share_a_network_are_told_apart():
    game, team = made()
    alike = jnp.zeros((3, game.spec.observation))
    seen = game.reset(KEY)[1]
    values = team.values((), type(seen)(alike, *(getattr(seen, name) for name in list(seen.__dataclass_fields__)[1:])))[
        1
    ]
    assert abs(values[0] - values[1]).max() > 1e-5


def test_games_without_choices_and_wrong_seats_are_refused():
    with pytest.raises(InputError, match="use a policy method"):
        made(game="sum-guessing(agents=3)")
    with pytest.raises(InputError, match="pass seats of length 3"):
        made(seats=shared(2))
