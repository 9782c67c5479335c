"""A matrix game of two played over and over, of which each sees what both did last: its own choice first, the other's second.

All that is seen is one of 1 + n² things (the first round, or a joint choice), so a policy is a small table, the same for both
seats. Known instances are the prisoner's dilemma, in which such tables are called tit for tat or win-stay lose-shift, and
the stag hunt.

Source: Axelrod, "The evolution of cooperation" (1984); tables of one remembered round: Press and Dyson, "Iterated prisoner's
dilemma contains strategies that dominate any evolutionary opponent" (2012).
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, PRNGKeyArray
from numpy.typing import ArrayLike

from interplay.core.errors import InputError
from interplay.core.game import Game, Spec, TimeStep
from interplay.games.matrix import Matrix, State, general_sum


class Iterated(Game[State]):
    """See the file's first paragraph; made by `iterated` and the functions after it."""

    spec: Spec
    game: Matrix

    @property
    def payoffs(self) -> np.ndarray:
        """What each agent gets for each joint action, "agent action action"."""
        return self.game.payoffs

    def reset(self, key: PRNGKeyArray) -> tuple[State, TimeStep]:
        state, time_step = self.game.reset(key)
        return state, self._shown(state, time_step)

    def step(self, state: State, action: Int[Array, "agent"], key: PRNGKeyArray) -> tuple[State, TimeStep]:
        state, time_step = self.game.step(state, action, key)
        return state, self._shown(state, time_step)

    def draw(self, state: State) -> str:
        return self.game.draw(state)

    def _shown(self, state: State, time_step: TimeStep) -> TimeStep:
        choices = self.spec.action.width
        last = 1 + choices * state.action + state.action[::-1]  # as each of both sees it
        seen = jax.nn.one_hot(jnp.where(state.round > 0, last, 0), 1 + choices**2)
        return dataclasses.replace(time_step, observation=seen)


def iterated(payoffs: ArrayLike, rounds: int = 10) -> Iterated:
    """The game in which joint choice (a, b) pays agent i payoffs[i, a, b], `rounds` times.

    Observation: one-hot of what happened last, 0 before the first round, else 1 + n · own choice + the other's. Raises
    `InputError` for tables that are not those of two agents with the same number of choices.

        >>> iterated([[[3, 0], [5, 1]], [[3, 5], [0, 1]]]).spec.observation
        5
    """
    table = np.asarray(payoffs, float)
    if table.ndim != 3 or table.shape[0] != 2 or table.shape[1] != table.shape[2]:
        raise InputError(f"payoffs of shape {table.shape} are not those of two agents with n choices: give (2, n, n)")
    game = general_sum(table, rounds)
    size = 1 + table.shape[1] ** 2
    spec = dataclasses.replace(game.spec, observation=size, observation_sizes=(size, size))
    return Iterated(spec=spec, game=game)


def prisoners_dilemma(rounds: int = 10) -> Iterated:
    """Action 0 cooperates, 1 defects: 3 each for both cooperating, 1 each for both defecting, 5 and 0 for one defecting.

    >>> prisoners_dilemma().payoffs[0].tolist()
    [[3.0, 0.0], [5.0, 1.0]]
    """
    return iterated(symmetric([[3, 0], [5, 1]]), rounds)


def stag_hunt(rounds: int = 10) -> Iterated:
    """Action 0 hunts the stag (4 if both do, 0 alone), 1 the hare (3 while the other hunts the stag, 2 otherwise)."""
    return iterated(symmetric([[4, 0], [3, 2]]), rounds)


def chicken(rounds: int = 10) -> Iterated:
    """Action 0 swerves, 1 drives on: 3 each for swerving, 1 and 4 where one does, 0 each where nobody does."""
    return iterated(symmetric([[3, 1], [4, 0]]), rounds)


def symmetric(own: ArrayLike) -> np.ndarray:
    """Payoffs of both from the table of one: own choice down, the other's across."""
    table = np.asarray(own, float)
    return np.stack([table, table.T])
