"""The recurrent cell against its equations, and a sequence against steps."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay.core.team import restart
from interplay.nets.recurrent import GRU, Network

KEY = jax.random.key(1)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_one_step_of_the_cell_by_hand():
    cell = GRU(3, 4, KEY)
    bias = jax.random.normal(KEY, (4,))
    object.__setattr__(cell, "candidate_bias", bias)
    x, h = (
        np.asarray(jax.random.normal(key, (size,))) for key, size in zip(jax.random.split(KEY), (3, 4), strict=True)
    )
    w, b, u = np.asarray(cell.inputs.weight), np.asarray(cell.inputs.bias) + 0.1, np.asarray(cell.hidden)
    object.__setattr__(cell.inputs, "bias", jnp.asarray(b))
    (wr, wz, wc), (br, bz, bc), (ur, uz, uc) = np.split(w, 3, 1), np.split(b, 3), np.split(u, 3, 1)
    r, z = sigmoid(x @ wr + h @ ur + br), sigmoid(x @ wz + h @ uz + bz)
    c = np.tanh(x @ wc + bc + r * (h @ uc + np.asarray(bias)))
    np.testing.assert_allclose(
        cell.advance(jnp.asarray(h), cell.inputs(jnp.asarray(x))), (1 - z) * c + z * h, rtol=1e-5
    )


@pytest.mark.parametrize("memory", [0, 5])
@pytest.mark.parametrize("depth", [0, 2])
def test_a_sequence_is_its_steps_with_memory_afresh_where_episodes_begin(memory, depth):
    net = Network(3, 2, KEY, width=4, depth=depth, memory=memory)
    x = jax.random.normal(KEY, (7, 3))
    started = jnp.array([False, False, True, False, True, True, False])
    carried = jnp.ones(5) if memory else ()
    last, out = eqx.filter_jit(net.sequence)(carried, x, started)
    for t in range(7):
        carried, row = net(restart(carried, net.begin(), started[t]), x[t])
        np.testing.assert_allclose(out[t], row, rtol=1e-5, atol=1e-6)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), last, carried)


def test_what_came_before_a_restart_gets_no_gradient():
    net = Network(3, 2, KEY, width=4, depth=1, memory=5)
    x, started = jax.random.normal(KEY, (4, 3)), jnp.array([False, False, True, False])
    loss = lambda memory, x: net.sequence(memory, x, started)[1][2:].sum()
    memory_slope, x_slope = jax.grad(loss, (0, 1))(jnp.ones(5), x)
    assert not memory_slope.any()
    assert not x_slope[:2].any()
    assert x_slope[2:].any(1).all()
