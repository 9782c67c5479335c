"""A look at a user's game before it is trained: shapes only, so that it costs next to nothing.

A game that answers with the wrong shapes would otherwise fail somewhere inside a compiled program, in words about
programs. `interplay.check.check_game` looks at everything else.
"""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp

from interplay.core.errors import InputError
from interplay.core.game import AnyGame, Discrete, Game, TimeStep
from interplay.play.bench import shapes


def refuse_misshapen(game: AnyGame, name: str) -> None:
    """Raise `InputError` with the first thing wrong with a pure game that is not one of ours."""
    if isinstance(game, Game) and not type(game).__module__.startswith("interplay."):
        problem = next(_problems(game), None)
        if problem:
            raise InputError(f"{name}: {problem}; interplay.check.check_game tells all")


def _problems(game: Game) -> Iterator[str]:
    key, spec = jax.random.key(0), game.spec
    before = jax.eval_shape(game.reset, key)
    yield from _answer(game, "reset", before)
    size = (spec.agents,) if isinstance(spec.action, Discrete) else (spec.agents, spec.action.width)
    kind = jnp.int32 if isinstance(spec.action, Discrete) else jnp.float32
    after = jax.eval_shape(game.step, before[0], jax.ShapeDtypeStruct(size, kind), key)
    yield from _answer(game, "step", after)
    if jax.tree.structure(before[0]) != jax.tree.structure(after[0]):
        yield "step gives another kind of state than reset"
    for (path, old), new in zip(jax.tree_util.tree_leaves_with_path(before[0]), jax.tree.leaves(after[0]), strict=True):
        if (old.shape, old.dtype) != (new.shape, new.dtype):
            place = jax.tree_util.keystr(path, simple=True, separator="/") or "itself"
            yield f"step changes the state's {place} from {old.dtype}{list(old.shape)} to {new.dtype}{list(new.shape)}"


def _answer(game: Game, name: str, answer: Any) -> Iterator[str]:
    if not (isinstance(answer, tuple) and len(answer) == 2 and isinstance(answer[1], TimeStep)):
        yield f"{name} has to return a pair, the state and a TimeStep"
        return
    for field, (shape, kind) in shapes(game.spec).items():
        value = getattr(answer[1], field)
        if (value.shape, value.dtype) != (shape, kind):
            got, wanted = f"{value.dtype}{list(value.shape)}", f"{jnp.dtype(kind).name}{list(shape)}"
            yield f"the {field} that {name} gives is {got}, the spec says {wanted}"
