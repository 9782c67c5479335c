"""Tables as teams: they play what the table says, beside others too, and a team's table is what it plays."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay.core.errors import InputError
from interplay.core.population import shared
from interplay.games import staged, tree
from interplay.measure import crossplay, exploit, returns
from interplay.nets import tabular, views
from interplay.nets.seated import seated
from interplay.play import walk


@pytest.fixture(scope="module")
def kuhn():
    built = tree.make("kuhn")
    return built, staged.of_tree(built)


def uneven(built, seed=0):
    """A random strategy far from uniform, with zeros in places."""
    weight = np.random.default_rng(seed).dirichlet(np.full(built.legal.shape[1], 0.4), built.rows) * built.legal
    return weight / weight.sum(1, keepdims=True)


def test_law_simulated_returns_are_the_walks(kuhn):
    built, game = kuhn
    one, other = uneven(built, 5), uneven(built, 3)
    seats = lambda first, second: np.concatenate([first[: built.first[1]], second[built.first[1] :]])
    value = lambda table: np.asarray(walk.expected(built, jnp.asarray(table)))
    teams = tuple(tabular.tabular(game, table) for table in (one, other))
    pair = crossplay.Mixture(teams=teams, sides=((0,), (1,)))  # pyright: ignore[reportCallIssue]
    for team, table in ((teams[0], one), (pair, seats(one, other))):
        played = returns.play(team, game, jax.random.key(0), 8192).returns
        error = played.std(0) / np.sqrt(len(played))
        assert np.all(np.abs(played.mean(0) - value(table)) < 4 * error)
    apart = np.abs(value(seats(one, other)) - value(seats(other, one)))
    assert np.all(apart > 30 * error), "tables on each other's seats would be noticed"


def test_a_table_is_what_a_team_plays(kuhn):
    built, game = kuhn
    strategy = uneven(built)
    np.testing.assert_allclose(tabular.table(tabular.tabular(game, strategy), game), strategy, atol=1e-6)
    team = seated(game.spec, jax.random.key(0), shared(2), views.local, width=8, depth=1)
    found = tabular.table(team, game)
    assert 0.2 < exploit.exact(built, found) < 0.7  # a fresh network plays nearly uniformly: 0.458


def test_rows_of_uneven_width_and_several_players():
    for name in ("leduc(suits=False)", "kuhn(players=3)"):
        built = tree.make(name)
        game = staged.of_tree(built)
        strategy = uneven(built, 3)
        np.testing.assert_allclose(tabular.table(tabular.tabular(game, strategy), game), strategy, atol=1e-6)


def test_greedy_takes_the_likeliest_and_zeros_are_never_played(kuhn):
    built, game = kuhn
    pure = np.eye(2)[np.arange(12) % 2]
    team = tabular.tabular(game, pure)
    seen = game.seen(jnp.arange(12))
    keys = jax.random.split(jax.random.key(0), 12)
    act = lambda team: jax.vmap(lambda seen, key: team.act((), seen, key)[1].action)(seen, keys)
    for actions in (act(team), act(team.greedy())):
        assert np.array_equal(np.asarray(actions)[np.arange(12), built.record.sets.player], np.arange(12) % 2)


def test_what_is_not_of_the_game_gets_any_legal_move(kuhn):
    _, game = kuhn
    team = tabular.tabular(game, np.eye(2)[np.zeros(12, int)])
    seen = game.seen(jnp.asarray(0))
    strange = jnp.full_like(seen.observation, 0.123)
    policy = team.policy(dataclasses.replace(seen, observation=strange))
    np.testing.assert_allclose(jnp.exp(policy.log_probs[0]), [0.5, 0.5], atol=1e-6)


def test_rows_are_found_among_many_and_twins():
    known = np.random.default_rng(0).integers(0, 2, (500, 30)).astype(np.float32)
    known = np.unique(known, axis=0)
    find = tabular.finder(known)
    assert np.array_equal(jax.vmap(find)(jnp.asarray(known)), np.arange(len(known)))
    twins = tabular.Finder(find.hashes.at[:, 0].set(7), find.row, find.odd, 3)
    assert int(twins(jnp.full(30, 0.5))) == -1
    with pytest.raises(InputError, match="look alike"):
        tabular.finder(np.zeros((2, 3), np.float32))


@pytest.mark.parametrize(
    ("strategy", "message"),
    [
        (np.full((12, 3), 1 / 3), "has shape"),
        (np.full((12, 2), 0.4), "row 0 of the strategy is no distribution"),
        (np.tile([1.5, -0.5], (12, 1)), "row 0 of the strategy is no distribution"),
        (np.full((12, 2), np.nan), "row 0 of the strategy is no distribution"),
    ],
)
def test_tables_that_are_no_strategies_are_refused(strategy, message, kuhn):
    with pytest.raises(InputError, match=message):
        tabular.tabular(kuhn[1], strategy)


def test_teams_with_memory_are_no_tables(kuhn):
    team = seated(kuhn[1].spec, jax.random.key(0), shared(2), views.local, width=8, depth=1, memory=4)
    with pytest.raises(InputError, match="memory=0"):
        tabular.table(team, kuhn[1])
