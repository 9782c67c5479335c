"""Harvest: apples grow back the faster the more apples are left around them, and never where none is.

A common pool: whoever takes the last apple of a patch ends it for all. Known instances are the orchard with ten agents
(`harvest()`) and a small garden (`harvest(map="garden", agents=3)`).

Source: Perolat et al., "A multi-agent reinforcement learning model of common-pool resource appropriation" (2017); Hughes et
al., "Inequity aversion improves cooperation in intertemporal social dilemmas" (2018).
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int, PRNGKeyArray

from interplay.core.errors import InputError
from interplay.core.game import Discrete, Game, Spec, TimeStep, opening, outcome
from interplay.games import grid, grid_maps, grid_views
from interplay.games.gathering import ACTIONS, MAPS
from interplay.games.grid import Bodies, Rules, Window

CHANCES = (0.0, 0.01, 0.01, 0.05, 0.05, 0.1)  # of growing with 0, 1, 2, 3, 4, and more apples around
AROUND = 2  # cells in each direction, diagonals included


class State(eqx.Module):
    """Bodies, and which apples are ripe."""

    bodies: Bodies
    ripe: Bool[Array, "apple"]
    step: Int[Array, ""]


class Harvest(Game[State]):
    """See the file's first paragraph; made by `harvest`."""

    spec: Spec
    rules: Rules
    window: Window
    chances: tuple[float, ...] = eqx.field(static=True)

    def reset(self, key: PRNGKeyArray) -> tuple[State, TimeStep]:
        ripe = jnp.ones(len(self.rules.chart.places("A")), bool)
        state = State(grid.begin(self.rules, self.spec.agents, key), ripe, jnp.zeros((), jnp.int32))
        return state, TimeStep(**self._seen(state), **opening(self.spec))

    def step(self, state: State, action: Int[Array, "agent"], key: PRNGKeyArray) -> tuple[State, TimeStep]:
        before = grid.by_index(self.spec.agents)
        bodies, turns = grid.act(self.rules, state.bodies, action, before)
        free = ~grid.occupied(self.rules, bodies, jnp.ones(self.spec.agents, bool))
        free = free[tuple(self.rules.chart.places("A").T)]
        grows = jax.random.uniform(key, state.ripe.shape) < jnp.asarray(self.chances)[self._around(state.ripe)]
        ripe = state.ripe | (free & grows)
        place = grid.takers(self.rules, bodies, turns.up, before, "A")
        taken = (place[:, None] == np.arange(ripe.shape[0])) & ripe
        state = State(bodies, ripe & ~jnp.any(taken, axis=0), state.step + 1)
        late = state.step >= self.spec.horizon
        return state, TimeStep(**self._seen(state), **outcome(jnp.sum(taken, axis=1), False, late))

    def view(self, state: State, agent: int) -> grid_views.View:
        """Everything there is, as plain read-only arrays: what policy programs see."""
        return grid_views.view(
            self.rules, state.bodies, agent, step=state.step, horizon=self.spec.horizon, ripe=state.ripe
        )

    def draw(self, state: State) -> str:
        ripe = np.asarray(state.ripe)
        words = f"step {int(state.step)} · {ripe.sum()} of {ripe.size} apples left"
        return grid_views.draw(self.rules, state.bodies, words, title="harvest", ripe=ripe)

    def _around(self, ripe):
        """How many apples are ripe around every place, as an index into `chances`."""
        places = self.rules.chart.places("A")
        apart = np.abs(places[:, None] - places).max(-1)
        near = ((apart <= AROUND) & (apart > 0)).astype(np.float32)
        count = (near @ ripe.astype(jnp.float32)).astype(jnp.int32)
        return jnp.minimum(count, len(self.chances) - 1)

    def _seen(self, state):
        return {
            "observation": grid.observed(
                self.rules, state.bodies, self.window, [grid.spread(self.rules, "A", state.ripe)]
            ),
            "legal": grid.moves_open(state.bodies, ACTIONS),
            "active": grid.able(state.bodies),
            "shared": jnp.concatenate([state.ripe, grid.summary(self.rules, state.bodies)], dtype=jnp.float32),
        }


def harvest(
    agents: int = 10,
    map: str = "orchard",
    *,
    horizon: int = 1000,
    chances: tuple[float, ...] = CHANCES,
    beam: tuple[int, int] = (20, 1),
    hits: int = 2,
    timeout: int = 25,
    window: tuple[int, int, int] = (9, 1, 5),
    blocking: bool = False,
) -> Harvest:
    """Harvest on a `map` of gathering's, "orchard" or "garden", or lines of your own.

    An empty free place grows an apple with `chances[k]`, k the ripe apples within two cells of it, diagonals included (the
    last of them for more). An apple is worth 1. Everything else is as in gathering. Raises `InputError` for maps without
    room and for numbers out of range.

        >>> harvest(map="garden", agents=3).spec.action.width
        8
    """
    if not chances or not all(0 <= chance <= 1 for chance in chances):
        raise InputError(f"harvest got chances={chances}: give one from 0 to 1 for every number of apples around")
    rules, seen = grid_maps.settings("harvest", grid_maps.rows(map, MAPS), beam, hits, timeout, window, blocking)
    return Harvest(
        spec=Spec(
            agents=agents,
            observation=grid.observed_size(rules, seen, 1),
            action=Discrete(ACTIONS),
            horizon=horizon,
            shared=len(rules.chart.places("A")) + 8 * agents,
        ),
        rules=rules,
        window=seen,
        chances=tuple(chances),
    )
