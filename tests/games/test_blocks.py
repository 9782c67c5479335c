"""Padded tables sum groups as a plain loop does, whatever the sizes of the groups."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interplay.games.blocks import LANES, Blocks, blocks, total, zero_ended


def summed(groups: Blocks, values) -> np.ndarray:
    """What the walk does with the tables, without a compiler."""
    padded = np.append(values, 0.0)
    sums = [
        jnp.asarray(total([jnp.asarray(padded[lane]) for lane in table], table.ndim > 2)) for table in groups.tables
    ]
    if groups.place is None:
        return np.asarray(sums[0])
    return np.asarray(zero_ended(sums))[groups.place]


def check(numbers, count: int, call: int) -> Blocks:
    made = blocks(numbers, count, call)
    values = np.random.default_rng(0).integers(-9, 9, len(numbers)).astype(np.float32)
    np.testing.assert_array_equal(summed(made, values), np.bincount(numbers, values, count))
    return made


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=60), st.sampled_from([0, 3, 400]))
def test_sums_are_those_of_a_loop(numbers, call):
    check(np.array(numbers), 7, call)


@pytest.mark.parametrize("call", [0, 400])
def test_groups_wider_than_the_lanes_are_folded(call):
    numbers = np.repeat([0, 1, 2, 4], [1, LANES, LANES + 1, 5 * LANES + 3])
    made = check(np.random.default_rng(1).permutation(numbers), 5, call)
    assert any(table.ndim > 2 for table in made.tables)


def test_every_item_stands_in_one_place_once():
    numbers = np.array([3, 1, 3, 3, 0])
    found = np.concatenate([table.reshape(-1) for table in blocks(numbers, 5, 0).tables])
    assert sorted(found[found >= 0]) == [0, 1, 2, 3, 4]


def test_equal_groups_need_one_table_and_no_placing():
    made = blocks(np.repeat(np.arange(6), 4), 6)
    assert made.place is None and [table.shape for table in made.tables] == [(4, 6)]


def test_a_costly_call_makes_fewer_tables_and_a_cheap_one_less_padding():
    numbers = np.repeat(np.arange(3), [1, 4, 30])
    few, many = blocks(numbers, 3, 10_000), blocks(numbers, 3, 0)
    assert len(few.tables) == 1 and len(many.tables) == 3
    assert sum(table.size for table in many.tables) == len(numbers) < few.tables[0].size


def test_groups_without_items_sum_to_zero():
    np.testing.assert_array_equal(summed(blocks(np.array([2, 2]), 5), np.array([1.0, 2.0])), [0, 0, 3, 0, 0])
    assert blocks(np.zeros(0, int), 0).tables == ()
