"""The assignment game: everyone picks a target, and a target that two have picked is worth nothing to either.

One step. An agent sees what each target is worth to itself but not to the others, so agents that act on what they see
collide; a team that reads all rows can solve the assignment problem. Known instances are four agents (`assignment()`),
and the marriage of workers and jobs. The Hungarian method gives the best that can be had for every draw.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray
from scipy.optimize import linear_sum_assignment

from interplay.core.errors import InputError
from interplay.core.game import Discrete, Game, Spec, TimeStep, opening, outcome
from interplay.games import svg


class State(eqx.Module):
    """worth[i, j]: what target j is worth to agent i; `choice` means something once `done`."""

    worth: Float[Array, "agent agent"]
    choice: Int[Array, "agent"]
    done: Bool[Array, ""]


class Assignment(Game[State]):
    """See the file's first paragraph; made by `assignment`."""

    spec: Spec

    def reset(self, key: PRNGKeyArray) -> tuple[State, TimeStep]:
        agents = self.spec.agents
        worth = jax.random.uniform(key, (agents, agents))
        state = State(worth=worth, choice=jnp.zeros(agents, jnp.int32), done=jnp.zeros((), bool))
        return state, TimeStep(**self._view(state), **opening(self.spec))

    def step(self, state: State, action: Int[Array, "agent"], key: PRNGKeyArray) -> tuple[State, TimeStep]:
        state = State(worth=state.worth, choice=action.astype(jnp.int32), done=jnp.ones((), bool))
        reward = jnp.full(self.spec.agents, team_reward(state.worth, state.choice))
        return state, TimeStep(**self._view(state), **outcome(reward, True, False))

    def draw(self, state: State) -> str:
        agents, shapes = self.spec.agents, []
        worth, choice = np.asarray(state.worth), np.asarray(state.choice)
        for (row, column), value in np.ndenumerate(worth):
            shapes.append(svg.rect(column, row, 0.94, 0.94, svg.color(2), fill_opacity=0.05 + 0.85 * float(value)))
            shapes.append(svg.text(column + 0.47, row + 0.47, f"{value:.2f}", 0.26))
        for row in range(agents):
            shapes.append(svg.circle(-0.35, row + 0.47, 0.22, svg.color(row)))
            shapes.append(svg.text(-0.35, row + 0.47, row, 0.22, svg.contrast(svg.color(row))))
        words = f"best {optimum(state):.2f}"
        if state.done:
            for row, column in enumerate(choice.tolist()):
                alone = np.sum(choice == column) == 1
                frame = svg.INK if alone else "#C62828"
                shapes.append(svg.rect(column, row, 0.94, 0.94, stroke=frame, stroke_width=0.08, rx=0.06))
                if not alone:
                    shapes.append(svg.line(column, row + 0.94, column + 0.94, row, frame, stroke_width=0.05))
            words = f"reward {float(team_reward(state.worth, state.choice)):.2f}, {words}"
        shapes.append(svg.text(agents / 2, agents + 0.22, words, 0.26))
        return svg.document(agents + 0.9, agents + 0.65, *shapes, left=-0.75, top=-0.15, title="assignment")

    def _view(self, state):
        agents = self.spec.agents
        return {
            "observation": jnp.concatenate([jnp.eye(agents), state.worth], axis=1),
            "legal": jnp.ones((agents, agents), bool),
            "active": jnp.ones(agents, bool),
            "shared": state.worth.reshape(-1),
        }


def assignment(agents: int = 4) -> Assignment:
    """One step: C ~ U(0, 1)^{n × n}, agent i sees its number and row i of C and picks target a_i out of n.

    Everyone gets (1/n) Σ_i C[i, a_i] · 1[nobody else chose a_i]. Observation: [number as one-hot, row of C]; `shared`:
    all of C. Raises `InputError` without agents.

        >>> assignment(agents=4).spec.observation
        8
    """
    if agents < 1:
        raise InputError(f"assignment got agents={agents}: give at least 1")
    spec = Spec(agents=agents, observation=2 * agents, action=Discrete(agents), horizon=1, shared=agents**2)
    return Assignment(spec=spec)


def team_reward(worth: Float[Array, "agent target"], choice: Int[Array, "agent"]) -> Float[Array, ""]:
    """(1/n) Σ_i C[i, a_i] · 1[nobody else chose a_i].

    >>> float(team_reward(jnp.array([[0.5, 1.0], [0.25, 1.0]]), jnp.array([0, 1])))
    0.75
    """
    picked = choice[:, None] == np.arange(worth.shape[1])
    alone = jnp.sum(picked, axis=0) == 1
    return jnp.sum(picked * alone * worth) / worth.shape[0]


def optimum(state: State) -> float:
    """The best team reward of this draw, by the Hungarian method; on the host, not under `jit`."""
    return _best(np.asarray(state.worth, float))


def expected_optimum(agents: int, episodes: int = 10_000, seed: int = 0) -> float:
    """The mean of `optimum` over `episodes` draws of numpy's generator `seed`."""
    draws = np.random.default_rng(seed).random((episodes, agents, agents))
    return float(np.mean([_best(worth) for worth in draws]))


def _best(worth):
    rows, columns = linear_sum_assignment(worth, maximize=True)
    return float(worth[rows, columns].sum() / len(worth))
