"""jumanji's multi-agent environments as games: `jumanji:LevelBasedForaging-v0`, `jumanji:RobotWarehouse-v0`.

jumanji already has an agent axis. What is added here: one flat observation per agent also where the environment shows
one picture to all (Connector, Cleaner), a reward per agent also where the team gets one number, and ends told apart
from the clock where jumanji reports both alike. Any other id works whose observation has `agents_view` and
`action_mask`. Keys and actions go through unchanged, so that the same ones give jumanji's own numbers.
"""

import difflib
import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray, PyTree
from jumanji import registration, specs
from jumanji.environments.routing.cleaner import constants as cleaner
from jumanji.environments.routing.cleaner.generator import RandomGenerator as Rooms
from jumanji.environments.routing.connector import constants as connector
from jumanji.environments.routing.connector.generator import RandomWalkGenerator as Wires
from jumanji.environments.routing.lbf.generator import RandomGenerator as Food
from jumanji.environments.routing.robot_warehouse.generator import RandomGenerator as Shelves
from jumanji.environments.swarms.search_and_rescue.generator import RandomGenerator as Searchers

from interplay.core.errors import InputError
from interplay.core.game import Box, Discrete, Game, Spec, TimeStep, opening, outcome
from interplay.games import svg
from interplay.games.adapters.settle import settled

State = PyTree[Array]


class Rules(NamedTuple):
    """What differs between environments, one set each.

    `view(observation)`: a row per agent. `ended(env, before, action, after)`: whether the episode is over for a reason
    other than time, None where jumanji's discount tells (0: ended, 1: out of time). `active(observation)`: who can
    still act, None where everybody can. `levels(**parameters)`: jumanji's generator of levels. `draw(env, state)`: the
    picture.
    """

    view: Callable[[Any], Array]
    ended: Callable[[Any, State, Array, State], Array] | None
    active: Callable[[Any], Array] | None = None
    levels: Callable[..., Any] | None = None
    draw: Callable[[Any, Any], str] | None = None


class JumanjiGame(Game[State]):
    """One jumanji environment; the state is jumanji's own."""

    spec: Spec
    env: Any = eqx.field(static=True)
    rules: Rules = eqx.field(static=True)

    def reset(self, key: PRNGKeyArray) -> tuple[State, TimeStep]:
        # The state keeps its key: as plain numbers it can be saved and compared like everything else in it.
        state, seen = self.env.reset(jax.random.key_data(key))
        state = settled(state, state)
        return state, TimeStep(**self._see(seen.observation), **opening(self.spec))

    def step(self, state: State, action: PyTree[Array], key: PRNGKeyArray) -> tuple[State, TimeStep]:
        if isinstance(self.spec.action, Box):
            action = jnp.clip(action, self.spec.action.low, self.spec.action.high)
        after, seen = self.env.step(state, action)
        after = settled(after, state)
        over = seen.last()
        if self.rules.ended is None:
            ended = over & jnp.all(seen.discount == 0)
        else:
            ended = over & self.rules.ended(self.env, state, action, after)
        reward = jnp.broadcast_to(jnp.asarray(seen.reward, jnp.float32), (self.spec.agents,))
        return after, TimeStep(**self._see(seen.observation), **outcome(reward, ended, over & ~ended))

    def draw(self, state: State) -> str:
        if self.rules.draw is None:
            return super().draw(state)
        return self.rules.draw(self.env, state)

    def _see(self, observation: Any) -> dict[str, Array]:
        view, agents = self.rules.view(observation), self.spec.agents
        view = view.reshape(agents, -1).astype(jnp.float32)
        legal = getattr(observation, "action_mask", None)
        legal = jnp.ones((agents, self.spec.action.width), bool) if legal is None else legal.astype(bool)
        active = jnp.ones(agents, bool)
        if self.rules.active is not None:
            active = self.rules.active(observation)
            view = jnp.where(active[:, None], view, 0.0)
        return {"observation": view, "legal": legal, "active": active, "shared": jnp.zeros(0)}


