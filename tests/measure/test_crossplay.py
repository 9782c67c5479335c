"""Cross-play against tables worked by hand, and self-play on its diagonal."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay import games
from interplay.core.errors import InputError
from interplay.core.population import shared
from interplay.core.team import CENTER, DECENTRALIZED, Decision, Team
from interplay.games.matrix import general_sum, matrix
from interplay.measure import crossplay, returns
from interplay.nets import views
from interplay.nets.seated import seated

KEY = jax.random.key(0)


class Always(Team):
    """Every agent takes one and the same action."""

    action: jax.Array
    agents: int = eqx.field(static=True, default=2)
    needs: str = eqx.field(static=True, default=DECENTRALIZED)

    def begin(self):
        return ()

    def act(self, memory, time_step, key):
        return memory, Decision(jnp.full(self.agents, self.action), jnp.zeros(self.agents), jnp.zeros(self.agents))


class Counter(Always):
    """The same by a team of another kind: it remembers how often it acted."""

    def begin(self):
        return jnp.zeros((), jnp.int32)

    def act(self, memory, time_step, key):
        return memory + 1, super().act((), time_step, key)[1]


def always(count, agents=2):
    return [Always(jnp.int32(action), agents) for action in range(count)]


def test_teams_that_always_do_the_same_earn_the_payoff_table():
    game = games.make("climbing")
    table = crossplay.matrix(always(3), game, KEY, 2)
    assert np.array_equal(table, np.moveaxis(game.payoffs, 0, -1))


def test_each_player_is_paid_its_own():
    payoffs = np.array([[[3, 0], [5, 1]], [[3, 5], [0, 1]]])
    table = crossplay.matrix(always(2), general_sum(payoffs), KEY, 1)
    assert np.array_equal(table, np.moveaxis(payoffs, 0, -1))
    assert np.array_equal(table[..., 0], table[..., 1].T)  # the game is symmetric


def test_a_tensor_has_an_axis_for_every_side():
    payoff = np.arange(8.0).reshape(2, 2, 2)
    table = crossplay.tensor(always(2, 3), matrix(payoff), KEY, 1)
    assert np.array_equal(table[..., 0], payoff) and table.shape == (2, 2, 2, 3)
    table = crossplay.matrix(always(2, 3), matrix(payoff), KEY, 1, side=(0, 2))
    assert np.array_equal(table[..., 1], [[payoff[i, j, i] for j in range(2)] for i in range(2)])


def test_the_diagonal_is_self_play_and_a_mixture_of_one_team_is_that_team():
    game = games.make("spread(agents=2, horizon=5)")
    teams = [seated(game.spec, jax.random.key(seed), shared(2), views.local, width=8).greedy() for seed in range(2)]
    table = crossplay.matrix(teams, game, KEY, 6)
    alone = [returns.play(team, game, KEY, 6).returns for team in teams]
    assert np.array_equal(table[0, 0], alone[0].mean(0)) and np.array_equal(table[1, 1], alone[1].mean(0))
    again = returns.play(crossplay.Mixture((teams[0], teams[0]), ((0,), (1,))), game, KEY, 6)
    assert np.allclose(again.returns, alone[0], rtol=1e-5)
    assert not np.allclose(table[0, 1], table[0, 0]) and not np.allclose(table[0, 1], table[1, 0])


def test_teams_of_one_architecture_share_one_program():
    game, compiled = games.make("climbing"), []

    class Noisy(Always):
        def act(self, memory, time_step, key):
            compiled.append(key)
            return super().act(memory, time_step, key)

    crossplay.matrix([Noisy(jnp.int32(action)) for action in range(2)], game, KEY, 1)
    few = len(compiled)
    compiled.clear()
    crossplay.matrix([Noisy(jnp.int32(action)) for action in range(6)], games.make("climbing(horizon=2)"), KEY, 1)
    assert len(compiled) == few


def test_teams_of_several_architectures_meet():
    game = games.make("climbing")
    table = crossplay.matrix([Always(jnp.int32(0)), Counter(jnp.int32(1))], game, KEY, 1)
    assert np.array_equal(table, np.moveaxis(game.payoffs, 0, -1)[:2, :2])


def test_games_in_python_work_alike(in_python):
    table = crossplay.matrix(always(2), in_python(games.make("climbing")), KEY, 1)
    assert np.array_equal(table, np.moveaxis(games.make("climbing").payoffs, 0, -1)[:2, :2])


def test_a_mixture_needs_what_its_teams_need():
    one, other = always(2)
    needy = dataclasses.replace(other, needs=CENTER)
    assert crossplay.Mixture((one, needy), ((0,), (1,))).needs == CENTER


def test_what_cannot_be_played_is_refused():
    game = games.make("climbing")
    for sides in (((0, 1),), ((0,), (0, 1)), ((0, 1), ()), ((0,), (2,))):
        with pytest.raises(InputError, match="name each of 0 to 1"):
            crossplay.tensor(always(2), game, KEY, 1, sides)
    with pytest.raises(InputError, match="pass at least one"):
        crossplay.matrix([], game, KEY, 1)
    with pytest.raises(InputError, match="this game has one agent"):
        crossplay.matrix(always(2, 1), games.make("spread(agents=1)"), KEY, 1)
    with pytest.raises(InputError, match="10,201 assignments"):
        crossplay.matrix(always(3)[:1] * 101, game, KEY, 1)
