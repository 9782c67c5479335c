"""Illegal actions are never the best, and the value of a choice is that choice's."""

import jax.numpy as jnp

from interplay.core.choosing import best, chosen


def test_the_best_is_legal_and_the_first_among_equals():
    values = jnp.array([[1.0, 9.0, 2.0], [5.0, 5.0, 0.0], [-3.0, -1.0, -2.0]])
    legal = jnp.array([[True, False, True], [True, True, True], [True, False, False]])
    assert best(values, legal).tolist() == [2, 0, 0]


def test_where_nothing_is_legal_everything_may_be_chosen():
    assert int(best(jnp.array([1.0, 3.0]), jnp.zeros(2, bool))) == 1


def test_chosen_picks_along_the_last_axis():
    values = jnp.arange(12.0).reshape(2, 2, 3)
    assert chosen(values, jnp.array([[0, 2], [1, 0]])).tolist() == [[0.0, 5.0], [7.0, 9.0]]
