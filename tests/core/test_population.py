"""Seats choose members, whichever of the three ways of applying them is taken."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay.core.errors import InputError
from interplay.core.population import Population, apply, grouped, populate, separate, shared
from interplay.nets.dense import MLP

KEY = jax.random.key(0)


def make(key):
    return MLP((3, 4, 2), key)


def test_seats():
    assert shared(3) == (0, 0, 0)
    assert separate(3) == (0, 1, 2)
    assert grouped((0, 0, 1))(3) == (0, 0, 1)
    with pytest.raises(InputError, match="pass seats of length 4"):
        grouped((0, 0, 1))(4)


def test_members_are_made_from_keys_of_their_own_and_found_by_seat():
    population = populate(make, 3, KEY)
    alone = make(jax.random.split(KEY, 3)[1])
    assert population.size == 3
    close = functools.partial(
        np.testing.assert_allclose, rtol=1e-5, atol=1e-6
    )  # a batched product sums in another order
    jax.tree.map(close, *(eqx.filter(one, eqx.is_array) for one in (population.seat(1), alone)))
    pair = population.seat(jnp.array([2, 2]))
    np.testing.assert_array_equal(pair.layers[0].weight[0], population.members.layers[0].weight[2])


def test_replace_changes_one_member_only():
    population, other = populate(make, 3, KEY), make(jax.random.key(9))
    after = population.replace(1, other)
    weight = lambda population: population.members.layers[0].weight
    np.testing.assert_array_equal(weight(after)[1], other.layers[0].weight)
    np.testing.assert_array_equal(weight(after)[jnp.array([0, 2])], weight(population)[jnp.array([0, 2])])


@pytest.mark.parametrize("seats", [(0, 0, 0, 0), (0, 1, 2, 3), (1, 0, 1, 3), (3, 3, 3, 3)])
def test_apply_is_each_agents_own_member_on_its_own_row(seats):
    population = populate(make, 4, KEY)
    rows = jax.random.normal(KEY, (4, 3))
    out = apply(lambda member, x: member(x), population, seats, rows)
    for agent, seat in enumerate(seats):
        np.testing.assert_allclose(out[agent], population.seat(seat)(rows[agent]), rtol=1e-6, atol=1e-6)


def test_the_shared_fast_path_is_the_gathered_path():
    one = populate(make, 1, KEY)
    two = Population(
        jax.tree.map(lambda leaf: jnp.concatenate([leaf, leaf + 1]) if eqx.is_array(leaf) else leaf, one.members)
    )
    rows, seats = jax.random.normal(KEY, (5, 3)), shared(5)
    loss = lambda population: (apply(lambda member, x: member(x), population, seats, rows) ** 2).sum()
    np.testing.assert_allclose(loss(one), loss(two), rtol=1e-6)
    fast, gathered = eqx.filter_grad(loss)(one), eqx.filter_grad(loss)(two)
    pairs = zip(jax.tree.leaves(fast), jax.tree.leaves(gathered), strict=True)
    for mine, theirs in pairs:
        np.testing.assert_allclose(mine[0], theirs[0], rtol=1e-5, atol=1e-6)
        assert not np.any(theirs[1]), "nobody sits on member 1"
