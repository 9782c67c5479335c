"""Means over a batch that may be laid over several devices.

When a run's games are split over devices, each device sees its own part of the batch inside a mapped program with the
axis name `BATCH`. Code that needs a statistic of the whole batch calls these; without that axis they do nothing.
"""

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

BATCH = "batch"


def split() -> bool:
    """Whether the code being traced sees only its device's part of the batch."""
    try:
        jax.lax.axis_index(BATCH)
    except NameError:
        return False
    return True


def mean(tree: PyTree[Array]) -> PyTree[Array]:
    """The mean of `tree` over the devices that share the batch."""
    return jax.lax.pmean(tree, BATCH) if split() else tree


def total(tree: PyTree[Array]) -> PyTree[Array]:
    """The sum of `tree` over the devices that share the batch."""
    return jax.lax.psum(tree, BATCH) if split() else tree


def weighted_mean(tree: PyTree[Array], mass: Float[Array, ""]) -> PyTree[Array]:
    """Σ mass · tree / Σ mass over the devices that share the batch, in one exchange of one vector."""
    if not split():
        return tree
    flat, rebuilt = ravel_pytree(tree)
    both = jax.lax.psum(jnp.append(flat * mass, mass), BATCH)
    return rebuilt(both[:-1] / jnp.maximum(both[-1], 1e-8))


def own(key: PRNGKeyArray) -> PRNGKeyArray:
    """A key that differs between the devices that share the batch."""
    return jax.random.fold_in(key, jax.lax.axis_index(BATCH)) if split() else key
