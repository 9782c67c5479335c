"""Rendezvous: agents in a corridor want to stand on one cell, and the sooner the better. A whole game in one file."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, PRNGKeyArray

from interplay.core.game import Discrete, Game, Spec, TimeStep, opening, outcome
from interplay.games import svg


class State(eqx.Module):
    place: Int[Array, "agent"]
    clock: Int[Array, ""]


class MyGame(Game[State]):
    spec: Spec
    cells: int = eqx.field(static=True)

    def __init__(self, agents: int = 3, cells: int = 9, horizon: int = 16):
        self.cells = cells
        self.spec = Spec(agents, observation=agents, action=Discrete(3), horizon=horizon, shared=agents)

    def reset(self, key: PRNGKeyArray) -> tuple[State, TimeStep]:
        place = jax.random.randint(key, (self.spec.agents,), 0, self.cells)
        state = State(place, jnp.zeros((), jnp.int32))
        return state, TimeStep(**self.view(state), **opening(self.spec))

    def step(self, state: State, action: Int[Array, "agent"], key: PRNGKeyArray) -> tuple[State, TimeStep]:
        place = jnp.clip(state.place + action - 1, 0, self.cells - 1)  # 0 left, 1 stay, 2 right
        state = State(place, state.clock + 1)
        apart = place.max() - place.min()
        reward = jnp.full(self.spec.agents, jnp.where(apart == 0, 1.0, -apart / self.cells))
        late = (state.clock >= self.spec.horizon) & (apart > 0)  # time ran out: truncated, not terminated
        return state, TimeStep(**self.view(state), **outcome(reward, apart == 0, late))

    def view(self, state: State) -> dict[str, Array]:
        where = state.place / (self.cells - 1)
        legal = [state.place > 0, jnp.ones(self.spec.agents, bool), state.place < self.cells - 1]
        return {
            "observation": jax.vmap(lambda agent: jnp.roll(where, -agent))(jnp.arange(self.spec.agents)),  # own first
            "legal": jnp.stack(legal, axis=-1),
            "active": jnp.ones(self.spec.agents, bool),
            "shared": where,
        }

    def draw(self, state: State) -> str:
        agents = range(self.spec.agents)
        corridor = [svg.rect(cell, 0, 0.94, self.spec.agents, "#E8EAE6") for cell in range(self.cells)]
        walkers = [svg.circle(int(state.place[i]) + 0.47, i + 0.5, 0.34, svg.color(i)) for i in agents]
        return svg.document(self.cells, self.spec.agents, *corridor, *walkers, title="rendezvous")
