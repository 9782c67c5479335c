"""Whole networks that run on many rows at once, behind an interface for one.

`vmap` keeps each operation's own idea of where the mapped axes go; on a CPU, a network made of many small operations then
spends most of its time moving them about. `rows` gathers all mapped axes into one trailing axis before the network and gives
them back after it, so that inside everything runs along contiguous rows. Transformers over a handful of agents are the users.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.custom_batching import custom_vmap


def rows(network: Callable) -> Callable:
    """`network(module, *arrays)`, written for arrays with a trailing row axis, as a function of arrays without one.

    However often the result is mapped, `network` is called once with all rows; outputs have the row axis last, too. `module`
    is what is not mapped, such as the parameters. Where that is mapped as well, plain `vmap` does it.

        >>> double = rows(lambda module, x: 2 * x)
        >>> jax.vmap(lambda x: double(None, x))(jnp.ones((5, 3))).shape
        (5, 3)
    """

    def call(module: Any, *arrays):
        parameters, constants = eqx.partition(module, eqx.is_array)

        def plain(parameters, arrays):
            return network(eqx.combine(parameters, constants), *arrays)

        return _single(plain, parameters, arrays)

    return call


def _single(plain, parameters, arrays):
    out = _many(plain, parameters, jax.tree.map(lambda leaf: leaf[..., None], arrays))
    return jax.tree.map(lambda leaf: leaf[..., 0], out)


def _many(plain, parameters, arrays):
    """`plain`, or where something is still mapped, `plain` on that axis laid among the rows."""
    if not any(
        hasattr(leaf, "batch_dim") for leaf in jax.tree.leaves((parameters, arrays))
    ):  # only a mapped array has it
        return plain(parameters, arrays)

    @custom_vmap
    def mapped(parameters, arrays):
        return plain(parameters, arrays)

    @mapped.def_vmap
    def gather(size, batched, parameters, arrays):
        over_parameters, over_arrays = batched
        if any(jax.tree.leaves(over_parameters)):
            axes = jax.tree.map(lambda over: 0 if over else None, (over_parameters, over_arrays))
            out = jax.vmap(plain, in_axes=axes)(parameters, arrays)
            return out, jax.tree.map(lambda _: True, out)
        count = jax.tree.leaves(arrays)[0].shape[-1]
        laid = jax.tree.map(lambda leaf, over: _laid(leaf, over, size), arrays, over_arrays)
        out = _many(plain, parameters, laid)
        lifted = jax.tree.map(lambda leaf: jnp.moveaxis(leaf.reshape(*leaf.shape[:-1], size, count), -2, 0), out)
        return lifted, jax.tree.map(lambda _: True, out)

    return mapped(parameters, arrays)


def _laid(leaf, over: bool, size: int):
    """[size, …, row] as […, size · row]; what was not mapped is repeated."""
    wide = (*leaf.shape[:-1], size, leaf.shape[-1])
    leaf = jnp.moveaxis(leaf, 0, -2) if over else jnp.broadcast_to(leaf[..., None, :], wide)
    return leaf.reshape(*leaf.shape[:-2], -1)
