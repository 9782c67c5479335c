"""States that keep their types, which a scan over steps needs and some environments do not give."""

from typing import Any

import jax
import jax.numpy as jnp


def settled(new: Any, old: Any) -> Any:
    """`new` with the types of `old`, leaf by leaf; weak types, as Python numbers have them, become strong ones.

    >>> settled({"step": 3}, {"step": jnp.zeros((), jnp.int8)})["step"].dtype
    dtype('int8')
    """
    return jax.tree.map(lambda new, old: jax.lax.convert_element_type(new, jnp.asarray(old).dtype), new, old)
