"""A game of several objectives with one reward in their place: their sum, weighted by a preference.

What methods for one reward play, and how a front is found without a method for several objectives: one run for each
preference. Known instances are the outer loop that MO-MIX is compared with, and any single compromise.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from interplay import games
from interplay.core.errors import InputError
from interplay.core.game import Game, HostGame, Spec, TimeStep
from interplay.core.preferences import checked


class Weighed(Game):
    """See the file's first paragraph; made by `weighed`. The weights are arrays, so that one program serves all."""

    spec: Spec
    game: Game
    weights: Float[Array, "objective"]

    def reset(self, key: PRNGKeyArray) -> tuple[PyTree, TimeStep]:
        state, time_step = self.game.reset(key)
        return state, self._weighed(time_step)

    def step(self, state: PyTree, action: PyTree[Array], key: PRNGKeyArray) -> tuple[PyTree, TimeStep]:
        state, time_step = self.game.step(state, action, key)
        return state, self._weighed(time_step)

    def draw(self, state: PyTree) -> str:
        return self.game.draw(state)

    def _weighed(self, time_step: TimeStep) -> TimeStep:
        return dataclasses.replace(time_step, reward=time_step.reward @ self.weights)


class WeighedHost(HostGame):
    """`Weighed` for games that live in Python; `again` makes another one like it."""

    def __init__(self, game: HostGame, weights: Float[np.ndarray, "objective"], again: Callable[[], Any]):
        self.game, self.weights, self.again = game, weights.astype(np.float32), again  # type: ignore[method-assign]
        self.spec = dataclasses.replace(game.spec, objectives=0)
        self.name = f"weighed {getattr(game, 'name', type(game).__name__)}"

    def reset(self, seed: int) -> TimeStep:
        return self._weighed(self.game.reset(seed))

    def step(self, action: np.ndarray) -> TimeStep:
        return self._weighed(self.game.step(action))

    def draw(self) -> str:
        return self.game.draw()

    def close(self) -> None:
        self.game.close()

    def _weighed(self, time_step: TimeStep) -> TimeStep:
        return dataclasses.replace(time_step, reward=np.asarray(time_step.reward) @ self.weights)


def weighed(game: Any = "treasures", weights: Any = (0.5, 0.5)) -> Weighed | WeighedHost:
    """`game`, a name or a game, paying `weights` · reward.

    Raises `InputError` for weights that do not sum to one, for another number of them than the game has objectives, and for
    games that have one reward already.

        >>> weighed("interplay.games.treasures:treasures", (1.0, 0.0)).spec.objectives
        0
    """
    made = games.make(game) if isinstance(game, str) else game
    if not made.spec.objectives:
        raise InputError(f"'{game}' has no objectives to weigh: give a game that has, such as treasures")
    if np.shape(weights) != (made.spec.objectives,):
        raise InputError(
            f"weighed got {np.size(weights)} weights for {made.spec.objectives} objectives: give one for each"
        )
    if isinstance(made, HostGame):
        again = (
            functools.partial(weighed, game, weights)
            if isinstance(game, str)
            else lambda: weighed(made.again(), weights)
        )
        return WeighedHost(made, checked(weights), again)
    traced = isinstance(weights, Tracer)
    spec = dataclasses.replace(made.spec, objectives=0)
    return Weighed(spec=spec, game=made, weights=jnp.asarray(weights if traced else checked(weights), jnp.float32))
