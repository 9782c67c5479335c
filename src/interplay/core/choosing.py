"""Choosing among values: the best legal action, and the value of an action that was chosen."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int


def best(values: Float[Array, "*rows action"], legal: Bool[Array, "*rows action"]) -> Int[Array, "*rows"]:
    """The legal action of the largest value (any action where none is legal); among equals, the first.

    >>> int(best(jnp.array([1.0, 3.0, 2.0]), jnp.array([True, False, True])))
    2
    """
    allowed = legal | ~legal.any(-1, keepdims=True)
    return jnp.argmax(jnp.where(allowed, values, -jnp.inf), -1).astype(jnp.int32)


def chosen(values: Float[Array, "..."], action: Int[Array, "*rows"]) -> Float[Array, "..."]:
    """The values of the given actions, as a masked sum: its gradient needs no scatter, which is slow on a CPU.

    `values` is "*rows action", or "*rows action objective" where an action has a value for each objective.

    >>> float(chosen(jnp.array([1.0, 3.0, 2.0]), jnp.array(1)))
    3.0
    """
    here = jnp.arange(values.shape[action.ndim]) == action[..., None]
    return jnp.where(here.reshape(here.shape + (1,) * (values.ndim - here.ndim)), values, 0.0).sum(action.ndim)
