"""Level-based foraging: food is lifted when the summed level of those who load around it reaches its own.

Agents with levels walk a grid without walls. Food cannot be walked on; an agent beside a food may load, and the food is
gone once the loading agents beside it are together strong enough. With levels drawn at random some food can be taken
alone (everyone for himself pays), some only together; with `cooperative` all food needs many. Known instances are
`Foraging-8x8-2p-2f-v3` (`foraging()`) and `Foraging-2s-10x10-3p-3f-v3` (`foraging(3, 10, 3, sight=2)`), apart from
their horizon of 50.

The rules are those of `lbforaging` 2.0 in every case, so that scores can be compared; the two that surprise are marked
below. Source: Albrecht and Ramamoorthy (2013); Papoudakis et al., "Benchmarking Multi-Agent Deep Reinforcement
Learning Algorithms in Cooperative Tasks" (2021).
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int, PRNGKeyArray

from interplay.core.errors import InputError, at_least
from interplay.core.game import Discrete, Game, Spec, TimeStep, opening, outcome
from interplay.games import svg

MOVES = np.array([[0, 0], [-1, 0], [1, 0], [0, -1], [0, 1], [0, 0]])  # wait, north, south, west, east, load
LOAD = 5
NOTHING = np.array([-1, -1, 0])  # row, column and level where an observation has nothing to show


class State(eqx.Module):
    """Positions are (row, column), counted from the upper left corner."""

    position: Int[Array, "agent 2"]
    level: Int[Array, "agent"]
    food: Int[Array, "food 2"]  # in reading order, the order in which agents see it
    worth: Int[Array, "food"]  # the level of each food; 0 once it is gone, and where no cell was left to put it on
    total: Int[Array, ""]  # the summed level of the food there was at the start
    loading: Bool[Array, "agent"]  # who tried to load last; only pictures look at it
    step: Int[Array, ""]


class Foraging(Game[State]):
    """See the file's first paragraph; made by `foraging`."""

    spec: Spec
    size: int = eqx.field(static=True)
    food: int = eqx.field(static=True)
    sight: int = eqx.field(static=True)
    max_level: int = eqx.field(static=True)
    cooperative: bool = eqx.field(static=True)
    penalty: float = eqx.field(static=True)

    def reset(self, key: PRNGKeyArray) -> tuple[State, TimeStep]:
        agents = self.spec.agents
        chance = jax.random.uniform(key, (2, agents + self.food))
        position, food = self._place(chance[0])
        level = 1 + jnp.floor(chance[1, :agents] * self.max_level).astype(jnp.int32)
        most = jnp.sum(jnp.sort(level)[:3])  # three agents at most are ever needed
        worth = jnp.where(self.cooperative, most, 1 + jnp.floor(chance[1, agents:] * most).astype(jnp.int32))
        worth = jnp.where(food < self.size**2, worth, 0)
        state = State(
            position=self._coordinates(position),
            level=level,
            food=self._coordinates(food),
            worth=worth,
            total=jnp.sum(worth),
            loading=jnp.zeros(agents, bool),
            step=jnp.zeros((), jnp.int32),
        )
        return state, TimeStep(**self._view(state), **opening(self.spec))

    def step(self, state: State, action: Int[Array, "agent"], key: PRNGKeyArray) -> tuple[State, TimeStep]:
        position = self._move(state, action)
        loading = (action == LOAD)[:, None] & _beside(position, state)
        strength = jnp.sum(loading * state.level[:, None], axis=0)
        taken = (strength >= state.worth) & (strength > 0)
        share = loading * state.level[:, None] * state.worth / jnp.maximum(strength * state.total, 1)
        reward = jnp.sum(jnp.where(taken, share, -self.penalty * loading), axis=1)
        state = State(
            position=position,
            level=state.level,
            food=state.food,
            worth=jnp.where(taken, 0, state.worth),
            total=state.total,
            loading=jnp.any(loading, axis=1),
            step=state.step + 1,
        )
        done = jnp.all(state.worth == 0)
        late = ~done & (state.step >= self.spec.horizon)
        return state, TimeStep(**self._view(state), **outcome(reward, done, late))

    def draw(self, state: State) -> str:
        state = jax.tree.map(np.asarray, state)
        size, shapes = self.size, []
        for index in range(size + 1):
            shapes.append(svg.line(0, index, size, index, "#DDE3E6", stroke_width=0.02))
            shapes.append(svg.line(index, 0, index, size, "#DDE3E6", stroke_width=0.02))
        for (row, column), worth in zip(state.food, state.worth, strict=True):
            shapes += [_apple(row, column, worth)] if worth else []
        for index, (row, column) in enumerate(state.position):
            shapes.append(_forager(row, column, index, state))
        eaten = int(state.total) - int(np.sum(state.worth))
        words = f"step {int(state.step)} · eaten {eaten} of {int(state.total)}"
        shapes.append(svg.text(0, size + 0.35, words, 0.32, text_anchor="start"))
        return svg.document(size + 0.4, size + 0.8, *shapes, left=-0.2, top=-0.2, title="foraging")

    def _coordinates(self, cell):
        return jnp.stack([cell // self.size, cell % self.size], axis=-1).astype(jnp.int32)

    def _place(self, chance):
        """Cells of agents, then of food, each uniform over the cells still free; `size²` where none is."""
        agents, size = self.spec.agents, self.size
        rows, columns = np.indices((size, size))
        inner = (np.minimum(rows, columns) > 0) & (np.maximum(rows, columns) < size - 1)

        def settle(free, chance):
            cell = _pick(free, chance)
            return free & (rows * size + columns != cell), cell

        def sow(free, chance):
            cell = _pick(free, chance)
            down, right = jnp.abs(rows - cell // size), jnp.abs(columns - cell % size)
            # No two foods share a neighbor: at most one can be loaded from any cell.
            near = (down <= 1) & (right <= 1) | (down + right == 2) & (down * right == 0)
            return free & ~near, cell

        free, position = jax.lax.scan(settle, jnp.ones((size, size), bool), chance[:agents])
        _, food = jax.lax.scan(sow, free & inner, chance[agents:])
        return position, jnp.sort(food)

    def _move(self, state, action):
        """Where everyone is after one step: who shares a goal with anybody else stays."""
        move = jnp.sum((action[:, None] == np.arange(LOAD + 1))[..., None] * MOVES, axis=1)
        goal = state.position + move
        goal = jnp.where(self._open(state, goal)[:, None], goal, state.position)
        rivals = jnp.sum(_same(goal, goal), axis=1) > 1
        # As in the reference, one may enter the cell of an agent that meant to leave it and was held up: both stand
        # there then. Following each other and changing places are allowed as well.
        return jnp.where(rivals[:, None], state.position, goal)

    def _open(self, state, cells):
        inside = jnp.all((cells >= 0) & (cells < self.size), axis=-1)
        return inside & ~jnp.any(_same(cells, state.food) & (state.worth > 0), axis=-1)

    def _view(self, state):
        agents = self.spec.agents
        around = state.position[:, None] + MOVES[:LOAD]
        legal = self._open(state, around)
        load = jnp.any(_beside(state.position, state), axis=1)
        people = jnp.concatenate([state.position, state.level[:, None]], axis=1)
        there = state.worth > 0
        meals = jnp.where(there[:, None], jnp.concatenate([state.food, state.worth[:, None]], axis=1), 0)
        return {
            "observation": jax.vmap(self._look, in_axes=(0, None, None))(jnp.arange(agents), people, meals),
            "legal": jnp.concatenate([legal, load[:, None]], axis=1),
            "active": jnp.ones(agents, bool),
            "shared": jnp.concatenate([meals.reshape(-1), people.reshape(-1)]).astype(jnp.float32),
        }

    def _look(self, index, people, meals):
        """What one agent sees: food, itself, the others, each (row, column, level) in its own window."""
        others = _others(self.spec.agents)[index]
        own = people[index]
        corner = jnp.append(own[:2] - jnp.minimum(own[:2], self.sight), 0)
        seen = jnp.all(jnp.abs(meals[:, :2] - own[:2]) <= self.sight, axis=1) & (meals[:, 2] > 0)
        rest = people[others] - corner
        # As in the reference: near the upper and left border, where the window is cut off, other agents (not food) are
        # seen as far away on the other side as if it were not.
        met = jnp.all((rest[:, :2] >= 0) & (rest[:, :2] <= 2 * self.sight), axis=1)
        rows = [_pack(seen, meals - corner), (own - corner)[None], _pack(met, rest)]
        return jnp.concatenate(rows).reshape(-1).astype(jnp.float32)


def foraging(
    agents: int = 2,
    size: int = 8,
    food: int = 2,
    *,
    sight: int | None = None,
    max_level: int = 2,
    cooperative: bool = False,
    horizon: int = 100,
    penalty: float = 0.0,
) -> Foraging:
    """Level-based foraging on a `size` by `size` grid.

    A food of level f lifted by loading neighbors of levels l_i gives agent i the reward l_i f / (Σ_j l_j Σ f), so the
    rewards of all agents over an episode that takes all food sum to one. A load that is too weak costs `penalty` each.
    Levels of agents are uniform on 1 … `max_level`; those of food on 1 … m, where m is the sum of the three lowest
    agent levels (of all, where there are at most three), and exactly m where `cooperative`. Agents see everything
    within `sight` cells, row, column and diagonal (None: the whole grid). Food never lies on the border nor within two
    cells of other food; food that finds no cell is left out. Ends when all food is gone, is cut at `horizon` steps.

    Observation: (row, column, level) of each food, of the agent itself, then of the others; (−1, −1, 0) for what is
    gone or out of sight, moved to the end. Actions: wait, north, south, west, east, load; an illegal one is a wait.
    Raises `InputError` for sizes that leave no room.

        >>> foraging(agents=3, size=10, food=3, sight=2).spec.observation
        18
    """
    least = {"agents": (agents, 1), "size": (size, 4), "food": (food, 1), "max_level": (max_level, 1)}
    least |= {"sight": (size if sight is None else sight, 1), "horizon": (horizon, 1), "penalty": (penalty, 0)}
    at_least("foraging", **least)
    if agents >= (size - 2) ** 2:
        raise InputError(f"{agents} agents may cover every cell where food can lie: give fewer, or size > {size}")
    width = 3 * (agents + food)
    return Foraging(
        spec=Spec(agents=agents, observation=width, action=Discrete(LOAD + 1), horizon=horizon, shared=width),
        size=size,
        food=food,
        sight=size if sight is None else min(sight, size),
        max_level=max_level,
        cooperative=cooperative,
        penalty=float(penalty),
    )


def _others(agents):
    """Row i: everyone but i, in order."""
    column = np.arange(agents - 1)
    return jnp.asarray(column + (column >= np.arange(agents)[:, None]), jnp.int32)


def _same(left, right):
    """Whether cells of `left` [..., 2] are those of `right` [k, 2]: [..., k]."""
    return jnp.all(left[..., None, :] == right, axis=-1)


def _beside(position, state):
    distance = jnp.sum(jnp.abs(position[:, None] - state.food), axis=-1)
    return (distance == 1) & (state.worth > 0)


def _pick(free, chance):
    """The cell with rank ⌊chance · count⌋ among the free ones: uniform, from one random number and without a sort."""
    size = free.shape[0]
    below = np.tri(size, dtype=np.int32)  # a running sum as a small product
    lines = below @ jnp.sum(free, axis=1)
    count = lines[-1]
    rank = jnp.minimum(jnp.floor(chance * count).astype(jnp.int32), count - 1)
    row = jnp.sum(lines <= rank)
    line = jnp.sum(free & (np.arange(size) == row)[:, None], axis=0)
    earlier = jnp.sum(jnp.where(np.arange(size) == row - 1, lines, 0))
    column = jnp.sum(below @ line <= rank - earlier)
    return jnp.where(count > 0, row * size + column, free.size)


def _pack(seen, rows):
    """The seen rows first, in their order, and `NOTHING` in the remaining slots."""
    rank = np.tri(seen.size, dtype=np.int32) @ seen.astype(jnp.int32) - 1
    slot = (rank == jnp.arange(seen.size)[:, None]) & seen
    return NOTHING + jnp.sum(slot[..., None] * (rows - NOTHING), axis=1)


def _apple(row, column, amount):
    x, y = column + 0.5, row + 0.55
    leaf = [(x, y - 0.3), (x + 0.1, y - 0.42), (x + 0.24, y - 0.42), (x + 0.14, y - 0.3)]
    body = svg.circle(x, y, 0.31, "#C62828") + svg.line(x, y - 0.28, x, y - 0.42, "#6D4C41", stroke_width=0.05)
    return body + svg.polygon(leaf, "#2E7D32") + svg.text(x, y, amount, 0.34, "#FFFFFF", font_weight="bold")


def _forager(row, column, index, state):
    x, y, fill = column + 0.5, row + 0.5, svg.color(index)
    dashes = {"stroke": fill, "stroke_width": 0.05, "stroke_dasharray": "0.12 0.08"}
    ring = svg.circle(x, y, 0.46, **dashes) if state.loading[index] else ""
    body = svg.rect(column + 0.17, row + 0.17, 0.66, 0.66, fill, rx=0.16)
    return ring + body + svg.text(x, y, state.level[index], 0.36, svg.contrast(fill), font_weight="bold")
