"""A game of several objectives with one reward in their place: their sum, weighted by a preference.

What methods for one reward play, and how a front is found without a method for several objectives: one run for each
preference. Known instances are the outer loop that MO-MIX is compared with, and any single compromise.
"""

import dataclasses
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from interplay import games
from interplay.core.errors import InputError
from interplay.core.game import Game, Spec, TimeStep
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


def weighed(game: Any = "treasures", weights: Any = (0.5, 0.5)) -> Weighed:
    """`game`, a name or a game, paying `weights` · reward.

    Raises `InputError` for weights that do not sum to one, for another number of them than the game has objectives, and for
    games that have one reward already or run in Python.

        >>> weighed("interplay.games.treasures:treasures", (1.0, 0.0)).spec.objectives
        0
    """
    made = games.make(game) if isinstance(game, str) else game
    if not isinstance(made, Game) or not made.spec.objectives:
        raise InputError(f"'{game}' has no objectives to weigh: give a game in pure JAX that has, such as treasures")
    if np.shape(weights) != (made.spec.objectives,):
        raise InputError(
            f"weighed got {np.size(weights)} weights for {made.spec.objectives} objectives: give one for each"
        )
    traced = isinstance(weights, Tracer)
    spec = dataclasses.replace(made.spec, objectives=0)
    return Weighed(spec=spec, game=made, weights=jnp.asarray(weights if traced else checked(weights), jnp.float32))