def make(rest: str, **parameters: Any) -> JumanjiGame:
    """The game that jumanji calls `rest`, for example `LevelBasedForaging-v0`.

    Parameters go to the environment (`time_limit`, `penalty`, …) or to the generator of its levels (`num_agents`,
    `grid_size`, …), whichever knows them. Raises `InputError` with the nearest names where there is no such
    environment, and with the reason where it does not fit.

        >>> make("LevelBasedForaging-v0", num_agents=3, grid_size=10).spec.agents
        3

    Source: Bonnet et al., "Jumanji: a Diverse Suite of Scalable Reinforcement Learning Environments in JAX" (2023).
    """
    known = registration.registered_environments()
    if rest not in known:
        near = difflib.get_close_matches(rest, known, n=3, cutoff=0.5)
        hint = (
            f"did you mean {' or '.join(f'jumanji:{one}' for one in near)}?"
            if near
            else f"there are {', '.join(RULES)}"
        )
        raise InputError(f"jumanji has no '{rest}': {hint}")
    rules = RULES.get(rest, Rules(_agents_view, _before_limit))
    try:
        env = registration.make(rest, **_arguments(rules, parameters))
    except (TypeError, ValueError, AssertionError) as wrong:
        raise InputError(f"cannot make 'jumanji:{rest}': {wrong}") from None
    return JumanjiGame(_spec(rest, env, rules), env, rules)


def names() -> list[str]:
    """The environments made for several agents. Others that fit work too."""
    return list(RULES)


def _arguments(rules: Rules, parameters: dict[str, Any]) -> dict[str, Any]:
    """`parameters` with those that belong to the level generator put into one."""
    if rules.levels is None:
        return parameters
    known = inspect.signature(rules.levels).parameters
    levels = {name: value for name, value in parameters.items() if name in known}
    others = {name: value for name, value in parameters.items() if name not in known}
    return {"generator": rules.levels(**levels), **others} if levels else others


def _spec(rest: str, env: Any, rules: Rules) -> Spec:
    _, seen = jax.eval_shape(lambda: env.reset(jax.random.key_data(jax.random.key(0))))
    lacks = [field for field in ("agents_view", "action_mask") if not hasattr(seen.observation, field)]
    if rest not in RULES and lacks:
        raise InputError(f"'jumanji:{rest}' does not fit: its observation has no {' and no '.join(lacks)}")
    view = jax.eval_shape(rules.view, seen.observation)
    agents = view.shape[0]
    if getattr(env, "time_limit", None) is None:
        raise InputError(f"'jumanji:{rest}' does not fit: it has no time_limit, so that episodes may never end")
    return Spec(
        agents=agents,
        observation=view.size // agents,
        action=_action(rest, env.action_spec, agents),
        horizon=int(env.time_limit),
    )


def _action(rest: str, spec: Any, agents: int) -> Discrete | Box:
    if isinstance(spec, specs.MultiDiscreteArray) and spec.shape == (agents,):
        return Discrete(int(np.max(spec.num_values)))
    if isinstance(spec, specs.BoundedArray) and len(spec.shape) == 2 and spec.shape[0] == agents:
        return Box(spec.shape[1], float(np.min(spec.minimum)), float(np.max(spec.maximum)))
    raise InputError(f"'jumanji:{rest}' does not fit: its actions are not one choice or one vector per agent")


# What each environment shows, and why it ends.


def _agents_view(observation: Any) -> Array:
    return observation.agents_view


def _before_limit(env: Any, before: Any, action: Array, after: Any) -> Bool[Array, ""]:
    """For environments unknown here: whatever ends at the time limit is taken for the clock."""
    return after.step_count < env.time_limit


def _collided(env: Any, before: Any, action: Array, after: Any) -> Bool[Array, ""]:
    """Whether two robots stand on one cell: the later one hides the other on the grid of agents."""
    place = after.agents.position
    return jnp.any(after.grid[1, place.x, place.y] != env.agent_ids + 1)


def _cleaned(env: Any, before: Any, action: Array, after: Any) -> Bool[Array, ""]:
    """Whether everything is clean or somebody ran into a wall, which ends the episode as well."""
    bumped = ~jnp.take_along_axis(before.action_mask, action[:, None], 1).all()
    return bumped | ~(after.grid == cleaner.DIRTY).any()


def _all_found(env: Any, before: Any, action: Array, after: Any) -> Bool[Array, ""]:
    return after.targets.found.all()


