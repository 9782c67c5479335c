"""Aloha: transmitters on a grid, each with a queue, who drown each other out when neighbors send at once.

Every step each agent sends or is silent, seeing its own queue only. A message gets through if no neighbor sends;
otherwise it is lost in noise and the whole team pays a hundred times what a message is worth. Agents must take turns by
position without talking: of the two colors of the checkerboard only one may send. Known instances are the two by five
grid (`aloha()`) and the same with the link that the published code adds (`aloha(extra_links=PUBLISHED_LINKS)`).

Source: Oliehoek, "Value-Based Planning for Teams of Agents in Stochastic Partially Observable Environments" (2010);
numbers from Chen and Zhang, "Context-Aware Bayesian Network Actor-Critic Methods for Cooperative Multi-Agent
Reinforcement Learning" (2023).
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int, PRNGKeyArray

from interplay.core.errors import InputError
from interplay.core.game import Discrete, Game, Spec, TimeStep, opening, outcome
from interplay.games import svg

SENT = 0.1  # what the team gets for a message that gets through
LOST = -10.0  # and for one that does not
PUBLISHED_LINKS = ((4, 5),)  # the end of one row beside the start of the next, in the code of Chen and Zhang


class State(eqx.Module):
    """Queues, and what came of the last step's sending (for pictures)."""

    backlog: Int[Array, "agent"]
    sent: Bool[Array, "agent"]
    lost: Bool[Array, "agent"]
    step: Int[Array, ""]


class Aloha(Game[State]):
    """See the file's first paragraph; made by `aloha`."""

    spec: Spec
    rows: int = eqx.field(static=True)
    columns: int = eqx.field(static=True)
    capacity: int = eqx.field(static=True)
    arrival: float = eqx.field(static=True)
    extra_links: tuple[tuple[int, int], ...] = eqx.field(static=True)

    @property
    def neighbors(self) -> Bool[np.ndarray, "agent agent"]:
        """Who disturbs whom: above, below, left, right and the extra links."""
        place = np.stack(np.divmod(np.arange(self.spec.agents), self.columns), axis=1)
        linked = np.sum(np.abs(place[:, None] - place), axis=-1) == 1
        for left, right in self.extra_links:
            linked[left, right] = linked[right, left] = True
        return linked

    def reset(self, key: PRNGKeyArray) -> tuple[State, TimeStep]:
        none = jnp.zeros(self.spec.agents, bool)
        backlog = jnp.ones(self.spec.agents, jnp.int32)
        state = State(backlog=backlog, sent=none, lost=none, step=jnp.zeros((), jnp.int32))
        return state, TimeStep(**self._view(state), **opening(self.spec))

    def step(self, state: State, action: Int[Array, "agent"], key: PRNGKeyArray) -> tuple[State, TimeStep]:
        agents = self.spec.agents
        noisy = jnp.any(self.neighbors & (action == 1), axis=1)  # who sends with an empty queue disturbs as well
        tried = (action == 1) & (state.backlog > 0)
        sent, lost = tried & ~noisy, tried & noisy
        reward = SENT * jnp.sum(sent) + LOST * jnp.sum(lost)
        packet = jax.random.bernoulli(key, self.arrival, (agents,))
        backlog = jnp.minimum(state.backlog - sent + packet, self.capacity)
        state = State(backlog=backlog, sent=sent, lost=lost, step=state.step + 1)
        late = state.step >= self.spec.horizon
        return state, TimeStep(**self._view(state), **outcome(jnp.full(agents, reward), False, late))

    def draw(self, state: State) -> str:
        shapes = [self._link(left, right) for left, right in np.argwhere(np.triu(self.neighbors))]
        for index in range(self.spec.agents):
            x, y = self._center(index)
            sent, lost = bool(state.sent[index]), bool(state.lost[index])
            signal = svg.color(2) if sent else svg.color(1)
            if sent or lost:
                shapes += [svg.circle(x, y, radius, signal, fill_opacity=0.15) for radius in (0.36, 0.46)]
            shapes.append(svg.circle(x, y, 0.26, signal if sent or lost else svg.INK))
            shapes.append(svg.text(x, y, int(state.backlog[index]), 0.26, "#FFFFFF", font_weight="bold"))
            for slot in range(self.capacity):
                full = slot < int(state.backlog[index])
                left = x + (slot - self.capacity / 2) * 0.15
                shapes.append(svg.rect(left + 0.015, y + 0.36, 0.12, 0.1, svg.color(0) if full else "#DDE3E6", rx=0.02))
        words = f"step {int(state.step)} · {int(np.sum(state.sent))} through, {int(np.sum(state.lost))} lost"
        shapes.append(svg.text(self.columns / 2, self.rows + 0.12, words, 0.2))
        return svg.document(self.columns, self.rows + 0.35, *shapes, title="aloha")

    def _center(self, index):
        row, column = divmod(int(index), self.columns)
        return column + 0.5, row + 0.46

    def _link(self, left, right):
        return svg.line(*self._center(left), *self._center(right), "#CFD8DC", stroke_width=0.05)

    def _view(self, state):
        queue = state.backlog.astype(jnp.float32)
        return {
            "observation": queue[:, None],
            "legal": jnp.ones((self.spec.agents, 2), bool),
            "active": jnp.ones(self.spec.agents, bool),
            "shared": queue,
        }


def aloha(
    rows: int = 2,
    columns: int = 5,
    *,
    horizon: int = 20,
    capacity: int = 5,
    arrival: float = 0.6,
    extra_links: tuple[tuple[int, int], ...] = (),
) -> Aloha:
    """Transmitters on a grid of `rows` by `columns`; action 1 sends, 0 is silent.

    The team reward of a step is 0.1 for each message that gets through and −10 for each that does not; sending with an
    empty queue costs nothing, but disturbs. Then a packet arrives at each agent with probability `arrival`, and queues
    longer than `capacity` lose the rest. Queues start at 1. Observation: the own queue's length; `shared`: all queues.
    An episode is cut at `horizon`. `extra_links` are pairs of agents (numbered row by row) that disturb each other
    although they are not next to each other. Raises `InputError` for links to agents that are not there.

        >>> aloha(extra_links=PUBLISHED_LINKS).spec.agents
        10
    """
    agents = rows * columns
    if min(rows, columns, horizon, capacity) < 1 or agents < 2:
        raise InputError(f"aloha got {rows} × {columns} agents, horizon={horizon}, capacity={capacity}: give more")
    if not 0 <= arrival <= 1:
        raise InputError(f"aloha got arrival={arrival}: give a probability from 0 to 1")
    links = tuple((int(left), int(right)) for left, right in extra_links)
    for left, right in links:
        if left == right or not (0 <= left < agents and 0 <= right < agents):
            raise InputError(f"aloha cannot link {left} and {right}: give two different agents from 0 to {agents - 1}")
    return Aloha(
        spec=Spec(agents=agents, observation=1, action=Discrete(2), horizon=horizon, shared=agents),
        rows=rows,
        columns=columns,
        capacity=capacity,
        arrival=float(arrival),
        extra_links=links,
    )
