"""Dense layers, written for one input vector and fast for any number of them.

A layer is `x @ weight + bias` for one vector; callers `vmap`. Plain JAX turns nested `vmap`s (games, agents) into products
over three-dimensional arrays, which XLA's CPU backend runs at less than half the speed of the same product on flat ones.
`linear` and `affine` are therefore primitives of their own: however often they are mapped, they run as one flat product,
with all mapped axes last ("features first"), and so do their gradients. Element-wise functions between layers leave that
layout alone. `MLP` is the usual tower; actors and critics of every baseline are instances.
"""

import math
from collections.abc import Callable, Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.core import ShapedArray
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jaxtyping import Array, Float, PRNGKeyArray

Activation = Callable[[Array], Array]

_linear, _affine = Primitive("interplay_linear"), Primitive("interplay_affine")


def linear(x: Float[Array, "input *mapped"], weight: Float[Array, "input output"]) -> Float[Array, "output *mapped"]:
    """`x @ weight` for one vector x; further axes of `x`, which `vmap` adds, are carried along.

    >>> linear(jnp.ones(3), jnp.ones((3, 2))).shape
    (2,)
    """
    return _linear.bind(x, weight)


def affine(
    x: Float[Array, "input *mapped"], weight: Float[Array, "input output"], bias: Float[Array, "output"]
) -> Float[Array, "output *mapped"]:
    """`x @ weight + bias` for one vector x; further axes of `x`, which `vmap` adds, are carried along."""
    return _affine.bind(x, weight, bias)


def _flat(x):
    return x.reshape(x.shape[0], -1)


def _product(x, weight):
    return x @ weight if x.ndim == 1 else (weight.T @ _flat(x)).reshape(weight.shape[1], *x.shape[1:])


def _shifted(x, weight, bias):
    return _product(x, weight) + bias.reshape(-1, *(1,) * (x.ndim - 1))


def _shape(x, weight, bias=None):
    return ShapedArray((weight.shape[1], *x.shape[1:]), x.dtype)


def _batch_linear(arguments, axes):
    (x, weight), (x_axis, weight_axis) = arguments, axes
    if weight_axis is None:
        return linear(jnp.moveaxis(x, x_axis, -1), weight), x.ndim - 1
    return jax.vmap(_product, axes)(x, weight), 0


def _batch_affine(arguments, axes):
    (x, weight, bias), (x_axis, weight_axis, bias_axis) = arguments, axes
    if weight_axis is None and bias_axis is None:
        return affine(jnp.moveaxis(x, x_axis, -1), weight, bias), x.ndim - 1
    return jax.vmap(_shifted, axes)(x, weight, bias), 0


def _differentiate_affine(primals, tangents):
    (x, weight, bias), (x_dot, weight_dot, bias_dot) = primals, tangents
    out = affine(x, weight, bias)
    parts = []
    if not isinstance(x_dot, ad.Zero):
        parts.append(linear(x_dot, weight))
    if not isinstance(weight_dot, ad.Zero):
        parts.append(linear(x, weight_dot))
    if not isinstance(bias_dot, ad.Zero):
        parts.append(jnp.broadcast_to(bias_dot.reshape(-1, *(1,) * (x.ndim - 1)), out.shape))
    return out, sum(parts[1:], parts[0])


_linear.def_impl(jax.jit(_product))
_linear.def_abstract_eval(_shape)
ad.defbilinear(
    _linear,
    lambda cotangent, x, weight: linear(cotangent, weight.T),
    lambda cotangent, x, weight: _flat(x) @ _flat(cotangent).T,
)
batching.primitive_batchers[_linear] = _batch_linear
mlir.register_lowering(_linear, mlir.lower_fun(_product, multiple_results=False))
_affine.def_impl(jax.jit(_shifted))
_affine.def_abstract_eval(_shape)
ad.primitive_jvps[_affine] = _differentiate_affine
batching.primitive_batchers[_affine] = _batch_affine
mlir.register_lowering(_affine, mlir.lower_fun(_shifted, multiple_results=False))


def orthogonal(key: PRNGKeyArray, shape: tuple[int, int]) -> Float[Array, "rows columns"]:
    """A random matrix whose columns (or rows, where they are fewer) are orthonormal, uniform among all such.

    Gram-Schmidt, each column twice, on normal numbers: the QR decomposition of `jax.numpy` waits on a processor inside
    the thread pool that has to serve it, and two of them at once on two cores never end.

    Source: Saxe et al., "Exact solutions to the nonlinear dynamics of learning in deep linear neural networks" (2014).
    """
    normal = jax.random.normal(key, (max(shape), min(shape)))

    def add(index, basis):
        column = normal[:, index]
        for _ in range(2):
            column = column - basis @ (basis.T @ column)
        return basis.at[:, index].set(column / jnp.linalg.norm(column))

    basis = jax.lax.fori_loop(0, min(shape), add, jnp.zeros_like(normal))
    return basis if shape[0] >= shape[1] else basis.T


class Dense(eqx.Module):
    """One affine layer: `x @ weight + bias`."""

    weight: Float[Array, "input output"]
    bias: Float[Array, "output"]

    def __init__(self, inputs: int, outputs: int, gain: float, key: PRNGKeyArray):
        """Orthogonal weight scaled by `gain`, zero bias (Saxe et al. 2014, as in the PPO reference code)."""
        self.weight = gain * orthogonal(key, (inputs, outputs))
        self.bias = jnp.zeros(outputs)

    def __call__(self, x: Float[Array, "input"]) -> Float[Array, "output"]:
        return affine(x, self.weight, self.bias)


class MLP(eqx.Module):
    """A tower of dense layers, `activation` after every one."""

    layers: tuple[Dense, ...]
    activation: Activation = eqx.field(static=True)

    def __init__(self, sizes: Sequence[int], key: PRNGKeyArray, activation: Activation = jnp.tanh):
        """`sizes` = (input, hidden, …, output); gain √2 as usual for saturating and rectified units alike."""
        keys = jax.random.split(key, max(1, len(sizes) - 1))
        pairs = zip(sizes[:-1], sizes[1:], keys, strict=False)
        self.layers = tuple(Dense(a, b, math.sqrt(2), k) for a, b, k in pairs)
        self.activation = activation

    def __call__(self, x: Float[Array, "input"]) -> Float[Array, "output"]:
        for layer in self.layers:
            x = self.activation(layer(x))
        return x
