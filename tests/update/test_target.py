"""Targets that follow: copies at intervals, or a little at every step."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay import games
from interplay.core.errors import InputError
from interplay.core.population import shared
from interplay.nets import exploring, mixing
from interplay.nets.valued import valued
from interplay.update import target


@pytest.fixture(scope="module")
def teams():
    spec = games.make("climbing").spec
    curious = exploring.epsilon_greedy(exploring.linear(1.0, 0.0, 10))
    make = lambda seed: valued(spec, jax.random.key(seed), shared(2), mixing.monotone(), curious, width=4)
    return make(0), make(1).after(7)


def parameters(team):
    return jax.tree.leaves((team.networks, team.mixer))


def test_periodic_copies_every_so_often(teams):
    old, new = teams
    follow = target.periodic(3)
    for update, expected in ((1, old), (2, old), (3, new), (4, old), (6, new)):
        for a, b in zip(parameters(follow(old, new, jnp.array(update))), parameters(expected), strict=True):
            np.testing.assert_array_equal(a, b)


def test_polyak_goes_a_share_of_the_way(teams):
    old, new = teams
    moved = target.polyak(0.25)(old, new, jnp.array(1))
    for a, b, c in zip(parameters(moved), parameters(old), parameters(new), strict=True):
        np.testing.assert_allclose(a, 0.75 * b + 0.25 * c, rtol=1e-6)


def test_a_period_of_one_and_a_rate_of_one_are_the_same(teams):
    old, new = teams
    first, second = target.periodic(1)(old, new, jnp.array(5)), target.polyak(1.0)(old, new, jnp.array(5))
    for a, b in zip(parameters(first), parameters(second), strict=True):
        np.testing.assert_array_equal(a, b)


def test_what_is_no_parameter_is_the_teams_own(teams):
    old, new = teams
    moved: Any = target.polyak(0.1)(old, new, jnp.array(1))
    assert int(moved.steps) == 7


def test_nonsense_is_refused():
    with pytest.raises(InputError, match="give 1 or more"):
        target.periodic(0)
    for rate in (0.0, 1.5):
        with pytest.raises(InputError, match="above 0 and up to 1"):
            target.polyak(rate)
