"""A whole sequence through the cell is the cell step by step, in value and in every derivative, however it is mapped."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay.nets.unroll import gates, unroll

TIME, SIZE = 6, 4
KEYS = jax.random.split(jax.random.key(0), 4)
WEIGHT = jax.random.normal(KEYS[0], (SIZE, 3 * SIZE))
BIAS = jax.random.normal(KEYS[1], (SIZE,))
STARTED = jnp.array([0.0, 0, 1, 0, 1, 0])


def step_by_step(weight, bias, memory, projected, alive):
    states = []
    for row, kept in zip(projected, alive, strict=True):
        memory = memory * kept
        _, keep, _, candidate = gates(memory @ weight, bias, row)
        memory = (1 - keep) * candidate + keep * memory
        states.append(memory)
    return jnp.stack(states)


def arguments(*mapped):
    memory = jax.random.normal(KEYS[2], (*mapped, SIZE))
    projected = jax.random.normal(KEYS[3], (*mapped, TIME, 3 * SIZE))
    alive = 1 - jnp.stack([jnp.roll(STARTED, i) for i in range(int(np.prod(mapped)))]).reshape(*mapped, TIME)
    return memory, projected, alive


def mapped(function, times, weights=None):
    for _ in range(times):
        function = jax.vmap(function, in_axes=(weights, weights, 0, 0, 0))
    return function


def derivatives(function, *inputs):
    value, pull = jax.vjp(function, *inputs)
    along = jax.jvp(function, inputs, jax.tree.map(jnp.cos, inputs))[1]
    return value, along, *pull(jnp.sin(value))[:4]


@pytest.mark.parametrize("shape", [(), (3,), (3, 2)])
def test_values_and_derivatives_are_those_of_single_steps(shape):
    inputs = (WEIGHT, BIAS, *arguments(*shape))
    ours = derivatives(lambda *xs: mapped(unroll, len(shape))(*xs, inputs[-1]), *inputs[:4])
    plain = derivatives(lambda *xs: mapped(step_by_step, len(shape))(*xs, inputs[-1]), *inputs[:4])
    for one, other in zip(ours, plain, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-5, atol=2e-5)


def test_members_may_have_weights_of_their_own():
    weights, biases = jnp.stack([WEIGHT, -WEIGHT, 2 * WEIGHT]), jnp.stack([BIAS, BIAS, -BIAS])
    inputs = (weights, biases, *arguments(3))
    ours = derivatives(lambda *xs: mapped(unroll, 1, 0)(*xs, inputs[-1]), *inputs[:4])
    plain = derivatives(lambda *xs: mapped(step_by_step, 1, 0)(*xs, inputs[-1]), *inputs[:4])
    for one, other in zip(ours, plain, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-5, atol=2e-5)


def test_every_sequence_can_have_the_gradient_of_its_own():
    memory, projected, alive = arguments(3)
    loss = lambda function: lambda weight, *row: (function(weight, BIAS, *row) ** 2).sum()
    each = lambda function: jax.vmap(jax.grad(loss(function)), in_axes=(None, 0, 0, 0))(
        WEIGHT, memory, projected, alive
    )
    np.testing.assert_allclose(each(unroll), each(step_by_step), rtol=2e-5, atol=2e-5)
