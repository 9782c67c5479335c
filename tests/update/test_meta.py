"""Meta-solvers find the equilibria that theory says they find, pay no heed to padding, and refuse what they cannot do."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay.core.errors import InputError
from interplay.measure.rank import alpha_rank
from interplay.update import meta

ROCK = np.array([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]])
SKEWED = np.array([[2.0, -1.0], [-1.0, 1.0]])  # value 1/5, both players mix (2/5, 3/5)
SOLVERS = {
    "uniform": meta.same(meta.uniform),
    "nash": meta.same(meta.nash),
    "alpha-rank": meta.same(alpha_rank),
    "regret-matching": meta.same(meta.regret_matching(3000)),
    "projected-replicator": meta.same(meta.projected_replicator(3000, 0.05)),
    "shor": meta.shor(),
    "projection-matching": meta.projection_matching(),
}


@pytest.fixture(autouse=True)
def precise():
    with jax.enable_x64(True):
        yield


def padded(*tables, most=5):
    """[player, …] with room for `most` policies each, and how many there are."""
    players = len(tables)
    found = np.full((players,) + (most,) * players, 7.0)  # what stands in the padding must not matter
    for player, table in enumerate(tables):
        found[(player, *map(slice, table.shape))] = table
    return jnp.asarray(found), jnp.asarray(tables[0].shape)


def both(solver, *tables, call=1):
    payoffs, count = padded(*tables)
    ask = lambda solve: np.asarray(solve(payoffs, count, jnp.asarray(call)))
    return ask(solver.train), ask(solver.evaluate)


@pytest.mark.parametrize("name", SOLVERS)
def test_every_solver_gives_mixtures_over_the_policies_that_exist(name):
    for mixtures in both(SOLVERS[name], SKEWED, -SKEWED):
        np.testing.assert_allclose(mixtures.sum(-1), 1.0, atol=1e-6)
        assert (mixtures >= 0).all() and (mixtures[:, 2:] == 0).all()


@pytest.mark.parametrize("name", SOLVERS)
def test_rock_paper_scissors_is_played_evenly(name):
    for mixtures in both(SOLVERS[name], ROCK, -ROCK):
        np.testing.assert_allclose(mixtures[:, :3], 1 / 3, atol=1e-3)


@pytest.mark.parametrize(("name", "within"), [("nash", 1e-8), ("regret-matching", 0.02)])
def test_a_skewed_game_is_played_at_its_equilibrium(name, within):
    mixtures = both(SOLVERS[name], SKEWED, -SKEWED)[1]
    np.testing.assert_allclose(mixtures[:, :2], [[0.4, 0.6], [0.4, 0.6]], atol=within)
    value = mixtures[0, :2] @ SKEWED @ mixtures[1, :2]
    assert value == pytest.approx(0.2, abs=within)


def test_gains_centered_on_their_plain_mean_do_not_lead_to_the_equilibrium_of_a_skewed_game():
    """What it accumulates is no regret: the mean it subtracts is not what the mixture earns."""
    mixtures = both(SOLVERS["projection-matching"], SKEWED, -SKEWED)[0][:, :2]
    np.testing.assert_allclose(mixtures, 0.5, atol=0.02)


def test_shor_trains_smoothly_at_first_and_answers_sharply():
    dominated = np.array([[1.0, 1.0], [0.0, 0.0]])  # the first row is always better
    early, sharp = both(meta.shor(), dominated, -dominated, call=1)
    late = both(meta.shor(), dominated, -dominated, call=75)[0]
    assert 0.01 < early[0, 1] < 0.2 and late[0, 1] < 0.01 < early[0, 1] and sharp[0, 1] < 1e-6


def test_hybrid_without_blend_and_with_one_iteration_is_one_step_of_regret_matching():
    payoffs, count = padded(SKEWED, -SKEWED)
    last = meta.hybrid(payoffs, count, 1, meta.Hybrid(0.0, 1.0, 0.0, 0.0), average=False)
    # against (1/2, 1/2) the rows earn 1/2 and 0: all weight on the first; the other player answers with the second column
    np.testing.assert_allclose(last[:, :2], [[1.0, 0.0], [0.0, 1.0]], atol=1e-12)


def test_gains_contract_everybody_else_in_games_of_three():
    rng = np.random.default_rng(0)
    tables = rng.normal(size=(3, 4, 4, 4))
    mixtures = rng.dirichlet(np.ones(4), size=3)
    found = meta.gains(jnp.asarray(tables), jnp.asarray(mixtures), 1)
    np.testing.assert_allclose(found, np.einsum("ijk,i,k->j", tables[1], mixtures[0], mixtures[2]), atol=1e-12)


@pytest.mark.parametrize("floor", [0.0, 0.05])
def test_projection_is_the_nearest_mixture(floor):
    rng = np.random.default_rng(1)
    alive = jnp.asarray([True, False, True, True])
    x = rng.normal(size=4)
    mine = np.asarray(meta.onto_simplex(jnp.asarray(x), alive, floor))
    assert mine.sum() == pytest.approx(1.0) and mine[1] == 0 and (mine[np.asarray(alive)] >= floor - 1e-12).all()
    for _ in range(200):  # no other mixture is nearer
        other = np.zeros(4)
        other[np.asarray(alive)] = floor + (1 - 3 * floor) * rng.dirichlet(np.ones(3))
        assert np.linalg.norm((mine - x)[np.asarray(alive)]) <= np.linalg.norm((other - x)[np.asarray(alive)]) + 1e-12


def test_nash_refuses_three_players_and_games_of_no_constant_sum():
    cube = np.zeros((2, 2, 2))
    with pytest.raises(InputError, match="two players, the game has 3"):
        both(SOLVERS["nash"], cube, cube, cube)
    with pytest.raises(InputError, match="constant sum"):
        both(SOLVERS["nash"], SKEWED, SKEWED)
