"""Rows: however a network is mapped it runs once on all rows, with the values and gradients of one row at a time."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay.nets.rows import rows

WEIGHT = jnp.arange(6.0).reshape(2, 3)
X = jax.random.normal(jax.random.key(0), (4, 5, 3))
Y = jax.random.normal(jax.random.key(1), (4, 2))


def plain(weight, x, y):
    return jnp.tanh(weight @ x) * y, (x * x).sum()


def many(calls):
    @rows
    def network(weight, x, y):
        calls.append(x.shape)
        return jnp.tanh(weight @ x) * y, (x * x).sum(0)

    return network


def assert_close(one, other):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), one, other)


def nested(network):
    inner = jax.vmap(network, in_axes=(None, 0, None))
    return jax.vmap(inner, in_axes=(None, 0, 0))


def test_all_mapped_axes_become_rows_and_come_back():
    calls = []
    assert_close(nested(many(calls))(WEIGHT, X, Y), nested(plain)(WEIGHT, X, Y))
    assert calls[-1] == (3, 20)  # before that its shapes are found out, a mapped axis at a time


def test_one_row_alone():
    calls = []
    assert_close(many(calls)(WEIGHT, X[0, 0], Y[0]), plain(WEIGHT, X[0, 0], Y[0]))
    assert calls == [(3, 1)]


@pytest.mark.parametrize("wrap", [lambda f: f, jax.jit])
def test_gradients_are_those_of_single_rows(wrap):
    def loss(network):
        return lambda weight, x, y: sum(jnp.sin(part).sum() for part in nested(network)(weight, x, y))

    mine = wrap(jax.grad(loss(many([])), argnums=(0, 1, 2)))(WEIGHT, X, Y)
    assert_close(mine, jax.grad(loss(plain), argnums=(0, 1, 2))(WEIGHT, X, Y))


def test_mapped_parameters_are_mapped_plainly():
    weights = jnp.stack([WEIGHT, -WEIGHT])
    both = lambda network: jax.vmap(lambda weight: nested(network)(weight, X, Y))(weights)
    assert_close(both(many([])), both(plain))
