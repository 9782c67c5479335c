"""The dense primitives are plain products however they are mapped and differentiated."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay.nets.dense import MLP, Dense, affine, linear

KEYS = jax.random.split(jax.random.key(0), 6)
X = jax.random.normal(KEYS[0], (5, 4, 3))
WEIGHT = jax.random.normal(KEYS[1], (3, 2))
BIAS = jax.random.normal(KEYS[2], (2,))
WEIGHTS, BIASES = jax.random.normal(KEYS[3], (4, 3, 2)), jax.random.normal(KEYS[4], (4, 2))

ours = {"linear": lambda x, w, b: linear(x, w), "affine": affine}
plain = {"linear": lambda x, w, b: x @ w, "affine": lambda x, w, b: x @ w + b}


def close(one, other):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-5), one, other)


def nested(layer):
    return jax.vmap(jax.vmap(layer, (0, None, None)), (0, None, None))


def by_agent(layer):
    """Every agent its own weights, under a batch of games."""
    return jax.vmap(jax.vmap(layer), (0, None, None))


def games_inside(layer):
    return jax.vmap(jax.vmap(layer, (0, None, None)), (1, 0, 0))


def only_weights(layer):
    return lambda x, w, b: jax.vmap(layer, (None, 0, 0))(x[0, 0], w, b)


def only_bias(layer):
    return lambda x, w, b: jax.vmap(layer, (None, None, 0))(x[0, 0], w[0], b)


def bias_and_rows(layer):
    return lambda x, w, b: jax.vmap(layer, (0, None, 0))(x[0], w[0], b)


def last_axis(layer):
    return lambda x, w, b: jax.vmap(layer, (-1, None, None), -1)(jnp.swapaxes(x[0], 0, 1), w, b)


SHARED = {"one": lambda layer: lambda x, w, b: layer(x[0, 0], w, b), "nested": nested, "last axis": last_axis}
OWN = {f.__name__: f for f in (by_agent, games_inside, only_weights, only_bias, bias_and_rows)}
CASES = [(layer, name) for layer, name in itertools.product(ours, {**SHARED, **OWN})]


def case(name):
    return (SHARED | OWN)[name], (X, WEIGHT, BIAS) if name in SHARED else (X, WEIGHTS, BIASES)


@pytest.mark.parametrize(("layer", "name"), CASES)
def test_values_gradients_and_tangents_are_those_of_plain_products(layer, name):
    mapped, arguments = case(name)
    mine, theirs = mapped(ours[layer]), mapped(plain[layer])
    close(jax.jit(mine)(*arguments), theirs(*arguments))
    loss = lambda function: lambda *given: jnp.sin(function(*given)).sum()
    close(jax.grad(loss(mine), (0, 1, 2))(*arguments), jax.grad(loss(theirs), (0, 1, 2))(*arguments))
    tangents = jax.tree.map(jnp.cos, arguments)
    close(jax.jvp(mine, arguments, tangents), jax.jvp(theirs, arguments, tangents))


@pytest.mark.parametrize("layer", ours)
def test_gradients_may_be_mapped_and_differentiated_again(layer):
    def slopes(function):
        """vmap of grad over games, of a loss that maps over agents."""
        loss = lambda w, b, x: jnp.tanh(jax.vmap(function, (0, None, None))(x, w, b)).sum()
        return lambda w, b: jax.vmap(jax.grad(loss, (0, 1)), (None, None, 0))(w, b, X)

    mine, theirs = slopes(ours[layer]), slopes(plain[layer])
    close(mine(WEIGHT, BIAS), theirs(WEIGHT, BIAS))
    close(jax.jvp(mine, (WEIGHT, BIAS), (WEIGHT, BIAS)), jax.jvp(theirs, (WEIGHT, BIAS), (WEIGHT, BIAS)))

    def curved(function):
        loss = lambda w: jnp.sin(nested(function)(X, w, BIAS)).sum()
        return jax.jvp(jax.grad(loss), (WEIGHT,), (jnp.cos(WEIGHT),))[1]

    close(curved(ours[layer]), curved(plain[layer]))


def test_in_a_loop_that_is_differentiated():
    def run(function):
        def back(weight):
            step = lambda x, _: (jnp.tanh(jax.vmap(function, (0, None, None))(x, weight, jnp.ones(3))), None)
            return jax.lax.scan(step, X[0], None, length=3)[0].sum()

        return jax.value_and_grad(back)(jnp.eye(3) * 0.5)

    close(run(affine), run(plain["affine"]))


def test_layers():
    layer = Dense(6, 4, 2.0, KEYS[0])
    np.testing.assert_allclose(layer.weight.T @ layer.weight, 4 * jnp.eye(4), atol=1e-5)
    assert not layer.bias.any()
    tower = MLP((3, 5, 2), KEYS[1])
    by_hand = X[0, 0]
    for part in tower.layers:
        by_hand = jnp.tanh(by_hand @ part.weight + part.bias)
    close(tower(X[0, 0]), by_hand)
    assert MLP((3,), KEYS[1])(X[0, 0]).tolist() == X[0, 0].tolist()
