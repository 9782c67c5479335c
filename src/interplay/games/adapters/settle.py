"""States that keep their types, which a scan over steps needs and some environments do not give."""

from typing import Any

import jax
import jax.numpy as jnp


def settled(new: Any, old: Any) -> Any:
    """`new` with the types of `old`, leaf by leaf; weak types, as Python numbers have them, become strong ones.

    >>> settled({"step": 3}, {"step": jnp.zeros((), jnp.int8)})["step"].dtype
    dtype('int8')
    """
    return jax.tree.map(_leaf, new, old)


def _leaf(new: Any, old: Any) -> Any:
    kind = jnp.asarray(old).dtype
    return new if jnp.issubdtype(kind, jax.dtypes.prng_key) else jax.lax.convert_element_type(new, kind)
