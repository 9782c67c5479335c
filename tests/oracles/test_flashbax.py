"""Our replay against flashbax: the same rows in, the same windows out, drawn in the same proportions."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay.core.game import TimeStep
from interplay.core.team import Decision
from interplay.core.trajectory import Transitions
from interplay.play import ring

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    flashbax = pytest.importorskip("flashbax")

LANES, LENGTH, TIME, DRAWN = 3, 4, 12, 2000


def insertion(number):
    """Row t of lane b is 100·b + t."""
    value = 100.0 * jnp.arange(LANES)[None] + (number * LENGTH + jnp.arange(LENGTH)[:, None])
    none = jnp.zeros((LENGTH, LANES), bool)
    seen = TimeStep(
        value[..., None, None], jnp.ones((LENGTH, LANES, 1, 2), bool), jnp.ones((LENGTH, LANES, 1), bool),
        jnp.zeros((LENGTH, LANES, 0)), value[..., None], none, none,
    )  # fmt: skip
    zero = jnp.zeros((LENGTH, LANES, 1))
    return Transitions(seen, Decision(zero.astype(jnp.int32), zero, zero), seen, none)


def ours(replay, insertions):
    memory = replay.init(insertion(0))
    for number in range(insertions):
        memory = replay.add(memory, insertion(number))
    return memory


def theirs(buffer, insertions):
    state = buffer.init(jnp.zeros(()))
    for number in range(insertions):
        state = buffer.add(state, insertion(number).time_step.observation[..., 0, 0].T)
    return state


def shape(window):
    return {
        "add_batch_size": LANES,
        "sample_batch_size": DRAWN,
        "sample_sequence_length": window,
        "period": 1,
        "min_length_time_axis": window,
        "max_length_time_axis": TIME,
    }


def windows(out):
    return np.asarray(out.transitions.time_step.observation[..., 0, 0]).T


@pytest.mark.parametrize("window", [1, 3])
@pytest.mark.parametrize("insertions", [2, 3, 5])
def test_the_same_windows_are_drawn(insertions, window):
    buffer = flashbax.make_trajectory_buffer(**shape(window))
    wanted = np.asarray(buffer.sample(theirs(buffer, insertions), jax.random.key(0)).experience)
    replay = ring.uniform(ring.Room(LANES * TIME, LANES, LENGTH, DRAWN), window)
    found = windows(replay.draw(ours(replay, insertions), jax.random.key(1))[1])
    assert set(map(tuple, found)) == set(map(tuple, wanted))


def test_priorities_give_the_same_probabilities():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        buffer = flashbax.make_prioritised_trajectory_buffer(**shape(1), priority_exponent=0.6, device="cpu")
    state = theirs(buffer, 3)
    error = jnp.exp(jax.random.normal(jax.random.key(2), (LANES * TIME,)))
    state = buffer.set_priorities(state, jnp.arange(LANES * TIME), error)
    sample = buffer.sample(state, jax.random.key(0))
    wanted = dict(zip(np.asarray(sample.experience)[:, 0], np.asarray(sample.probabilities), strict=True))
    replay = ring.prioritized(ring.Room(LANES * TIME, LANES, LENGTH, DRAWN), alpha=0.6, beta=1.0, least=0.0)
    memory = ours(replay, 3)
    lane, start = jnp.divmod(jnp.arange(LANES * TIME), TIME)
    memory = replay.rate(memory, ring.Drawn(lane, start, jnp.ones(LANES * TIME)), error)
    half = memory.masses.shape[1] // 2
    chance = np.asarray(memory.masses[:, half : half + TIME] / memory.masses[:, 1].sum())
    for value, probability in wanted.items():
        lane, row = divmod(int(value), 100)
        np.testing.assert_allclose(chance[lane, row], probability, rtol=1e-4)
    _, out = replay.draw(memory, jax.random.key(1))
    drawn = windows(out)[:, 0].astype(int)
    share = np.bincount(drawn // 100 * TIME + drawn % 100, minlength=LANES * TIME) / DRAWN
    assert abs(share - chance.ravel()).max() < 5 * np.sqrt(chance.max() / DRAWN)
    weights = np.asarray(out.weight[0]) * chance.ravel()[drawn // 100 * TIME + drawn % 100]
    np.testing.assert_allclose(weights, weights[0], rtol=1e-4)  # importance makes up for the chance, draw for draw
