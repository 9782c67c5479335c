"""Dense layers, written for one input vector and fast for any number of them.

A layer is `x @ weight + bias` for one vector; callers `vmap`. Under two nested `vmap`s (games, agents) plain JAX makes
the weight gradient a contraction over two axes, which XLA's CPU backend runs at half the speed of the same product on
flat rows. `linear` is therefore a primitive of its own: however often it is mapped, it runs as one flat product, and so
does its weight gradient. `MLP` is the usual tower; actors and critics of every baseline are instances.
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

_linear = Primitive("interplay_linear")


def linear(x: Float[Array, "*batch input"], weight: Float[Array, "input output"]) -> Float[Array, "*batch output"]:
    """`x @ weight` with all leading axes of `x` flattened into one, forwards and backwards.

    >>> linear(jnp.ones(3), jnp.ones((3, 2))).shape
    (2,)
    """
    return _linear.bind(x, weight)


def _flat(x):
    return x.reshape(-1, x.shape[-1])


def _product(x, weight):
    if x.ndim == 1:
        return x @ weight
    return (_flat(x) @ weight).reshape(*x.shape[:-1], weight.shape[-1])


def _batch(arguments, axes):
    (x, weight), (x_axis, weight_axis) = arguments, axes
    if weight_axis is None:
        return linear(jnp.moveaxis(x, x_axis, 0), weight), 0
    weight = jnp.moveaxis(weight, weight_axis, 0)
    if x_axis is None:
        return jnp.einsum("...i,bio->b...o", x, weight), 0
    return jnp.einsum("b...i,bio->b...o", jnp.moveaxis(x, x_axis, 0), weight), 0


_linear.def_impl(jax.jit(_product))
_linear.def_abstract_eval(lambda x, weight: ShapedArray((*x.shape[:-1], weight.shape[-1]), x.dtype))
ad.defbilinear(
    _linear,
    lambda cotangent, x, weight: linear(cotangent, weight.T),
    lambda cotangent, x, weight: _flat(x).T @ _flat(cotangent),
)
batching.primitive_batchers[_linear] = _batch
mlir.register_lowering(_linear, mlir.lower_fun(_product, multiple_results=False))


class Dense(eqx.Module):
    """One affine layer: `x @ weight + bias`."""

    weight: Float[Array, "input output"]
    bias: Float[Array, "output"]

    def __init__(self, inputs: int, outputs: int, gain: float, key: PRNGKeyArray):
        """Orthogonal weight scaled by `gain`, zero bias (Saxe et al. 2014, as in the PPO reference code)."""
        self.weight = jax.nn.initializers.orthogonal(gain)(key, (inputs, outputs))
        self.bias = jnp.zeros(outputs)

    def __call__(self, x: Float[Array, "input"]) -> Float[Array, "output"]:
        return linear(x, self.weight) + self.bias


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
