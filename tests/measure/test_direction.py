"""The study of directions counts what it spends, and sees the differences that it is there to see."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay.games.lqr import lqr
from interplay.games.random_mdp import random_mdp
from interplay.measure import direction
from interplay.measure.direction import COMPARED, Study
from interplay.objectives import policy_gradient

TABLE = direction.table(random_mdp(states=6, actions=3, horizon=10, discount=0.9).markov, 10)


def test_studies_count_iterations_and_episodes():
    found = direction.study(TABLE, COMPARED["n-harpg"], 2, iterations=20, every=5, batch=3)
    assert found.iterations.tolist() == [5, 10, 15, 20]
    assert found.episodes.tolist() == [30, 60, 90, 120]  # two queries an iteration
    assert found.error.shape == (2, 4)
    assert len(direction.summary(found)["error"]) == 2
    assert (np.abs(found.cosine) <= 1 + 1e-6).all()


def test_each_idea_brings_the_direction_nearer_to_the_gradient():
    given = {"iterations": 600, "every": 10}
    error = {
        name: direction.summary(direction.study(TABLE, COMPARED[name], 8, **given))["error"].mean()
        for name in ("momentum", "igt", "n-harpg")
    }
    assert error["momentum"] > 1.1 * error["igt"] > 1.1 * error["n-harpg"]


def test_without_the_score_the_product_is_of_no_use():
    given = {"iterations": 600, "every": 10, "batch": 16, "rate": 1.0}
    error = {
        name: direction.study(TABLE, COMPARED[name], 4, **given).distance[:, -20:].mean()
        for name in ("n-harpg", "n-harpg, no score")
    }
    assert error["n-harpg, no score"] > 2 * error["n-harpg"]


def test_slopes_of_powers_are_found():
    iterations = np.arange(10, 20_001, 10)
    noise = np.random.default_rng(0).lognormal(0, 0.3, (8, len(iterations)))
    found = Study(noise * iterations**-0.4, noise, noise, noise, iterations, iterations)
    assert direction.slope(found, 100) == pytest.approx(-0.4, abs=0.01)


def test_the_regulator_is_a_problem_whose_gradient_is_known():
    problem = direction.regulator(lqr(horizon=3))
    gain = jnp.full((2, 4), -0.2)
    one = lambda key: policy_gradient.gradient(problem.estimator, gain, problem.play(gain, key, 2000))
    each = jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(0), 32))
    error = each.std(0) / np.sqrt(32)
    assert (jnp.abs(each.mean(0) - jax.grad(problem.worth)(gain)) < 4 * error).all()
