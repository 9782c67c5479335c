"""Matrix games: all choose at once, and a table says what each gets.

The smallest games in which learning together is hard. Known instances are the climbing game, where the best joint
action lies behind a penalty that scares off whoever looks for it alone, and the penalty game, with two equally good
joint actions and a price for not agreeing on one. Played once, or repeated with the last joint action in sight.
"""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray
from numpy.typing import ArrayLike

from interplay.core.errors import InputError
from interplay.core.game import Discrete, Game, Spec, TimeStep, opening, outcome
from interplay.games import svg


class State(eqx.Module):
    """The last joint action (before the first: zeros) and how many rounds were played."""

    action: Int[Array, "agent"]
    round: Int[Array, ""]


class Matrix(Game[State]):
    """See the file's first paragraph; made by `matrix`, `general_sum`, `climbing` and `penalty`."""

    spec: Spec
    entries: tuple[float, ...] = eqx.field(static=True)  # flat, so that the game stays hashable

    @property
    def payoffs(self) -> Float[np.ndarray, "agent *choices"]:
        """What each agent gets for each joint action."""
        return np.reshape(self.entries, (self.spec.agents, *self.spec.action_sizes))

    def reset(self, key: PRNGKeyArray) -> tuple[State, TimeStep]:
        state = State(action=jnp.zeros(self.spec.agents, jnp.int32), round=jnp.zeros((), jnp.int32))
        return state, TimeStep(**self._view(state), **opening(self.spec))

    def step(self, state: State, action: Int[Array, "agent"], key: PRNGKeyArray) -> tuple[State, TimeStep]:
        sizes = np.array(self.spec.action_sizes)
        action = jnp.clip(action, 0, sizes - 1).astype(jnp.int32)  # an agent with fewer choices has no others
        strides = np.append(np.cumprod(sizes[:0:-1])[::-1], 1)
        table = jnp.asarray(self.payoffs.reshape(self.spec.agents, -1), jnp.float32)
        reward = table[:, jnp.sum(action * strides)]
        state = State(action=action, round=state.round + 1)
        done = state.round >= self.spec.horizon
        return state, TimeStep(**self._view(state), **outcome(reward, done, False))

    def draw(self, state: State) -> str:
        chosen = tuple(np.asarray(state.action).tolist()) if state.round else None
        if self.spec.agents == 2:
            return _table(self.payoffs, chosen)
        return _row(self.payoffs, chosen)

    def _view(self, state):
        agents, sizes = self.spec.agents, self.spec.action_sizes
        left = 1 - state.round / self.spec.horizon
        shown = jnp.atleast_1d(left).astype(jnp.float32)
        if self.spec.horizon > 1:
            last = [state.action[index] == np.arange(size) for index, size in enumerate(sizes)]
            shown = jnp.concatenate([shown, jnp.concatenate(last) * (state.round > 0)])
        legal = np.arange(self.spec.action.width) < np.array(sizes)[:, None]
        return {
            "observation": jnp.concatenate([jnp.eye(agents), jnp.tile(shown, (agents, 1))], axis=1),
            "legal": jnp.asarray(legal),
            "active": jnp.ones(agents, bool),
            "shared": shown,
        }


def matrix(payoff: ArrayLike, horizon: int = 1) -> Matrix:
    """The team game in which joint action (a_1, …, a_n) gives every agent payoff[a_1, …, a_n], `horizon` times.

    `payoff` has one axis per agent. Observation: the agent's number as one-hot, the share of rounds left and, where
    the game is repeated, the last joint action as one-hots (zeros before the first round). The last round ends the
    game (`terminated`): its length is part of the rules and is seen. Raises `InputError` for a table without two axes.

        >>> optimum(matrix([[1.0, 0.0], [0.0, 2.0]], horizon=3))
        6.0
    """
    table = np.asarray(payoff, float)
    return general_sum(np.broadcast_to(table, (table.ndim, *table.shape)), horizon)


