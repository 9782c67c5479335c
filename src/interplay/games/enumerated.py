"""All states of a small pure game, found by trying everything: what exact answers about such a game are worked out from.

Unlike `games.markov`, whose arrays hold every chance, this is for games in which nothing is left to chance after the start:
one next state per state and joint action, so that thousands of states fit. `gems_mini` and `intersection(2)` are known
instances.
"""

import itertools
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from interplay.core.errors import InputError
from interplay.core.game import Discrete, Game, TimeStep

STARTS = 4096  # resets from which the chances of the first states are counted
BLOCK = 128  # states looked at in one call, so that one program is compiled


class Enumerated(eqx.Module):
    """Every state with what is seen there, and what comes of every joint action; agent 0 leads in `joint`.

    `ended[agent, state, joint]`: nothing follows for this agent, because the game is over or it has left. `seen` has the
    states on its leading axis. `start` holds the chances of the first states.
    """

    seen: TimeStep
    following: Int[Array, "state joint"]
    reward: Float[Array, "agent state joint"]
    ended: Bool[Array, "agent state joint"]
    start: Float[Array, "state"]
    joint: Int[Array, "joint agent"]

    @property
    def states(self) -> int:
        return self.following.shape[0]

    @property
    def agents(self) -> int:
        return self.reward.shape[0]


def forgetting(*fields: str) -> Callable[[Any], Any]:
    """States with these counters set to zero: what only tells a game when to stop, and pictures what to say."""

    def forget(state: Any) -> Any:
        return eqx.tree_at(
            lambda state: [getattr(state, name) for name in fields], state, replace_fn=lambda leaf: jnp.zeros_like(leaf)
        )

    return forget


TIMELESS = forgetting("step")


def enumerated(game: Game[Any], forget: Callable[[Any], Any] = TIMELESS, most: int = 20_000) -> Enumerated:
    """All states that can be reached, breadth first; states that are alike after `forget` count as one.

    Time limits are left out (states go on as if there were none). Raises `InputError` for games in which a step is left
    to chance, for more than `most` states, and for actions that are real numbers.

        >>> enumerated(games.make("intersection(agents=1)")).states  # doctest: +SKIP
        13
    """
    if not isinstance(game.spec.action, Discrete):
        raise InputError("only games with choices can be listed, and this game's actions are real numbers")
    joint = np.array(list(itertools.product(range(game.spec.action.width), repeat=game.spec.agents)), np.int32)
    explore = jax.jit(jax.vmap(lambda state: jax.vmap(lambda action: _stepped(game, forget, state, action))(joint)))
    begin = lambda key: (lambda state, seen: (forget(state), seen))(*game.reset(key))
    first = jax.jit(jax.vmap(begin))(jax.random.split(jax.random.key(0), STARTS))
    numbers, known = {}, []
    counts, parts, done = np.bincount(_number(first, numbers, known)), [], 0
    while done < len(known):
        parts.append(_expanded(explore, numbers, known, done))
        done += len(parts[-1][0])
        if len(known) > most:
            raise InputError(f"{type(game).__name__} has more than {most} states: give a smaller game")
    following, arrived = jax.tree.map(lambda *rows: np.concatenate(rows), *parts)
    start = np.zeros(len(known), np.float32)
    start[: len(counts)] = counts / counts.sum()
    by_agent = lambda rows: jnp.moveaxis(jnp.asarray(rows), -1, 0)
    ended = by_agent(arrived.terminated[..., None] | ~arrived.active)
    seen = jax.tree.map(lambda *rows: jnp.asarray(np.stack(rows)), *[seen for _, seen in known])
    return Enumerated(
        seen, jnp.asarray(following), by_agent(arrived.reward), ended, jnp.asarray(start), jnp.asarray(joint)
    )


def _expanded(explore, numbers: dict[bytes, int], known: list, done: int):
    """What follows the next `BLOCK` known states from `done` on: numbers of states, and what is seen on arrival."""
    count = min(BLOCK, len(known) - done)
    some = [known[min(done + at, len(known) - 1)][0] for at in range(BLOCK)]
    after, chance = jax.tree.map(
        lambda leaf: np.asarray(leaf)[:count], explore(jax.tree.map(lambda *rows: np.stack(rows), *some))
    )
    if chance.any():
        raise InputError("steps of this game are left to chance: only what follows surely can be listed")
    flat = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), after)
    over = flat[1].terminated
    following = np.zeros(len(over), np.int32)  # nothing follows an end: any number will do
    following[~over] = _number(jax.tree.map(lambda leaf: leaf[~over], flat), numbers, known)
    return following.reshape(chance.shape), after[1]


def _stepped(game: Game[Any], forget, state, action):
    """What a joint action leads to, and whether that would be different with other luck."""
    after, arrived = game.step(state, action, jax.random.key(0))
    other, _ = game.step(state, action, jax.random.key(1))
    pairs = zip(jax.tree.leaves(after), jax.tree.leaves(other), strict=True)
    return (forget(after), arrived), jnp.stack([jnp.any(one != two) for one, two in pairs]).any()


def _number(rows, numbers: dict[bytes, int], known: list) -> np.ndarray:
    """The number of every state in `rows` (state, what is seen there), new ones appended to `known`."""
    states, seen = jax.tree.map(np.asarray, rows)
    leaves = jax.tree.leaves(states)
    found = np.zeros(len(leaves[0]), np.int32)
    for index in range(len(found)):
        name = b"".join(leaf[index].tobytes() for leaf in leaves)
        if name not in numbers:
            numbers[name] = len(known)
            known.append(jax.tree.map(lambda leaf, at=index: leaf[at], (states, seen)))
        found[index] = numbers[name]
    return found
