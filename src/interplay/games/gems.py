"""Gems and doors: everyone has gems of its own, and some gems pay only when two stand on them at once.

Agents walk a grid that a wall with doors may cut in two. A gem of one's own color is worth a little to its owner alone;
when two or more stand on shared gems in the same step each of them gets much more. So there is something to want alone,
something to want together, and doors at which one has to wait: what reward learning has to tell apart. Known instances are
the 15 × 15 game of inverse learning (`gems(size=15)`: gems come back elsewhere), and `gems_mini`, whose gems lie in known
places, so that all states can be listed.

Source: the rules of the environment in the code of Haynam et al., "Multi-agent inverse Q-learning from demonstrations"
(2025); walls and doors are ours, and two agents never share a cell here.
"""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int, PRNGKeyArray

from interplay.core.errors import InputError
from interplay.core.game import Discrete, Game, Spec, TimeStep, opening, outcome
from interplay.games import svg

MOVES = np.array([[0, 0], [-1, 0], [1, 0], [0, -1], [0, 1]])  # stay, north, south, west, east
SHARED = -1  # the owner of a gem that pays those who stand on shared gems together
PLANES = 5  # own position, others' positions, own gems, others' gems, shared gems
Cells = Int[Array, "gem"]


class State(eqx.Module):
    """Cells are counted in reading order; a gem that is gone is at `size²`. `taken` counts gems since the start."""

    position: Int[Array, "agent"]
    gem: Cells
    taken: Int[Array, ""]
    step: Int[Array, ""]


