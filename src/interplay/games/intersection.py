"""An intersection: cars on crossing lanes, each with a hurry of its own, that must not be in one place at once.

A car chooses to brake, keep or accelerate; it is paid for getting across, fined for a crash, and every step on the road
costs it what its own hurry says. Going first is good for one, both going is bad for both: chicken, stretched over time.
Known instances are the four-way crossing of driving simulators (`intersection(4)`) and two cars that meet once
(`intersection(2)`), whose few hundred states can be listed.

Source: the task of Haynam et al., "Multi-agent inverse Q-learning from demonstrations" (2025), which is played in a driving
simulator there: three actions, −4 for a collision, +2 for arriving; the grid is ours.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int, PRNGKeyArray

from interplay.core.errors import InputError
from interplay.core.game import Discrete, Game, Spec, TimeStep, opening, outcome
from interplay.games import svg

SPEEDS = 3  # 0, 1 or 2 cells a step
LANES = 4


class State(eqx.Module):
    """`place` counts cells along a car's own lane; cars that have `left` have arrived or crashed."""

    place: Int[Array, "agent"]
    speed: Int[Array, "agent"]
    left: Bool[Array, "agent"]
    crashed: Bool[Array, "agent"]
    step: Int[Array, ""]


class Intersection(Game[State]):
    """See the file's first paragraph; made by `intersection`."""

    spec: Spec
    approach: int = eqx.field(static=True)
    hurry: tuple[float, ...] = eqx.field(static=True)
    arrival: float = eqx.field(static=True)
    collision: float = eqx.field(static=True)

    @property
    def far(self) -> int:
        """The first place behind the crossing."""
        return self.approach + 2

    @property
    def lanes(self) -> Int[np.ndarray, "lane place 2"]:
        """(row, column) of every place of every lane: north, east, south and west bound, driving on the right."""
        along, width = np.arange(self.far), 2 * self.approach + 2
        right, left = np.full(self.far, self.approach + 1), np.full(self.far, self.approach)
        back = width - 1 - along
        ways = [(back, right), (right, along), (along, left), (left, back)]
        return np.stack([np.stack(way, -1) for way in ways])

    def reset(self, key: PRNGKeyArray) -> tuple[State, TimeStep]:
        agents = self.spec.agents
        luck = jax.random.randint(key, (2, agents), 0, 2)
        nobody = jnp.zeros(agents, bool)
        state = State(place=luck[0], speed=luck[1], left=nobody, crashed=nobody, step=jnp.zeros((), jnp.int32))
        return state, TimeStep(**self._view(state), **opening(self.spec))

    def step(self, state: State, action: Int[Array, "agent"], key: PRNGKeyArray) -> tuple[State, TimeStep]:
        driving = ~state.left
        speed = jnp.clip(state.speed + action - 1, 0, SPEEDS - 1)
        place = state.place + speed
        swept = self._swept(state.place, place) & driving[:, None]
        crash = (swept & (swept.sum(0) > 1)).any(1)
        arrived = driving & ~crash & (place >= self.far)
        fee = jnp.asarray(self.hurry) * driving
        reward = self.arrival * arrived + self.collision * crash - fee
        left = state.left | arrived | crash
        out = lambda now: jnp.where(left, 0, now).astype(jnp.int32)
        state = State(place=out(place), speed=out(speed), left=left, crashed=state.crashed | crash, step=state.step + 1)
        done = left.all()
        late = ~done & (state.step >= self.spec.horizon)
        return state, TimeStep(**self._view(state), **outcome(reward, done, late))

    def draw(self, state: State) -> str:
        state, width = jax.tree.map(np.asarray, state), 2 * self.approach + 2
        shapes = [
            svg.rect(self.approach, 0, 2, width, "#CFD8DC"),
            svg.rect(0, self.approach, width, 2, "#CFD8DC"),
            svg.rect(self.approach, self.approach, 2, 2, "#B0BEC5"),
        ]
        for index in range(self.spec.agents):
            if not state.left[index]:
                row, column = self.lanes[index, state.place[index]]
                shapes.append(svg.circle(column + 0.5, row + 0.5, 0.36, svg.color(index)))
                label = f"{index}{'·' * int(state.speed[index])}"
                shapes.append(svg.text(column + 0.5, row + 0.5, label, 0.34, svg.contrast(svg.color(index))))
        across, crashed = int((state.left & ~state.crashed).sum()), int(state.crashed.sum())
        words = f"step {int(state.step)} · {across} across · {crashed} crashed"
        shapes.append(svg.text(0, width + 0.4, words, 0.4, text_anchor="start"))
        return svg.document(width, width + 0.9, *shapes, title="intersection")

    def _swept(self, before: Int[Array, "agent"], after: Int[Array, "agent"]) -> Bool[Array, "agent cell"]:
        """The cells that every car went through in a step, or stands on; nothing behind the crossing."""
        width, along = 2 * self.approach + 2, np.arange(self.far)
        on = (along > before[:, None]) & (along <= after[:, None]) | (along == before[:, None]) & (after == before)[
            :, None
        ]
        cells = self.lanes[: self.spec.agents, :, 0] * width + self.lanes[: self.spec.agents, :, 1]
        return (on[:, :, None] & (cells[:, :, None] == np.arange(width**2))).any(1)

    def _view(self, state: State):
        agents, driving = self.spec.agents, ~state.left
        place = state.place[:, None] == np.arange(self.far)
        speed = state.speed[:, None] == np.arange(SPEEDS)
        cars = (jnp.concatenate([place, speed], 1) & driving[:, None]).astype(jnp.float32)
        seen = jnp.stack([jnp.roll(cars, -index, 0).reshape(-1) for index in range(agents)])
        return {
            "observation": seen * driving[:, None],
            "legal": jnp.ones((agents, SPEEDS), bool),
            "active": driving,
            "shared": cars.reshape(-1),
        }


def intersection(
    agents: int = 4, approach: int = 3, *, hurry: tuple[float, ...] = (), arrival: float = 2.0, collision: float = -4.0,
    horizon: int = 20,
) -> Intersection:  # fmt: skip
    """`agents` cars, one a lane, each `approach` cells or one less before the crossing.

    Actions: brake, keep, accelerate (speed ± 1 in 0 … 2); then a car moves by its speed. Cars that go through one cell in
    the same step crash. Reward of car i: `arrival` when it is across, `collision` when it crashes, −`hurry[i]` per step on the
    road (0.1, 0.2, … where none are given). Who has arrived or crashed is no longer `active`. Observation: places and speeds
    of all cars as one-hots, one's own first. Raises `InputError` for other numbers of cars than 1 to 4.

        >>> intersection(2).spec.observation
        16
    """
    hurry = tuple(map(float, hurry)) or tuple(0.1 * (index + 1) for index in range(agents))
    if not 1 <= agents <= LANES or len(hurry) != agents:
        raise InputError(f"{agents} cars with {len(hurry)} hurries: give 1 to {LANES} cars and a number for each")
    if approach < 1 or horizon < 1:
        raise InputError(f"intersection got approach={approach}, horizon={horizon}: give 1 or more")
    width = agents * (approach + 2 + SPEEDS)
    spec = Spec(agents=agents, observation=width, action=Discrete(SPEEDS), horizon=horizon, shared=width)
    return Intersection(spec=spec, approach=approach, hurry=hurry, arrival=arrival, collision=collision)
