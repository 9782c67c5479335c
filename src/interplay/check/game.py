"""What every game must do, whatever it is about.

The arrays have to be those that the spec promises, the same key has to give the same episode compiled or not and alone
or in a batch, episodes have to end, and whoever is not to move must have no say. Pure games are played by one compiled
program, games in Python step by step; both are judged by the same record.
"""

from collections.abc import Iterator
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray

from interplay.check import host
from interplay.check.record import (
    LONGEST,
    NO_SAY,
    anything,
    fields,
    judged,
    legal_action,
    picture,
    running,
    sound_spec,
    without_say,
)
from interplay.check.words import differing, guarded, listed, not_arrays, reformed, refuse, words_of_keys
from interplay.core.game import AnyGame, Game, HostGame, TimeStep

EAGER = 3  # steps that are also played without compiling
TOLERANCE: dict[str, Any] = {"rtol": 1e-4, "atol": 1e-5}  # compiled and uncompiled arithmetic round differently


def check_game(game: AnyGame, seeds: int = 3) -> list[str]:
    """What is wrong with `game`, in sentences; an empty list where it does all that a game must do.

    Plays `seeds` episodes at random. Checks shapes, dtypes and padding against the spec, that the same key gives the
    same numbers (compiled or not, alone or in a batch), legal actions, finite numbers, an end within the horizon for
    one reason, that whoever is inactive changes nothing, and that pictures are SVG.

        >>> from interplay import games
        >>> check_game(games.make("climbing"))
        []
    """
    if isinstance(game, HostGame):
        stages = (sound_spec, host.answers, host.episodes, host.drawn)
    elif isinstance(game, Game):
        stages = (sound_spec, _answers, _traces, _rest)
    else:
        return [f"{type(game).__name__} is no game: subclass interplay.core.game.Game (pure JAX) or HostGame (Python)"]
    for stage in stages:  # each needs what the one before has made sure of
        problems = list(dict.fromkeys(stage(cast(Any, game), seeds)))
        if problems:
            return problems
    return []


def assert_game(game: AnyGame, seeds: int = 3) -> None:
    """Raise `InputError` with everything that `check_game` finds."""
    refuse(type(game).__name__, check_game(game, seeds))


def _answers(game: Game, seeds: int) -> Iterator[str]:
    """One reset and one step, uncompiled and each done twice."""
    key, held = jax.random.key(0), _held(game)

    def twice(name, call):
        first, second = call(), call()
        if not (isinstance(first, tuple) and len(first) == 2):
            yield f"{name} returns {type(first).__name__}: return a pair, the state and a TimeStep"
            return
        yield from fields(game.spec, first[1], name)
        if leaves := not_arrays(first[0]):
            yield f"{name}: the state holds {listed(leaves)}, which are no arrays: use jnp.asarray, or static fields"
        elif changed := differing(first, second):
            yield (
                f"{name} answers the same key in two ways ({listed(changed)} differ): draw all random numbers from the "
                "key and remember nothing between calls"
            )

    def step():
        state, seen = game.reset(key)
        action = legal_action(game.spec, seen, key)
        yield from twice("step", lambda: game.step(state, action, key))

    problems = list(guarded("reset", lambda: twice("reset", lambda: game.reset(key))))
    yield from problems or guarded("step", step)
    for name in (name for name, value in _held(game).items() if value != held.get(name)):
        yield f"playing changes game.{name}, which happens once or never when compiled: keep it in the state"


def _held(game: Game) -> dict[str, str]:
    """What the game's own lists, dicts and sets hold."""
    return {name: repr(value) for name, value in vars(game).items() if isinstance(value, (list, dict, set))}


def _traces(game: Game, seeds: int) -> Iterator[str]:
    """Whether it compiles at all, to a state that a loop can carry."""
    key = jax.random.key(0)

    def reset():
        jax.eval_shape(game.reset, key)
        return ()

    def step():
        state, seen = jax.eval_shape(game.reset, key)
        action = jax.eval_shape(lambda seen, key: legal_action(game.spec, seen, key), seen, key)
        after = jax.eval_shape(game.step, state, action, key)
        if changed := reformed((state, seen), after):
            yield f"step changes {listed(changed)}: states and time steps keep shapes and dtypes all through an episode"

    yield from list(guarded("compiling reset", reset)) or guarded("compiling step", step)


def _rest(game: Game, seeds: int) -> Iterator[str]:
    """All that needs whole episodes."""
    keys = jax.random.split(jax.random.key(1), seeds)
    length = min(game.spec.horizon, LONGEST)
    try:
        opening, rows, same = jax.jit(jax.vmap(lambda key: _episode(game, key, length)))(keys)
    except Exception as error:
        yield f"a compiled batch cannot be played: {type(error).__name__}: {error}"
        return
    record = jax.tree.map(np.asarray, (opening, rows))
    yield from judged(game.spec, *record)
    if not np.all(np.asarray(same) | ~running(record[1])):
        yield NO_SAY
    yield from guarded("playing uncompiled", lambda: _alike(game, keys[0], length, record))


def _episode(game: Game, key: PRNGKeyArray, length: int):
    """What is seen at the start, after each of `length` steps, and whether those without a say had none."""
    start, key = jax.random.split(key)

    def advance(carry, key):
        state, seen = carry
        act_key, step_key, other_key = jax.random.split(key, 3)
        action = legal_action(game.spec, seen, act_key)
        other = without_say(game.spec, seen, action, anything(game.spec, other_key))
        both = jax.vmap(lambda action: game.step(state, action, step_key))(jnp.stack([action, other]))
        close = lambda leaf: jnp.allclose(leaf[0], leaf[1], **TOLERANCE, equal_nan=True)
        same = jnp.array([close(leaf) for leaf in jax.tree.leaves(words_of_keys(both[1]))]).all()
        after = jax.tree.map(lambda leaf: leaf[0], both)
        return after, (after[1], same)

    state, seen = game.reset(start)
    return seen, *jax.lax.scan(advance, (state, seen), jax.random.split(key, length))[1]


def _alike(game: Game, key: PRNGKeyArray, length: int, record: tuple[TimeStep, TimeStep]) -> Iterator[str]:
    """The first steps of episode 0, alone and uncompiled, against the same in a compiled batch; and their pictures."""
    start, key = jax.random.split(key)
    state, seen = game.reset(start)
    yield from _same(jax.tree.map(lambda leaf: leaf[0], record[0]), seen, "reset")
    yield from guarded("draw", lambda: picture(lambda: game.draw(state)))
    for index, step_key in enumerate(jax.random.split(key, length)[:EAGER]):
        act_key, step_key, _ = jax.random.split(step_key, 3)
        state, seen = game.step(state, legal_action(game.spec, seen, act_key), step_key)
        yield from _same(jax.tree.map(lambda leaf, t=index: leaf[0, t], record[1]), seen, "step")
        yield from guarded("draw", lambda state=state: picture(lambda: game.draw(state)))
        if seen.terminated or seen.truncated:
            return


def _same(batched: TimeStep, alone: TimeStep, where: str) -> Iterator[str]:
    if changed := differing(batched, alone, **TOLERANCE):
        yield (
            f"{where} gives other numbers compiled in a batch than alone and uncompiled ({listed(changed)} differ): "
            "make it a pure function of its arguments: no numpy randomness, no counters of its own, no batch sums"
        )