def _connector_view(observation: Any) -> Float[Array, "agent feature"]:
    """Six pictures per agent: its own path, head and target, then everybody else's."""
    grid, agents = observation.grid, observation.action_mask.shape[0]
    kind = jnp.where(grid > 0, (grid - 1) % 3 + 1, 0)
    own = (grid > 0) & ((grid - 1) // 3 == jnp.arange(agents)[:, None, None])
    kinds = kind == jnp.array([connector.PATH, connector.POSITION, connector.TARGET])[:, None, None]
    pictures = jnp.concatenate([own[:, None] & kinds, ~own[:, None] & kinds], 1)
    return pictures.reshape(agents, -1).astype(jnp.float32)


def _cleaner_view(observation: Any) -> Float[Array, "agent feature"]:
    """Four pictures per agent: dirt, walls, where it stands, where (and how many) others stand."""
    grid, places = observation.grid, observation.agents_locations
    stands = jax.vmap(lambda place: jnp.zeros(grid.shape).at[place[0], place[1]].set(1.0))(places)
    both = jnp.stack([grid == cleaner.DIRTY, grid == cleaner.WALL]).astype(jnp.float32)
    pictures = [jnp.broadcast_to(both, (len(places), *both.shape)), stands[:, None], (stands.sum(0) - stands)[:, None]]
    return jnp.concatenate(pictures, 1).reshape(len(places), -1)


def _searcher_view(observation: Any) -> Float[Array, "agent feature"]:
    """What the rays see, where one is, and how many targets are left."""
    rays = observation.searcher_views.reshape(len(observation.positions), -1)
    left = jnp.broadcast_to(observation.targets_remaining, (len(rays), 1))
    return jnp.concatenate([rays, observation.positions, left], -1)


def _can_move(observation: Any) -> Bool[Array, "agent"]:
    return observation.action_mask[:, 1:].any(-1)  # connected and stuck agents may only stay


def _draw_foraging(env: Any, state: Any) -> str:
    """Agents as discs, food as squares, each with its level."""
    size = env.grid_size
    shapes = _grid(size, size)
    for index in range(env.num_food):
        if not state.food_items.eaten[index]:
            y, x = (float(part) for part in state.food_items.position[index])
            shapes.append(svg.rect(x + 0.2, y + 0.2, 0.6, 0.6, svg.color(2), rx=0.12))
            shapes.append(svg.text(x + 0.5, y + 0.5, int(state.food_items.level[index]), 0.4, "#FFFFFF"))
    for index in range(env.num_agents):
        y, x = (float(part) for part in state.agents.position[index])
        ring = {"stroke": svg.INK, "stroke_width": 0.08} if state.agents.loading[index] else {}
        shapes.append(svg.circle(x + 0.5, y + 0.5, 0.36, svg.color(_friendly(index)), **ring))
        fill = svg.contrast(svg.color(_friendly(index)))
        shapes.append(svg.text(x + 0.5, y + 0.5, int(state.agents.level[index]), 0.4, fill))
    return svg.document(float(size), float(size), *shapes, title=f"step {int(state.step_count)}")


def _friendly(index: int) -> int:
    return index if index < 2 else index + 1  # food has the third color


def _draw_warehouse(env: Any, state: Any) -> str:
    """Shelves as boxes, requested ones in color, goals below, robots as discs that point ahead and carry a box."""
    height, width = (int(side) for side in env.grid_size)
    shapes = _grid(width, height)
    for x, y in np.asarray(env.goals):
        shapes.append(svg.rect(float(x), float(y), 1.0, 1.0, svg.color(2), opacity=0.5))
    shelves, robots = state.shelves, state.agents
    for index in range(len(shelves.is_requested)):
        row, column = float(shelves.position.x[index]), float(shelves.position.y[index])
        fill = svg.color(4) if shelves.is_requested[index] else svg.MUTED
        shapes.append(svg.rect(column + 0.08, row + 0.08, 0.84, 0.84, fill, rx=0.1))
    for index in range(env.num_agents):
        row, column = float(robots.position.x[index]) + 0.5, float(robots.position.y[index]) + 0.5
        ahead, down = ((0, -1), (1, 0), (0, 1), (-1, 0))[int(robots.direction[index])]
        loaded = {"stroke": svg.INK, "stroke_width": 0.12} if robots.is_carrying[index] else {}
        shapes.append(svg.circle(column, row, 0.34, svg.color(index % 2), **loaded))
        shapes.append(svg.line(column, row, column + 0.34 * ahead, row + 0.34 * down, "#FFFFFF", stroke_width=0.1))
    return svg.document(float(width), float(height), *shapes, title=f"step {int(state.step_count)}")


def _draw_connector(env: Any, state: Any) -> str:
    """Each agent's path, head (disc) and target (ring) in its color."""
    size = env.grid_size
    shapes = _grid(size, size)
    for (row, column), value in np.ndenumerate(np.asarray(state.grid)):
        if not value:
            continue
        owner, kind = divmod(int(value) - 1, 3)
        fill, x, y = svg.color(owner), column + 0.5, row + 0.5
        if kind == 0:
            shapes.append(svg.rect(column + 0.15, row + 0.15, 0.7, 0.7, fill, opacity=0.45))
        elif kind == 1:
            shapes.append(svg.circle(x, y, 0.38, fill) + svg.text(x, y, owner, 0.4, svg.contrast(fill)))
        else:
            shapes.append(svg.circle(x, y, 0.3, stroke=fill, stroke_width=0.14))
    return svg.document(float(size), float(size), *shapes, title=f"step {int(state.step_count)}")


def _draw_cleaner(env: Any, state: Any) -> str:
    """Walls dark, dirt sandy, clean floor light, agents as discs."""
    rows, columns = env.grid_shape
    fills = {cleaner.DIRTY: "#E0CFA9", cleaner.WALL: svg.INK}
    cells = np.ndenumerate(np.asarray(state.grid))
    shapes = [
        svg.rect(float(x), float(y), 1.0, 1.0, fills[int(value)]) for (y, x), value in cells if int(value) in fills
    ]
    for index in range(env.num_agents):
        y, x = (float(part) + 0.5 for part in state.agents_locations[index])
        shapes.append(svg.circle(x, y, 0.34, svg.color(index)))
    return svg.document(float(columns), float(rows), *shapes, title=f"step {int(state.step_count)}")


def _draw_search(env: Any, state: Any) -> str:
    """Searchers as discs with a line ahead, targets gray until they are found."""
    size = float(env.generator.env_size)
    place = lambda position: (float(position[0]), size - float(position[1]))
    shapes = []
    for position, found in zip(state.targets.pos, state.targets.found, strict=True):
        shapes.append(svg.circle(*place(position), 0.01 * size, svg.color(2) if found else svg.MUTED))
    for index, (position, heading) in enumerate(zip(state.searchers.pos, state.searchers.heading, strict=True)):
        x, y = place(position)
        ahead, up = 0.04 * size * float(np.cos(heading)), 0.04 * size * float(np.sin(heading))
        shapes.append(svg.line(x, y, x + ahead, y - up, svg.INK, stroke_width=0.006 * size))
        shapes.append(svg.circle(x, y, 0.018 * size, svg.color(index % 2)))
    return svg.document(size, size, *shapes, title=f"step {int(state.step)}")


def _grid(width: int, height: int) -> list[str]:
    """Thin lines between the cells."""
    wide, high = float(width), float(height)
    upright = [svg.line(x, 0.0, x, high, "#DDE3E6", stroke_width=0.03) for x in map(float, range(1, width))]
    return [*upright, *(svg.line(0.0, y, wide, y, "#DDE3E6", stroke_width=0.03) for y in map(float, range(1, height)))]


# Levels, with the sizes that jumanji plays by default.


def _food(grid_size=8, fov=None, num_agents=2, num_food=2, max_agent_level=2, force_coop=True):
    """Without `fov` everybody sees the whole field."""
    fov = grid_size if fov is None else fov
    return Food(grid_size, num_agents, num_food, fov, max_agent_level, force_coop)


def _shelves(shelf_rows=2, shelf_columns=3, column_height=8, num_agents=4, sensor_range=1, request_queue_size=8):
    return Shelves(shelf_rows, shelf_columns, column_height, num_agents, sensor_range, request_queue_size)


def _wires(grid_size=10, num_agents=10):
    return Wires(grid_size, num_agents)


def _rooms(num_rows=10, num_cols=10, num_agents=3):
    return Rooms(num_rows, num_cols, num_agents)


def _searchers(num_searchers=2, num_targets=40, env_size=1.0):
    return Searchers(num_searchers, num_targets, env_size)


RULES = {
    "LevelBasedForaging-v0": Rules(_agents_view, None, levels=_food, draw=_draw_foraging),
    "RobotWarehouse-v0": Rules(_agents_view, _collided, levels=_shelves, draw=_draw_warehouse),
    "Connector-v3": Rules(_connector_view, None, _can_move, _wires, _draw_connector),
    "Cleaner-v0": Rules(_cleaner_view, _cleaned, levels=_rooms, draw=_draw_cleaner),
    "SearchAndRescue-v0": Rules(_searcher_view, _all_found, levels=_searchers, draw=_draw_search),
}
