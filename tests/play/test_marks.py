"""Marks on the rows of a replay: learners that share what is kept draw what is their own, and nothing else."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from interplay.core.game import TimeStep
from interplay.core.team import Decision
from interplay.core.trajectory import Transitions
from interplay.play import ring

LANES, LENGTH = 2, 4
ROOM = ring.Room(capacity=24, lanes=LANES, length=LENGTH, drawn=64)


def insertion(number):
    """Rows of one agent in which an episode opens at every third step, lanes apart."""
    row = number * LENGTH + jnp.arange(LENGTH)[:, None] + jnp.array([[0, 100]])
    shape, false = (LENGTH, LANES, 1), jnp.zeros((LENGTH, LANES), bool)
    marks = {
        "legal": jnp.ones((*shape, 2), bool),
        "active": jnp.ones(shape, bool),
        "shared": jnp.zeros((LENGTH, LANES, 0)),
    }
    seen = TimeStep(row[..., None, None] * 1.0, reward=jnp.zeros(shape), terminated=false, truncated=false, **marks)
    return Transitions(
        seen, Decision(jnp.zeros(shape, jnp.int32), jnp.zeros(shape), jnp.zeros(shape)), seen, row % 3 == 0
    )


ROWS = [insertion(number) for number in range(5)]  # 40 rows into room for 24: the first two are written over


def filled(mark):
    replay, marked = ring.uniform(ROOM), ring.marked(ROOM, mark)
    kept = replay.init(ROWS[0])
    marks = marked.init(kept)
    both = eqx.filter_jit(lambda kept, marks, rows: (replay.add(kept, rows), marked.add(marks, kept, rows)))
    for rows in ROWS:
        kept, marks = both(kept, marks, rows)
    return eqx.filter_jit(replay.draw), eqx.filter_jit(marked.draw), kept, marks


def test_where_all_rows_bear_a_mark_draws_are_those_of_uniform_replay():
    uniform, draw, kept, marks = filled(lambda rows: jnp.ones_like(rows.started))
    first, second = uniform(kept, jax.random.key(2)), draw(kept, marks, jax.random.key(2))
    for a, b in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True):
        np.testing.assert_array_equal(a, b)


def test_only_rows_that_bear_the_mark_are_drawn_and_all_of_them():
    opens = lambda rows: rows.started
    _, draw, kept, marks = filled(opens)
    drawn, replayed = draw(kept, marks, jax.random.key(2))
    assert np.asarray(replayed.transitions.started).all()
    assert (np.asarray(replayed.weight) == 1).all()
    there = sum(int(more.started.sum()) for more in ROWS[2:])
    assert int(marks[:, 1].sum()) == there == len({*zip(drawn.lane.tolist(), drawn.start.tolist(), strict=True)})


def test_where_none_does_nothing_counts():
    _, draw, kept, marks = filled(lambda rows: jnp.zeros_like(rows.started))
    assert (np.asarray(draw(kept, marks, jax.random.key(2))[1].weight) == 0).all()
