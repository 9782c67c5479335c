"""Cleanup: apples grow only while somebody keeps the river clean, which costs whoever does it.

A public good: cleaning pays everybody, and best of all those who leave it to others. Known instances are the large bank
with ten agents (`cleanup()`), whose river begins so foul that nothing grows, and a small one (`cleanup(map="pond", agents=4)`).

Source: Hughes et al., "Inequity aversion improves cooperation in intertemporal social dilemmas" (2018); sizes and the order of
events as in Gallego, "Cooperation and Exploitation in LLM Policy Synthesis for Sequential Social Dilemmas" (2026).
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int, PRNGKeyArray

from interplay.core.errors import InputError
from interplay.core.game import Discrete, Game, Spec, TimeStep, opening, outcome
from interplay.games import grid, grid_maps, grid_views
from interplay.games.grid import Bodies, Rules, Window

MAPS = {"bank": grid_maps.BANK, "pond": grid_maps.POND}
ACTIONS = 9  # those of gathering, and clean


class State(eqx.Module):
    """Bodies, which apples are ripe, and which cells of the river are foul."""

    bodies: Bodies
    ripe: Bool[Array, "apple"]
    waste: Bool[Array, "river"]
    step: Int[Array, ""]


class Cleanup(Game[State]):
    """See the file's first paragraph; made by `cleanup`."""

    spec: Spec
    rules: Rules
    window: Window
    costs: tuple[float, float, float] = eqx.field(static=True)  # of firing, of being hit, of cleaning
    growth: tuple[float, float] = eqx.field(
        static=True
    )  # chance that an apple grows beside a clean river, foulest share
    fouling: float = eqx.field(static=True)

    def reset(self, key: PRNGKeyArray) -> tuple[State, TimeStep]:
        chart = self.rules.chart
        row, column = chart.places("HR").T
        state = State(
            bodies=grid.begin(self.rules, self.spec.agents, key),
            ripe=jnp.ones(len(chart.places("A")), bool),
            waste=jnp.asarray(chart.marks[row, column] == "H"),
            step=jnp.zeros((), jnp.int32),
        )
        return state, TimeStep(**self._seen(state), **opening(self.spec))

    def step(self, state: State, action: Int[Array, "agent"], key: PRNGKeyArray) -> tuple[State, TimeStep]:
        foul_key, place_key, grow_key = jax.random.split(key, 3)
        before = grid.by_index(self.spec.agents)
        bodies, turns = grid.act(self.rules, state.bodies, action, before)
        chart = self.rules.chart
        at = lambda marks, layer: layer[tuple(chart.places(marks).T)]
        waste = state.waste & ~at("HR", grid.swept(self.rules, bodies, grid.CLEAN))
        share, most = waste.mean(), self.growth[1]
        free = ~grid.occupied(self.rules, bodies, jnp.ones(self.spec.agents, bool))
        fouls = (share < most) & (jax.random.uniform(foul_key) < self.fouling)
        waste |= fouls & grid.pick(~waste & at("HR", free), jax.random.uniform(place_key))
        chance = self.growth[0] * jnp.maximum(0.0, 1 - share / most)
        ripe = state.ripe | (at("A", free) & (jax.random.uniform(grow_key, state.ripe.shape) < chance))
        place = grid.takers(self.rules, bodies, turns.up, before, "A")
        taken = (place[:, None] == np.arange(ripe.shape[0])) & ripe
        fire, hit, clean = self.costs
        spent = fire * (turns.beam == grid.FIRE) + hit * turns.struck + clean * (turns.beam == grid.CLEAN)
        state = State(bodies=bodies, ripe=ripe & ~jnp.any(taken, axis=0), waste=waste, step=state.step + 1)
        late = state.step >= self.spec.horizon
        return state, TimeStep(**self._seen(state), **outcome(jnp.sum(taken, axis=1) - spent, False, late))

    def view(self, state: State, agent: int) -> grid_views.View:
        """Everything there is, as plain read-only arrays: what policy programs see."""
        return grid_views.view(
            self.rules, state.bodies, agent,
            step=state.step, horizon=self.spec.horizon, ripe=state.ripe, waste=state.waste,
        )  # fmt: skip

    def draw(self, state: State) -> str:
        ripe, waste = np.asarray(state.ripe), np.asarray(state.waste)
        words = (
            f"step {int(state.step)} · {ripe.sum()} of {ripe.size} apples ripe · {waste.mean():.0%} of the river foul"
        )
        return grid_views.draw(self.rules, state.bodies, words, title="cleanup", ripe=ripe, waste=waste)

    def _seen(self, state):
        layers = [grid.spread(self.rules, "A", state.ripe), grid.spread(self.rules, "HR", state.waste)]
        layers += [np.isin(self.rules.chart.marks, ["H", "R"]), grid.swept(self.rules, state.bodies, grid.CLEAN)]
        return {
            "observation": grid.observed(self.rules, state.bodies, self.window, layers),
            "legal": grid.moves_open(state.bodies, ACTIONS),
            "active": grid.able(state.bodies),
            "shared": jnp.concatenate(
                [state.ripe, state.waste, grid.summary(self.rules, state.bodies)], dtype=jnp.float32
            ),
        }


def cleanup(
    agents: int = 10,
    map: str = "bank",
    *,
    horizon: int = 1000,
    growth: float = 0.05,
    foulest: float = 0.4,
    fouling: float = 0.5,
    costs: tuple[float, float, float] = (1.0, 50.0, 1.0),
    beam: tuple[int, int] = (5, 3),
    timeout: int = 25,
    window: tuple[int, int, int] = (9, 1, 5),
    blocking: bool = False,
) -> Cleanup:
    """Cleanup on a `map`: "bank" (25 × 18, 119 cells of river, 103 apples), "pond" (11 × 13) or lines of your own.

    In a step timeouts fall, agents act in the order of their numbers, the river fouls, apples grow, apples are taken. With ρ
    the foul share of the river: while ρ < `foulest`, one clean free cell turns foul with chance `fouling`; every empty
    free place grows an apple with chance `growth` · max(0, 1 − ρ / `foulest`). An apple is worth 1. `costs` are those of
    firing, of every beam that hits an agent, and of cleaning; one hit puts out for `timeout` steps. Cleaning beams clean all
    they sweep. An episode is cut at `horizon`.

    Observation: as in gathering, with layers for waste, river and cleaning beams. Actions: those of gathering, and clean.
    Raises `InputError` for maps without river or room and for numbers out of range.

        >>> cleanup(map="pond", agents=4).spec.action.width
        9
    """
    lines = grid_maps.rows(map, MAPS)
    rules, seen = grid_maps.settings("cleanup", lines, beam, 1, timeout, window, blocking)
    for name, value in {"growth": growth, "foulest": foulest, "fouling": fouling}.items():
        if not 0 <= value <= 1:
            raise InputError(f"cleanup got {name}={value}: give a number from 0 to 1")
    river, apples = len(rules.chart.places("HR")), len(rules.chart.places("A"))
    if not river or not foulest:
        raise InputError("cleanup needs a river and foulest above 0: mark cells of the map with H or R")
    return Cleanup(
        spec=Spec(
            agents=agents,
            observation=grid.observed_size(rules, seen, 4),
            action=Discrete(ACTIONS),
            horizon=horizon,
            shared=apples + river + 8 * agents,
        ),
        rules=rules,
        window=seen,
        costs=costs,
        growth=(growth, foulest),
        fouling=fouling,
    )
