"""Treasures: gold that anybody can take alone, chests that open only for two, and too little time for all of it.

What the team has is counted in two numbers, gold and chests, and the more of one it wants the less it gets of the other:
agents that split up bring in more gold, agents that walk together open chests. Nothing is random, so that all returns that
can be had are known exactly (`reachable`). Known instances are the 5 × 5 map of the default and any map of the user's own.

The task is ours, in the manner of deep-sea treasure (Vamplew et al., "Empirical evaluation methods for multiobjective
reinforcement learning algorithms", 2011) and of item gathering (Felten et al., "MOMAland", 2024).
"""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from interplay.core.errors import InputError, at_least
from interplay.core.game import Discrete, Game, Spec, TimeStep, opening, outcome
from interplay.games import svg

MAP = ("ggP.g", ".g.g.", "gg.c.", ".....", "cPc.c")
MOVES = np.array([[0, 0], [-1, 0], [1, 0], [0, -1], [0, 1]])  # stay, north, south, west, east
GOLD, CHEST = 0, 1  # the objectives


class State(eqx.Module):
    """Cells are counted in reading order; `left` marks the treasures that nobody has taken yet."""

    position: Int[Array, "agent"]
    left: Bool[Array, "treasure"]
    step: Int[Array, ""]


class Treasures(Game[State]):
    """See the file's first paragraph; made by `treasures`."""

    spec: Spec
    rows: tuple[str, ...] = eqx.field(static=True)

    @property
    def places(self) -> Int[np.ndarray, "treasure"]:
        """The cell of every treasure, gold first."""
        return np.array([*_cells(self.rows, "g"), *_cells(self.rows, "c")])

    @property
    def kinds(self) -> Int[np.ndarray, "treasure"]:
        """The objective that every treasure counts for."""
        return np.array([GOLD] * len(_cells(self.rows, "g")) + [CHEST] * len(_cells(self.rows, "c")))

    def reset(self, key: PRNGKeyArray) -> tuple[State, TimeStep]:
        position = jnp.array(_cells(self.rows, "P"), jnp.int32)
        state = State(position=position, left=jnp.ones(len(self.places), bool), step=jnp.zeros((), jnp.int32))
        return state, TimeStep(**self._view(state), **opening(self.spec))

    def step(self, state: State, action: Int[Array, "agent"], key: PRNGKeyArray) -> tuple[State, TimeStep]:
        position = jnp.asarray(_moved(self.rows))[state.position, action].astype(jnp.int32)
        beside = jnp.asarray(_distance(self.rows)[:, self.places] <= 1)[position]  # [agent, treasure]
        on = position[:, None] == self.places
        taken = state.left & jnp.where(self.kinds == GOLD, on.any(0), beside.sum(0) >= 2)
        earned = jnp.stack([(taken & (self.kinds == kind)).sum() for kind in (GOLD, CHEST)])
        state = State(position=position, left=state.left & ~taken, step=state.step + 1)
        reward = jnp.broadcast_to(earned, (self.spec.agents, 2))
        return state, TimeStep(**self._view(state), **outcome(reward, state.step >= self.spec.horizon, False))

    def draw(self, state: State) -> str:
        state, width, height = jax.tree.map(np.asarray, state), len(self.rows[0]), len(self.rows)
        shapes = [svg.line(0, row, width, row, "#DDE3E6", stroke_width=0.02) for row in range(height + 1)]
        shapes += [svg.line(column, 0, column, height, "#DDE3E6", stroke_width=0.02) for column in range(width + 1)]
        for cell, kind, left in zip(self.places.tolist(), self.kinds, state.left, strict=True):
            shapes += [_treasure(cell % width, cell // width, kind)] if left else []
        for index, cell in enumerate(state.position.tolist()):
            x, y = cell % width + 0.3 + 0.4 * (index % 2), cell // width + 0.5
            shapes.append(svg.circle(x, y, 0.2, svg.color(index)))
            shapes.append(svg.text(x, y, index, 0.22, svg.contrast(svg.color(index)), font_weight="bold"))
        gold, chests = (int((~state.left & (self.kinds == kind)).sum()) for kind in (GOLD, CHEST))
        words = f"step {int(state.step)} of {self.spec.horizon} · gold {gold} · chests {chests}"
        shapes.append(svg.text(0, height + 0.35, words, 0.32, text_anchor="start"))
        return svg.document(width + 0.4, height + 0.8, *shapes, left=-0.2, top=-0.2, title="treasures")

    def _view(self, state: State):
        agents, width, height = self.spec.agents, len(self.rows[0]), len(self.rows)
        place = jnp.concatenate(
            [jnp.eye(height)[state.position // width], jnp.eye(width)[state.position % width]], axis=1
        )
        known = jnp.append(state.left.astype(jnp.float32), 1 - state.step / self.spec.horizon)
        from_here = jnp.stack([jnp.roll(place, -index, axis=0).reshape(-1) for index in range(agents)])
        return {
            "observation": jnp.concatenate([from_here, jnp.broadcast_to(known, (agents, len(known)))], axis=1),
            "legal": jnp.asarray(_inside(self.rows))[state.position],
            "active": jnp.ones(agents, bool),
            "shared": jnp.concatenate([place.reshape(-1), known]),
        }


def treasures(map: tuple[str, ...] = MAP, horizon: int = 7) -> Treasures:
    """Treasures on a `map` of equal lines: `g` gold, `c` a chest, `P` where an agent starts, `.` floor.

    Reward [objective]: gold and chests taken in this step, the same for all agents. Gold goes to whoever stands on it, a
    chest opens while two or more agents stand on it or next to it. Ends after `horizon` steps, which agents see coming.

    With the default map and horizon the front is (1, 4), (4, 3), (5, 2), (6, 1), (7, 0).

    Observation: row and column as one-hots, of the agent itself first and then of the others in their order; which
    treasures are left, gold first; the share of time that is left. Actions: stay, north, south, west, east; into the
    border is a stay. Raises `InputError` for maps that are not rectangles, have other marks, or lack an agent or treasure.

        >>> treasures().spec.objectives
        2
    """
    at_least("treasures", horizon=(horizon, 1))
    rows = tuple(map)
    if len({len(row) for row in rows}) != 1 or set("".join(rows)) - set("gcP."):
        raise InputError("treasures got a map of other lines than equal ones of g, c, P and '.'")
    agents, many = len(_cells(rows, "P")), len(_cells(rows, "g")) + len(_cells(rows, "c"))
    if not agents or not many:
        raise InputError("treasures got a map without a P or without a treasure: mark at least one of each")
    place = len(rows) + len(rows[0])
    width = agents * place + many + 1
    spec = Spec(
        agents=agents, observation=width, action=Discrete(len(MOVES)), horizon=horizon, shared=width, objectives=2
    )
    return Treasures(spec=spec, rows=rows)


def reachable(game: Treasures) -> Float[np.ndarray, "point objective"]:
    """Every (gold, chests) that some sequence of joint actions brings in: the truth that learned fronts are held against.

    Backward over time, V_T = {0} and V_t(s) = ∪_a {r(s, a) + v : v ∈ V_{t+1}(s')} for every joint place s and set of
    treasures left, sets of returns being bits of one number. Raises `InputError` for games of more than 2 agents or with
    more returns than bits.
    """
    gold, chests = int((game.kinds == GOLD).sum()), int((game.kinds == CHEST).sum())
    if game.spec.agents > 2 or (gold + 1) * (chests + 1) > 63:
        raise InputError(
            "returns are listed for 1 or 2 agents and at most 62 pairs of gold and chests: use a smaller map"
        )
    cells, joint = len("".join(game.rows)), tuple(itertools.product(range(len(MOVES)), repeat=game.spec.agents))
    agents, moved, many = game.spec.agents, _moved(game.rows), 2 ** (gold + chests)
    place = np.stack(np.meshgrid(*[np.arange(cells)] * agents, indexing="ij"), -1).reshape(-1, agents)
    near = _distance(game.rows)[:, game.places] <= 1
    bits, left, cell = 1 << np.arange(gold + chests), np.arange(many), cells ** np.arange(agents)[::-1]
    takes = np.where(game.kinds == GOLD, (place[:, :, None] == game.places).any(1), near[place].sum(1) >= 2) @ bits
    taken = left & takes[:, None]  # [joint place, treasures left]: what is taken on arriving there
    count = np.array([((left[:, None] & bits) > 0).astype(int) @ (game.kinds == kind) for kind in (GOLD, CHEST)])
    shift = count[GOLD][taken] * (chests + 1) + count[CHEST][taken]
    value, rows = np.ones((len(place), many), np.int64), np.arange(len(place))[:, None]
    for _ in range(game.spec.horizon):
        arriving = value[rows, left & ~taken] << shift
        value = np.bitwise_or.reduce([arriving[moved[place, action] @ cell] for action in joint])
    found = value[np.array(_cells(game.rows, "P")) @ cell, -1]
    return np.array([divmod(bit, chests + 1) for bit in range(63) if found >> bit & 1], float)


def _cells(rows: tuple[str, ...], mark: str) -> list[int]:
    return [cell for cell, found in enumerate("".join(rows)) if found == mark]


def _goals(rows: tuple[str, ...]) -> Int[np.ndarray, "cell action 2"]:
    cells = np.arange(len("".join(rows)))
    return np.stack([cells // len(rows[0]), cells % len(rows[0])], -1)[:, None] + MOVES


def _inside(rows: tuple[str, ...]) -> Bool[np.ndarray, "cell action"]:
    goal = _goals(rows)
    return np.asarray(((goal >= 0) & (goal < [len(rows), len(rows[0])])).all(-1))


def _moved(rows: tuple[str, ...]) -> Int[np.ndarray, "cell action"]:
    """Where a move leads; into the border it leads nowhere."""
    goal = _goals(rows) @ [len(rows[0]), 1]
    return np.where(_inside(rows), goal, np.arange(len(goal))[:, None])


def _distance(rows: tuple[str, ...]) -> Int[np.ndarray, "cell cell"]:
    place = _goals(rows)[:, 0]
    return np.abs(place[:, None] - place).sum(-1)


def _treasure(x, y, kind):
    if kind == GOLD:
        return svg.circle(x + 0.5, y + 0.5, 0.22, "#E69F00", stroke="#8D6E00", stroke_width=0.05)
    lid = svg.line(x + 0.22, y + 0.48, x + 0.78, y + 0.48, "#EFEBE9", stroke_width=0.05)
    return svg.rect(x + 0.2, y + 0.3, 0.6, 0.42, "#6D4C41", rx=0.06) + lid
