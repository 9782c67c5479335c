"""Random Markov games: tables of chances and rewards drawn once, on which everything can also be worked out exactly.

Two known instances are the random Markov decision process (one agent) on which estimators of policy gradients are compared
with the true gradient, and the random game of identical interest (several agents who all get the same).
"""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, PRNGKeyArray

from interplay.core.errors import InputError
from interplay.core.game import Discrete, Game, Spec, TimeStep, opening, outcome
from interplay.games import svg
from interplay.games.markov import MarkovGame, markov_game


class State(eqx.Module):
    """Where the game stands, and since when."""

    state: Int[Array, ""]
    step: Int[Array, ""]


class RandomGame(Game[State]):
    """See the file's first paragraph; made by `random_mdp`."""

    spec: Spec
    discount: float = eqx.field(static=True)
    seed: int = eqx.field(static=True)

    @property
    def markov(self) -> MarkovGame:
        """The same game as arrays; it starts in state 0."""
        spec = self.spec
        actions = (spec.action.width,) * spec.agents
        transition, reward = _tables(spec.shared, spec.action.width**spec.agents, self.seed)
        paid = np.broadcast_to(reward, (spec.agents, *reward.shape))
        return markov_game(jnp.asarray(transition), jnp.asarray(paid), self.discount, actions, jnp.eye(spec.shared)[0])

    def reset(self, key: PRNGKeyArray) -> tuple[State, TimeStep]:
        state = State(jnp.zeros((), jnp.int32), jnp.zeros((), jnp.int32))
        return state, TimeStep(**self._view(state), **opening(self.spec))

    def step(self, state: State, action: Int[Array, "agent"], key: PRNGKeyArray) -> tuple[State, TimeStep]:
        agents, width = self.spec.agents, self.spec.action.width
        transition, reward = _tables(self.spec.shared, width**agents, self.seed)
        joint = jnp.sum(action * width ** np.arange(agents)[::-1])
        chance = jnp.cumsum(jnp.asarray(transition)[state.state, joint])
        there = (chance[:-1] <= jax.random.uniform(key)).sum().astype(jnp.int32)
        paid = jnp.asarray(reward)[state.state, joint]
        state = State(there, state.step + 1)
        late = state.step >= self.spec.horizon
        return state, TimeStep(**self._view(state), **outcome(jnp.full(agents, paid), False, late))

    def draw(self, state: State) -> str:
        count, radius = self.spec.shared, 2.0
        shapes = []
        for index in range(count):
            angle = 2 * np.pi * index / count
            x, y = 2.5 + radius * float(np.cos(angle)), 2.5 + radius * float(np.sin(angle))
            fill = svg.color(1) if index == int(state.state) else "#DDE3E6"
            shapes += [svg.circle(x, y, 0.3, fill), svg.text(x, y, index, 0.24, svg.contrast(fill))]
        shapes.append(svg.text(2.5, 2.5, f"step {int(state.step)}", 0.24))
        return svg.document(5, 5, *shapes, title="random Markov game")

    def _view(self, state: State):
        spec = self.spec
        seen = (jnp.arange(spec.shared) == state.state).astype(jnp.float32)
        return {
            "observation": jnp.tile(seen, (spec.agents, 1)),
            "legal": jnp.ones((spec.agents, spec.action.width), bool),
            "active": jnp.ones(spec.agents, bool),
            "shared": seen,
        }


def random_mdp(
    states: int = 12, actions: int = 4, *, agents: int = 1, horizon: int = 30, discount: float = 0.95, seed: int = 0
) -> RandomGame:
    """A random Markov game: P(· | s, a) uniform among all distributions, r(s, a) in [−1, 1], the same for all agents.

    Agents see the state as one-hot; the game starts in state 0 and is cut after `horizon` steps. `discount` belongs to
    the exact form only (`game.markov`). Raises `InputError` for sizes below one or tables beyond a million numbers.

        >>> random_mdp().markov.transition.shape
        (12, 4, 12)
    """
    if min(states, actions, agents, horizon) < 1 or states**2 * actions**agents > 1_000_000:
        raise InputError(
            f"{states} states, {actions} actions of {agents} agents: give at least 1 each, and fewer states"
        )
    spec = Spec(agents=agents, observation=states, action=Discrete(actions), horizon=horizon, shared=states)
    return RandomGame(spec=spec, discount=float(discount), seed=int(seed))


@functools.lru_cache(maxsize=8)
def _tables(states: int, joint: int, seed: int):
    """P(s' | s, a) and r(s, a)."""
    random = np.random.default_rng(seed)
    transition = random.dirichlet(np.ones(states), (states, joint))
    return transition.astype(np.float32), random.uniform(-1, 1, (states, joint)).astype(np.float32)
