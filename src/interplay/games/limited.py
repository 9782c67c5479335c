"""A game of which some agents see only a part: the first so many numbers of their observation, zeros in place of the rest.

Two known instances are HAMMER's partially observed navigation (`limited(game='spread', first=10)`: an agent sees itself and
the landmarks, not the others) and its mixed hardware (`agents=(1,)`: one agent sees less than the others).
"""

import dataclasses

import jax.numpy as jnp
from jaxtyping import Array, Bool, PRNGKeyArray, PyTree

from interplay import games
from interplay.core.errors import InputError
from interplay.core.game import Game, Spec, TimeStep


class Limited(Game):
    """See the file's first paragraph; made by `limited`. The shared state of centralized training is left whole."""

    spec: Spec
    game: Game
    shown: Bool[Array, "agent feature"]

    def reset(self, key: PRNGKeyArray) -> tuple[PyTree, TimeStep]:
        state, time_step = self.game.reset(key)
        return state, self._cut(time_step)

    def step(self, state: PyTree, action: PyTree[Array], key: PRNGKeyArray) -> tuple[PyTree, TimeStep]:
        state, time_step = self.game.step(state, action, key)
        return state, self._cut(time_step)

    def draw(self, state: PyTree) -> str:
        return self.game.draw(state)

    def _cut(self, time_step: TimeStep) -> TimeStep:
        return dataclasses.replace(time_step, observation=jnp.where(self.shown, time_step.observation, 0.0))


def limited(game: str = "spread", first: int = 10, agents: tuple[int, ...] | None = None) -> Limited:
    """`game` with only the first `first` numbers of an observation shown to `agents` (to all where none are named).

    Raises `InputError` for a game in Python, a number below 1 and agents that the game does not have.

        >>> limited("spread", first=10).spec.observation
        18
    """
    made = games.make(game)
    if not isinstance(made, Game):
        raise InputError(f"'{game}' runs in Python: limited() wraps games in pure JAX")
    if not isinstance(first, int) or not 1 <= first < made.spec.observation:
        raise InputError(f"limited got first={first}: show 1 to {made.spec.observation - 1} numbers")
    chosen = tuple(range(made.spec.agents)) if agents is None else tuple(agents)
    if not set(chosen) <= set(range(made.spec.agents)):
        raise InputError(f"limited got agents={chosen}: '{game}' has agents 0 to {made.spec.agents - 1}")
    feature, agent = jnp.arange(made.spec.observation), jnp.arange(made.spec.agents)[:, None]
    shown = (feature < first) | ~jnp.isin(agent, jnp.asarray(chosen))
    return Limited(spec=made.spec, game=made, shown=shown)