class Gems(Game[State]):
    """See the file's first paragraph; made by `gems` and `gems_mini`.

    `lay(game, free, key)` gives the gems' first cells, `renew(game, free, gem, taken, key)` those after some were taken.
    """

    spec: Spec
    size: int = eqx.field(static=True)
    owner: tuple[int, ...] = eqx.field(static=True)
    doors: int = eqx.field(static=True)
    own_worth: float = eqx.field(static=True)
    shared_worth: float = eqx.field(static=True)
    most: int = eqx.field(static=True)
    lay: Callable[..., Cells] = eqx.field(static=True)
    renew: Callable[..., Cells] = eqx.field(static=True)

    @property
    def open(self) -> Bool[np.ndarray, "cell"]:
        """Which cells are no wall."""
        free = np.ones((self.size, self.size), bool)
        if self.doors:
            free[self.size // 2] = False
            free[self.size // 2, np.linspace(0, self.size - 1, self.doors + 2).round().astype(int)[1:-1]] = True
        return free.reshape(-1)

    def reset(self, key: PRNGKeyArray) -> tuple[State, TimeStep]:
        place_key, gem_key = jax.random.split(key)
        free = jnp.asarray(self.open)
        position = placed(free, self.spec.agents, place_key)
        zero = jnp.zeros((), jnp.int32)
        state = State(position=position, gem=self.lay(self, _without(free, position), gem_key), taken=zero, step=zero)
        return state, TimeStep(**self._view(state), **opening(self.spec))

    def step(self, state: State, action: Int[Array, "agent"], key: PRNGKeyArray) -> tuple[State, TimeStep]:
        position = self._moved(state.position, action)
        owner = np.array(self.owner)
        on = position[:, None] == state.gem
        own = on & (owner == np.arange(self.spec.agents)[:, None])
        waiting = on & (owner == SHARED)
        enough = waiting.any(1).sum() >= min(2, self.spec.agents)
        together = waiting & enough
        reward = self.own_worth * own.sum(1) + self.shared_worth * together.any(1)
        gone = (own | together).any(0)
        taken = state.taken + gone.sum()
        left = jnp.where(gone, self.size**2, state.gem)
        free = _without(_without(jnp.asarray(self.open), position), left)
        state = State(position=position, gem=self.renew(self, free, left, gone, key), taken=taken, step=state.step + 1)
        done = taken >= self.most
        late = ~done & (state.step >= self.spec.horizon)
        return state, TimeStep(**self._view(state), **outcome(reward, done, late))

    def draw(self, state: State) -> str:
        state, size, shapes = jax.tree.map(np.asarray, state), self.size, []
        for index in range(size + 1):
            shapes.append(svg.line(0, index, size, index, "#DDE3E6", stroke_width=0.02))
            shapes.append(svg.line(index, 0, index, size, "#DDE3E6", stroke_width=0.02))
        for cell in np.flatnonzero(~self.open):
            shapes.append(svg.rect(cell % size, cell // size, 1, 1, "#78909C"))
        for cell, owner in zip(state.gem.tolist(), self.owner, strict=True):
            shapes += [_gem(cell % size, cell // size, owner)] if cell < size**2 else []
        for index, cell in enumerate(state.position.tolist()):
            x, y = cell % size + 0.5, cell // size + 0.5
            shapes.append(svg.circle(x, y, 0.3, svg.color(index)))
            shapes.append(svg.text(x, y, index, 0.32, svg.contrast(svg.color(index)), font_weight="bold"))
        words = f"step {int(state.step)} · {int(state.taken)} gems"
        shapes.append(svg.text(0, size + 0.35, words, 0.32, text_anchor="start"))
        return svg.document(size + 0.4, size + 0.8, *shapes, left=-0.2, top=-0.2, title="gems")

    def _moved(self, position: Int[Array, "agent"], action: Int[Array, "agent"]) -> Int[Array, "agent"]:
        """Where all are after one step: agents move in their order, and nobody enters a cell where another stands."""
        there = jnp.asarray(self.open)
        for index in range(self.spec.agents):
            place = jnp.stack([position[index] // self.size, position[index] % self.size])
            goal = place + jnp.asarray(MOVES)[jnp.clip(action[index], 0, len(MOVES) - 1)]
            inside = ((goal >= 0) & (goal < self.size)).all()
            cell = jnp.where(inside, goal[0] * self.size + goal[1], 0).astype(jnp.int32)
            may = inside & there[cell] & ~(position == cell).any()
            position = position.at[index].set(jnp.where(may, cell, position[index]))
        return position

    def _view(self, state: State):
        agents, cells = self.spec.agents, np.arange(self.size**2)
        people = state.position[:, None] == cells
        gems, owner = state.gem[:, None] == cells, np.array(self.owner)
        of = lambda mark: (gems & mark[:, None]).any(0)
        rest = jnp.stack([people.any(0) & ~own for own in people])
        mine = jnp.stack([of(owner == index) for index in range(agents)])
        others = jnp.stack([of((owner != index) & (owner != SHARED)) for index in range(agents)])
        shared = jnp.broadcast_to(of(owner == SHARED), mine.shape)
        row, column = state.position // self.size, state.position % self.size
        goal = jnp.stack([row, column], -1)[:, None] + MOVES
        inside = ((goal >= 0) & (goal < self.size)).all(-1)
        cell = jnp.where(inside, goal[..., 0] * self.size + goal[..., 1], 0)
        return {
            "observation": jnp.concatenate([people, rest, mine, others, shared], 1).astype(jnp.float32),
            "legal": inside & jnp.asarray(self.open)[cell],
            "active": jnp.ones(agents, bool),
            "shared": jnp.concatenate([people.reshape(-1), gems.reshape(-1)]).astype(jnp.float32),
        }


def gems(
    size: int = 7, agents: int = 2, own: int = 3, together: int = 3, *, doors: int = 0, most: int = 7,
    own_worth: float = 1.0, shared_worth: float = 6.0, horizon: int = 45,
) -> Gems:  # fmt: skip
    """Everyone's `own` gems and `together` shared ones lie anywhere; what is taken comes back elsewhere.

    A step moves the agents one after another. Reward of agent i: `own_worth` per gem of its own that it stands on, and
    `shared_worth` if it stands on a shared gem while another agent does (alone where it is the only agent). The game is
    over (`terminated`) after `most` gems, cut (`truncated`) after `horizon` steps. Observation of agent i: five planes of
    size² cells, see `PLANES`. Raises `InputError` where so much does not fit.

        >>> gems(size=15).spec.observation
        1125
    """
    owner = _owners(agents, own, together)
    return _game(size, agents, owner, doors, most, (own_worth, shared_worth), horizon, scattered, elsewhere)


def gems_mini(
    size: int = 4, agents: int = 2, own: int = 1, together: int = 2, *, doors: int = 0,
    own_worth: float = 1.0, shared_worth: float = 3.0, horizon: int = 30,
) -> Gems:  # fmt: skip
    """`gems` with gems in places that never change: when all are taken all are there again. Only the horizon ends it.

    Own gems lie in corners far from each other, shared ones in the middle: small enough to list all states.

        >>> gems_mini(size=3).spec.observation
        45
    """
    owner = _owners(agents, own, together)
    most = horizon * len(owner) + 1  # more than can be taken
    return _game(size, agents, owner, doors, most, (own_worth, shared_worth), horizon, in_known_places, all_again)


def scattered(game: Gems, free: Bool[Array, "cell"], key: PRNGKeyArray) -> Cells:
    """Every gem on a random free cell of its own."""
    return placed(free, len(game.owner), key)


def in_known_places(game: Gems, free: Bool[Array, "cell"], key: PRNGKeyArray) -> Cells:
    """Own gems along the rim, shared ones from the middle on, the same in every episode."""
    size = game.size
    row, column = np.indices((size, size)).reshape(2, -1) - (size - 1) / 2
    far = np.lexsort((np.arctan2(row, column), np.maximum(abs(row), abs(column)) + (abs(row) + abs(column)) / 99))
    cells = [cell for cell in far if game.open[cell]]
    shared = [index for index, owner in enumerate(game.owner) if owner == SHARED]
    own = [index for index, owner in enumerate(game.owner) if owner != SHARED]
    chosen = dict(zip(shared, cells, strict=False)) | dict(zip(own, cells[::-1], strict=False))
    return jnp.asarray([chosen[index] for index in range(len(game.owner))], jnp.int32)


def elsewhere(game: Gems, free: Bool[Array, "cell"], gem: Cells, gone: Bool[Array, "gem"], key: PRNGKeyArray) -> Cells:
    """Gems that were taken lie on random free cells again."""
    return jnp.where(gone, placed(free, len(game.owner), key), gem)


def all_again(game: Gems, free: Bool[Array, "cell"], gem: Cells, gone: Bool[Array, "gem"], key: PRNGKeyArray) -> Cells:
    """Gems that were taken are gone until all are; then all lie where they lay at first."""
    return jnp.where((gem == game.size**2).all(), game.lay(game, free, key), gem)


def placed(free: Bool[Array, "cell"], count: int, key: PRNGKeyArray) -> Int[Array, "count"]:
    """`count` different free cells, all choices equally likely."""
    luck = jnp.where(free, jax.random.uniform(key, free.shape), -1.0)
    return jax.lax.top_k(luck, count)[1].astype(jnp.int32)


def _game(size, agents, owner, doors, most, worth, horizon, lay, renew) -> Gems:
    if min(size, agents, horizon, most) < 1 or not 0 <= doors <= max(size - 2, 0):
        raise InputError(
            f"gems got size={size}, agents={agents}, doors={doors}: give 1 or more, and 0 to size − 2 doors"
        )
    spec = Spec(
        agents=agents,
        observation=PLANES * size**2,
        action=Discrete(len(MOVES)),
        horizon=horizon,
        shared=(agents + len(owner)) * size**2,
    )
    game = Gems(
        spec=spec, size=size, owner=owner, doors=doors, own_worth=worth[0], shared_worth=worth[1], most=most, lay=lay,
        renew=renew,
    )  # fmt: skip
    if game.open.sum() < agents + len(owner) or not owner:
        raise InputError(f"{len(owner)} gems and {agents} agents do not fit {int(game.open.sum())} cells: change size")
    return game


def _owners(agents: int, own: int, together: int) -> tuple[int, ...]:
    return tuple(index for index in range(agents) for _ in range(own)) + (SHARED,) * together


def _without(free: Bool[Array, "cell"], cells: Int[Array, "some"]) -> Bool[Array, "cell"]:
    return free & ~(jnp.arange(free.shape[0])[:, None] == cells).any(1)


def _gem(x: int, y: int, owner: int) -> str:
    fill = "#7B1FA2" if owner == SHARED else svg.color(owner)
    points = [(x + 0.5, y + 0.12), (x + 0.85, y + 0.5), (x + 0.5, y + 0.88), (x + 0.15, y + 0.5)]
    return svg.polygon(points, fill, fill_opacity=0.55)
