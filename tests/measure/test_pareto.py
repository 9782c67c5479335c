"""Measures of fronts, worked by hand; hypervolumes against a library and against counting cells."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay import games
from interplay.core.errors import InputError
from interplay.core.preferences import checked, simplex
from interplay.core.team import Decision, Team
from interplay.measure import pareto

STEPS = np.array([[1.0, 4.0], [3.0, 3.0], [4.0, 1.0]])  # a front of three
CLOUD = np.array([[3.0, 3.0], [1.0, 4.0], [1.0, 3.0], [4.0, 1.0], [3.0, 3.0], [0.0, 0.0]])


def test_what_others_beat_is_dropped_and_of_equals_the_first_is_kept():
    assert pareto.nondominated(CLOUD).tolist() == [True, True, False, True, False, False]
    np.testing.assert_array_equal(pareto.front(CLOUD), STEPS)


def test_hypervolume_is_the_area_under_the_steps():
    area = jax.jit(pareto.hypervolume)
    assert float(area(jnp.array(STEPS), jnp.zeros(2))) == 4 * 1 + 3 * 2 + 1 * 1
    assert float(area(jnp.array(CLOUD), jnp.zeros(2))) == 11  # the same front
    assert float(area(jnp.array(STEPS), jnp.array([2.0, 2.0]))) == 1  # only (3, 3) is above the reference
    assert float(area(jnp.array(STEPS), jnp.array([5.0, 5.0]))) == 0
    assert float(area(jnp.array(STEPS), jnp.array([-1.0, 0.0]))) == 15


def test_hypervolume_of_random_points_is_that_of_the_library():
    moocore = pytest.importorskip("moocore")
    random, area = np.random.default_rng(0), jax.jit(pareto.hypervolume)
    for _ in range(5):
        points = random.uniform(size=(12, 2))
        wanted = moocore.hypervolume(np.maximum(points, 0.2), ref=np.full(2, 0.2), maximise=True)
        assert float(area(jnp.array(points), jnp.full(2, 0.2))) == pytest.approx(wanted, rel=1e-5)


def test_hypervolume_of_three_objectives_is_a_count_of_cells():
    pytest.importorskip("moocore")
    points = np.random.default_rng(1).integers(0, 6, (7, 3)).astype(float)
    cells = np.stack(np.meshgrid(*[np.arange(6)] * 3, indexing="ij"), -1).reshape(-1, 3)
    covered = (points[:, None] > cells).all(-1).any(0).sum()
    assert pareto.volume(points, np.zeros(3)) == pytest.approx(covered)
    assert pareto.volume(STEPS, np.zeros(2)) == pytest.approx(11)


def test_sparsity_and_spacing():
    # first objective: 1 → 3 → 4, second: 1 → 3 → 4, each 4 + 1; over two steps
    assert pareto.sparsity(CLOUD) == 5.0
    assert pareto.sparsity(STEPS[:1]) == 0.0
    # nearest others in Manhattan distance: 3, 3 and 3, so they are evenly spaced
    assert pareto.spacing(STEPS) == 0.0
    uneven = np.array([[0.0, 9.0], [1.0, 8.0], [9.0, 0.0]])  # 2, 2 and 16: mean 20 / 3
    assert pareto.spacing(uneven) == pytest.approx(np.sqrt((2 * (14 / 3) ** 2 + (28 / 3) ** 2) / 2))
    assert pareto.spacing(STEPS[:1]) == 0.0


def test_expected_utility_is_what_the_best_point_gives():
    weights = np.array([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])
    assert pareto.expected_utility(STEPS, weights) == pytest.approx((4 + 3 + 4) / 3)


def test_distance_to_the_truth():
    assert pareto.distance(STEPS, STEPS) == 0.0
    assert pareto.distance(STEPS[:1], np.array([[1.0, 4.0], [4.0, 0.0]])) == pytest.approx(2.5)


def test_weighted_sums_reach_the_convex_part_only():
    points = np.array([[0.0, 3.0], [1.0, 1.0], [3.0, 0.0]])  # (1, 1) is not dominated, and below the line
    assert pareto.front(points).tolist() == points.tolist()
    assert pareto.supported(points).tolist() == [[0.0, 3.0], [3.0, 0.0]]


def test_preferences_lie_on_the_simplex():
    assert simplex(1, 5).tolist() == [[1.0]]
    grid = simplex(3, 4)
    assert len(grid) == 15
    checked(grid)
    for wrong in ([0.5, 0.6], [[0.5, 0.5], [2.0, -1.0]], [], [np.nan, 1.0]):
        with pytest.raises(InputError, match="give weights of 0 or more that sum to 1"):
            checked(wrong)


class Told(Team):
    """Walks north for as long as the first objective counts for more, else west."""

    weight: jax.Array
    agents: int = eqx.field(static=True, default=2)
    needs: str = eqx.field(static=True, default="decentralized")

    def begin(self):
        return ()

    def act(self, memory, time_step, key):
        north = self.weight[0] > 0.5
        wanted = jnp.broadcast_to(jnp.where(north, 1, 3), self.agents)
        action = jnp.where(time_step.legal[jnp.arange(self.agents), wanted], wanted, 0)
        return (), Decision(action, jnp.zeros(self.agents), jnp.zeros(self.agents))

    def under(self, weight):
        return Told(weight)


def test_games_in_python_are_swept_alike(in_python):
    game: Any = games.make("treasures")
    team, weights, key = Told(jnp.zeros(2)), simplex(2, 3), jax.random.key(0)
    compiled = pareto.swept(team, game, weights, key, 2)
    np.testing.assert_allclose(pareto.swept(team, in_python(game), weights, key, 2), compiled)
    assert len(np.unique(compiled, axis=0)) == 2
