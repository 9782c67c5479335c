"""Gathering: apples that grow back after a while, and a beam that takes rivals out of the game for a while.

There is enough for everybody who is patient, and a rival who is out leaves more for the others: peace is what
cooperation looks like here. Known instances are the large map with ten agents (`gathering()`) and a small one on which
networks learn within minutes (`gathering(map="garden", agents=3)`).

Source: Leibo et al., "Multi-agent Reinforcement Learning in Sequential Social Dilemmas" (2017); sizes and the order of
events as in Gallego, "Cooperation and Exploitation in LLM Policy Synthesis for Sequential Social Dilemmas" (2026).
"""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, PRNGKeyArray

from interplay.core.errors import at_least
from interplay.core.game import Discrete, Game, Spec, TimeStep, opening, outcome
from interplay.games import grid, grid_maps, grid_views
from interplay.games.grid import Bodies, Rules, Window

MAPS = {"orchard": grid_maps.ORCHARD, "garden": grid_maps.GARDEN}
ACTIONS = 8  # forward, backward, left, right, turn left, turn right, fire, stand


class State(eqx.Module):
    """Bodies, and of every apple the steps until it is ripe again (0: it is)."""

    bodies: Bodies
    unripe: Int[Array, "apple"]
    step: Int[Array, ""]


class Gathering(Game[State]):
    """See the file's first paragraph; made by `gathering`."""

    spec: Spec
    rules: Rules
    window: Window
    regrowth: int = eqx.field(static=True)

    def reset(self, key: PRNGKeyArray) -> tuple[State, TimeStep]:
        apples = len(self.rules.chart.places("A"))
        bodies = grid.begin(self.rules, self.spec.agents, key)
        state = State(bodies=bodies, unripe=jnp.zeros(apples, jnp.int32), step=jnp.zeros((), jnp.int32))
        return state, TimeStep(**self._seen(state), **opening(self.spec))

    def step(self, state: State, action: Int[Array, "agent"], key: PRNGKeyArray) -> tuple[State, TimeStep]:
        before = grid.by_index(self.spec.agents)
        bodies, turns = grid.act(self.rules, state.bodies, action, before)
        unripe = jnp.maximum(state.unripe - 1, 0)
        place = grid.takers(self.rules, bodies, turns.up, before, "A")
        taken = (place[:, None] == np.arange(unripe.shape[0])) & (unripe == 0)
        unripe = jnp.where(jnp.any(taken, axis=0), self.regrowth, unripe)
        state = State(bodies=bodies, unripe=unripe, step=state.step + 1)
        late = state.step >= self.spec.horizon
        return state, TimeStep(**self._seen(state), **outcome(jnp.sum(taken, axis=1), False, late))

    def view(self, state: State, agent: int) -> grid_views.View:
        """Everything there is, as plain read-only arrays: what policy programs see."""
        ripe = np.asarray(state.unripe) == 0
        return grid_views.view(self.rules, state.bodies, agent, step=state.step, horizon=self.spec.horizon, ripe=ripe)

    def draw(self, state: State) -> str:
        ripe = np.asarray(state.unripe) == 0
        out = int(np.sum(np.asarray(state.bodies.timeout) > 0))
        words = f"step {int(state.step)} · {ripe.sum()} of {ripe.size} apples ripe · {out} out"
        return grid_views.draw(self.rules, state.bodies, words, title="gathering", ripe=ripe)

    def _seen(self, state):
        ripe = state.unripe == 0
        layers = [grid.spread(self.rules, "A", ripe)]
        return {
            "observation": grid.observed(self.rules, state.bodies, self.window, layers),
            "legal": grid.moves_open(state.bodies, ACTIONS),
            "active": grid.able(state.bodies),
            "shared": jnp.concatenate([1 - state.unripe / self.regrowth, grid.summary(self.rules, state.bodies)]),
        }


def gathering(
    agents: int = 10,
    map: str = "orchard",
    *,
    horizon: int = 1000,
    regrowth: int = 25,
    beam: tuple[int, int] = (20, 1),
    hits: int = 2,
    timeout: int = 25,
    window: tuple[int, int, int] = (9, 1, 5),
    blocking: bool = False,
) -> Gathering:
    """Gathering on a `map`: "orchard" (16 × 38, 155 apples), "garden" (10 × 14, 25 apples) or lines of your own.

    An apple is worth 1 to the first in turn who stands on it, and is there again `regrowth` steps later. `beam` is
    (length, width) in cells; who has been hit `hits` times is out for `timeout` steps and costs nobody anything. In a
    step timeouts fall, agents act in the order of their numbers, apples ripen, apples are taken. Agents share cells
    unless `blocking`. An episode is cut at `horizon`.

    Observation: `window` = (ahead, behind, to each side) cells around the agent, turned to where it faces, in layers
    [layer, row, column]: walls, beams, other agents, agents that are out, apples; then the own timeout and hits.
    `shared`: how ripe each apple is, then bodies. Actions: forward, backward, left, right, turn left, turn right, fire,
    stand. Raises `InputError` for maps without room and for numbers out of range.

        >>> gathering(map="garden", agents=3).spec.observation
        607
    """
    at_least("gathering", regrowth=(regrowth, 1))
    rules, seen = grid_maps.settings("gathering", grid_maps.rows(map, MAPS), beam, hits, timeout, window, blocking)
    apples = len(rules.chart.places("A"))
    return Gathering(
        spec=Spec(
            agents=agents,
            observation=grid.observed_size(rules, seen, 1),
            action=Discrete(ACTIONS),
            horizon=horizon,
            shared=apples + 8 * agents,
        ),
        rules=rules,
        window=seen,
        regrowth=regrowth,
    )