def general_sum(payoffs: ArrayLike, horizon: int = 1) -> Matrix:
    """The game in which joint action (a_1, …, a_n) gives agent i payoffs[i, a_1, …, a_n], `horizon` times.

    Observations are those of `matrix`.

        >>> general_sum([[[3, 0], [5, 1]], [[3, 5], [0, 1]]]).spec.agents  # the prisoner's dilemma
        2
    """
    table = np.asarray(payoffs, float)
    agents, sizes = table.shape[0] if table.ndim else 0, table.shape[1:]
    if agents < 2 or len(sizes) != agents or 0 in sizes:
        raise InputError(f"payoffs of shape {table.shape} fit no game: give n ≥ 2 agents and one axis for each")
    if not np.all(np.isfinite(table)):
        raise InputError("a payoff is not a finite number: correct the table")
    if horizon < 1:
        raise InputError(f"a matrix game got horizon={horizon}: give at least 1")
    shown = 1 + (sum(sizes) if horizon > 1 else 0)
    spec = Spec(
        agents=agents,
        observation=agents + shown,
        action=Discrete(max(sizes)),
        horizon=horizon,
        shared=shown,
        action_sizes=tuple(sizes),
    )
    return Matrix(spec=spec, entries=tuple(table.reshape(-1).tolist()))


def climbing(horizon: int = 1) -> Matrix:
    """The climbing game: (0, 0) pays 11, but a partner who strays costs 30; best response climbs to (2, 2) and 5.

    Source: Claus and Boutilier, "The Dynamics of Reinforcement Learning in Cooperative Multiagent Systems" (1998).

        >>> optimum(climbing())
        11.0
    """
    return matrix([[11, -30, 0], [-30, 7, 6], [0, 0, 5]], horizon)


def penalty(k: float = -100.0, horizon: int = 1) -> Matrix:
    """The penalty game: (0, 0) and (2, 2) both pay 10, mixing them up costs `k` ≤ 0, and (1, 1) pays a safe 2.

    Source: Claus and Boutilier (1998).

        >>> optimum(penalty())
        10.0
    """
    if k > 0:
        raise InputError(f"the penalty game got k={k}: give a number that is not above 0")
    return matrix([[10, 0, k], [0, 2, 0], [k, 0, 10]], horizon)


def optimum(game: Matrix) -> float:
    """The best team return: `horizon` times the largest mean over agents of a joint action's payoffs."""
    return float(game.spec.horizon * np.max(np.mean(game.payoffs, axis=0)))


def _table(payoffs, chosen):
    """Two players: the table itself, darker where it pays more, the last joint action framed."""
    team = payoffs.mean(axis=0)
    low, span = team.min(), max(np.ptp(team), 1e-9)
    shapes = []
    for (row, column), value in np.ndenumerate(team):
        cell = payoffs[:, row, column]
        words = f"{cell[0]:g}" if np.all(cell == cell[0]) else ", ".join(f"{part:g}" for part in cell)
        shapes.append(svg.rect(column, row, 0.96, 0.96, svg.color(2), fill_opacity=0.08 + 0.8 * (value - low) / span))
        shapes.append(svg.text(column + 0.48, row + 0.48, words, 0.3 if len(words) < 5 else 0.2))
    for column in range(team.shape[1]):
        shapes.append(svg.text(column + 0.48, -0.22, column, 0.24, svg.color(1), font_weight="bold"))
    for row in range(team.shape[0]):
        shapes.append(svg.text(-0.22, row + 0.48, row, 0.24, svg.color(0), font_weight="bold"))
    if chosen is not None:
        row, column = chosen
        shapes.append(svg.rect(column, row, 0.96, 0.96, stroke=svg.color(1), stroke_width=0.07, rx=0.06))
        shapes.append(svg.rect(column + 0.07, row + 0.07, 0.82, 0.82, stroke=svg.color(0), stroke_width=0.07, rx=0.04))
    height, width = team.shape
    return svg.document(width + 0.7, height + 0.7, *shapes, left=-0.5, top=-0.5, title="matrix game")


def _row(payoffs, chosen):
    """Any number of players: who chose what, and what each got."""
    agents, shapes = payoffs.shape[0], []
    for index in range(agents):
        fill = svg.color(index)
        shapes.append(svg.circle(index + 0.5, 0.5, 0.36, fill))
        shapes.append(svg.text(index + 0.5, 0.5, "?" if chosen is None else chosen[index], 0.4, svg.contrast(fill)))
        got = "" if chosen is None else f"{payoffs[(index, *chosen)]:g}"
        shapes.append(svg.text(index + 0.5, 1.1, got, 0.28))
    return svg.document(agents, 1.4, *shapes, title="matrix game")
