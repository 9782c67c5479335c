"""Reward maps: a reward that values stand for lies where the game pays it, whatever shaping and scale do to it."""

import dataclasses
from typing import cast

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay import games
from interplay.core.team import Team
from interplay.games.enumerated import enumerated, forgetting
from interplay.games.gems import gems_mini
from interplay.games.intersection import intersection
from interplay.measure import boltzmann, recovery, reward_map
from interplay.nets import exploring, mixing
from interplay.nets.rewarding import Rewarding, rewarding
from interplay.nets.valued import valued
from interplay.report import figures
from interplay.run import figures as kept

DISCOUNT, TEMPERATURE = 0.9, 0.2
GAME = gems_mini(size=2, own=1, together=0, horizon=6)
ON = cast(reward_map.Places, reward_map.places(GAME))


class Exact(Rewarding):
    """Values looked up in an exact table: no network has to learn anything."""

    def values(self, memory, time_step):
        known, table = TABLES
        at = jnp.abs(known - time_step.observation[:, None]).sum(-1).argmin(-1)
        return memory, jnp.stack([table[agent, at[agent]] for agent in range(2)])


def team_of(game, kind: type[Rewarding] = Rewarding) -> Rewarding:
    plain = valued(game.spec, jax.random.key(0), (0, 1), mixing.apart, exploring.NEVER, width=4, depth=1)
    made = rewarding(plain, DISCOUNT, TEMPERATURE)
    parts = {field.name: getattr(made, field.name) for field in dataclasses.fields(made)}
    return kind(**parts)


@pytest.fixture(scope="module")
def exact():
    """A game that can be listed, its true and its implied rewards in equilibrium, and a team with exactly those values."""
    global TABLES
    listed = enumerated(GAME, forgetting("step", "taken"))

    @jax.jit
    def solved(listed):
        expert = boltzmann.equilibrium(listed, DISCOUNT, TEMPERATURE, damping=0.2)
        found = recovery.implied(listed, expert.policy, expert.values, DISCOUNT, TEMPERATURE)
        weight = boltzmann.occupancy(listed, expert.policy, DISCOUNT)
        return expert.values, recovery.true_marginal(listed, expert.policy), found, weight

    values, *tables = solved(listed)
    TABLES = jnp.swapaxes(listed.seen.observation, 0, 1), values
    return listed, tables, team_of(GAME, Exact)


def test_exact_values_say_where_the_game_pays(exact):
    """Truth: values of an equilibrium give the marginal reward back, which is highest on an agent's own gem."""
    listed, (true, found, weight), _ = exact
    pairs = reward_map.compared(true, found, listed.seen, weight, ON)
    gems = np.asarray(GAME.lay(GAME, jnp.asarray(GAME.open), jax.random.key(0)))
    for agent, pair in enumerate(pairs):
        np.testing.assert_allclose(pair.found, pair.true, atol=2e-3)
        assert pair.correlation > 0.999
        assert int(np.nanargmax(pair.true)) == gems[agent]  # not the other's


def test_play_shows_the_same_as_the_exact_tables(exact):
    *_, team = exact
    played = reward_map.witnessed(team, GAME, jax.random.key(0), 8)
    assert played.true.shape == played.found.shape == (2, 8 * GAME.spec.horizon, 5)
    assert float(played.weight.sum()) == 8 * GAME.spec.horizon  # only the time limit ends this game
    pairs = reward_map.compared(played.true, played.found, played.seen, played.weight, ON)
    assert min(pair.correlation for pair in pairs) > 0.9
    for pair in pairs:
        assert np.nanargmax(pair.found) == np.nanargmax(pair.true)
    pairs = reward_map.compared(played.true, -played.found, played.seen, played.weight, ON)
    assert max(pair.correlation for pair in pairs) < -0.9


def test_a_state_s_own_number_is_taken_out_and_cells_never_led_to_stay_empty(exact):
    listed, (true, *_), _ = exact
    weight = jnp.zeros(listed.states).at[0].set(1.0)
    shifted = true + jnp.arange(listed.states)[None, :, None]
    one = reward_map.compared(true, shifted, listed.seen, weight, ON)[0]
    np.testing.assert_allclose(one.found, one.true, atol=1e-4)
    cells = np.asarray(ON.at(jax.tree.map(lambda leaf: leaf[0], listed.seen)))[0]
    led = {tuple(cell) for cell in cells[np.asarray(listed.seen.legal)[0, 0]].tolist()}
    assert {tuple(cell) for cell in np.argwhere(np.isfinite(one.true)).tolist()} == led


def test_cars_are_shown_by_what_they_do_and_where():
    game = intersection(2, approach=1)
    on = reward_map.places(game)
    assert on is not None and (on.rows, on.columns) == (3, 3)
    seen = game.reset(jax.random.key(0))
    at = np.asarray(on.at(seen[1]))
    assert at[:, :, 0].tolist() == [[0, 1, 2]] * 2
    np.testing.assert_array_equal(at[:, 0, 1], seen[0].place)
    assert reward_map.places(games.make("spread")) is None


def test_a_run_shows_both_maps_beside_each_other(exact, monkeypatch):
    *_, team = exact
    monkeypatch.setattr(kept, "FEW", 8)  # as many as above: no other program
    found = list(kept.of(team, GAME, jax.random.key(1)))
    assert [one["title"] for one in found] == ["What agent 0 wants", "What agent 1 wants"]
    page = str(figures.drawn([{"seed": 0, **found[0]}])[0]["chart"])
    assert page.count('class="heat"') == 2 and "as recovered" in page and page.count("<rect") == 2 * 4


def test_teams_and_games_without_maps_show_none():
    game = games.make("climbing")
    assert not list(kept.of(team_of(game), game, jax.random.key(0)))
    plain: Team = valued(GAME.spec, jax.random.key(0), (0, 1), mixing.apart, exploring.NEVER, width=4, depth=1)
    assert not list(kept.of(plain, GAME, jax.random.key(0)))
