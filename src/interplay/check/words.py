"""How the batteries compare trees of arrays and turn what went wrong into sentences."""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from interplay.core.errors import InputError

HINTS = (  # what an exception says -> what to do
    (r"TracerBoolConversion|ConcretizationType|TracerIntegerConversion|TracerArrayConversion|NonConcreteBoolean",
     "Python looked at a number that is not known while compiling: use jnp.where or jax.lax.cond instead of `if`, and "
     "jnp instead of numpy"),
    (r"FrozenInstanceError|cannot assign to field", "games and teams are frozen: return what changes in the state"),
    (r"missing .*'active'", "say whose move it is: active=jnp.ones(agents, bool) where all move at once"),
    (r"missing .*'(reward|terminated|truncated)'", "add **opening(spec) in reset and **outcome(reward, terminated, "
     "truncated) in step, both from interplay.core.game"),
    (r"UnexpectedTracerError|leaked", "a traced array was kept outside the function: return it instead"),
)  # fmt: skip


def raised(what: str, error: Exception) -> str:
    """A sentence about an exception: what was being done, the first line of what it says, and a hint if we know one."""
    name, line = type(error).__name__, (str(error).strip().splitlines() or [""])[0]
    hint = next((hint for pattern, hint in HINTS if re.search(pattern, f"{name} {error}", re.S)), None)
    return f"{what} raises {name}: {line}" + (f" ({hint})" if hint else "")


def guarded(what: str, problems: Callable[[], Iterable[str]]) -> Iterator[str]:
    """The problems, and whatever exception looking for them ran into as one more."""
    try:
        yield from problems()
    except Exception as error:  # somebody else's code may raise anything
        yield raised(what, error)


def refuse(name: str, problems: list[str]) -> None:
    """Raise `InputError` with all the problems, if there are any."""
    if problems:
        raise InputError("\n".join([f"{name} has {len(problems)} problem(s):", *(f"- {one}" for one in problems)]))


def differing(one: Any, other: Any, rtol: float = 0.0, atol: float = 0.0) -> list[str]:
    """Paths of the leaves whose numbers differ; with no tolerance every bit counts, NaN equals NaN."""
    named = jax.tree_util.tree_leaves_with_path(one)
    others = jax.tree.leaves(other)
    if len(named) != len(others):
        return [f"structure ({len(named)} and {len(others)} arrays)"]
    return [
        called(path) for (path, mine), theirs in zip(named, others, strict=True) if not _close(mine, theirs, rtol, atol)
    ]


def reformed(one: Any, other: Any) -> list[str]:
    """How the structure, shapes or dtypes of `other` differ from those of `one`."""
    if jax.tree.structure(one) != jax.tree.structure(other):
        return ["the structure of the tree"]
    pairs = zip(jax.tree_util.tree_leaves_with_path(one), jax.tree.leaves(other), strict=True)
    kind = lambda leaf: f"{getattr(leaf, 'dtype', type(leaf).__name__)}{list(getattr(leaf, 'shape', ()))}"
    return [f"{called(path)} from {kind(a)} to {kind(b)}" for (path, a), b in pairs if kind(a) != kind(b)]


def not_arrays(tree: Any) -> list[str]:
    """Leaves that are no arrays, each with its Python type."""
    named = jax.tree_util.tree_leaves_with_path(tree)
    return [f"{called(path)} ({type(leaf).__name__})" for path, leaf in named if not hasattr(leaf, "dtype")]


def called(path: Any) -> str:
    """The readable name of a leaf."""
    return jax.tree_util.keystr(path, simple=True, separator="/") or "it"


def listed(names: Iterable[str], most: int = 3) -> str:
    """Some names, and how many more there are."""
    names = list(names)
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def plain(leaf: Any) -> np.ndarray:
    """A leaf as numpy; typed random keys as their words."""
    if hasattr(leaf, "dtype") and jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        leaf = jax.random.key_data(leaf)
    return np.asarray(leaf)


def words_of_keys(tree: Any) -> Any:
    """The tree with typed random keys replaced by their words, so that everything can be compared by numbers."""
    typed = lambda leaf: jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    return jax.tree.map(lambda leaf: jax.random.key_data(leaf) if typed(leaf) else leaf, tree)


def _close(one: Any, other: Any, rtol: float, atol: float) -> bool:
    one, other = plain(one), plain(other)
    if one.shape != other.shape:
        return False
    if one.dtype.kind not in "fc" or not (rtol or atol):
        return bool(np.array_equal(one, other, equal_nan=one.dtype.kind in "fc"))
    return bool(np.allclose(one, other, rtol, atol, equal_nan=True))
