"""Sum guessing: everyone sees one number and has to name the sum of all.

One step, one real number from each agent, and nothing to gain from seeing one's own number well: what is missing is
what the others know. So the game measures communication alone. Known instances are five agents with numbers up to ten
(`sum_guessing()`), and one agent, where there is nothing to say.

Source: Gupta et al., "HAMMER: Multi-Level Coordination of Reinforcement Learning Agents via Learned Messaging" (2021).
"""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from interplay.core.errors import InputError
from interplay.core.game import Box, Game, Spec, TimeStep, opening, outcome
from interplay.games import svg


class State(eqx.Module):
    """The numbers, and what was guessed once `done`."""

    numbers: Float[Array, "agent"]
    guesses: Float[Array, "agent"]
    done: Bool[Array, ""]


class SumGuessing(Game[State]):
    """See the file's first paragraph; made by `sum_guessing`."""

    spec: Spec
    scale: float = eqx.field(static=True)

    def reset(self, key: PRNGKeyArray) -> tuple[State, TimeStep]:
        numbers = jax.random.uniform(key, (self.spec.agents,), minval=-self.scale, maxval=self.scale)
        state = State(numbers=numbers, guesses=jnp.zeros(self.spec.agents), done=jnp.zeros((), bool))
        return state, TimeStep(**self._view(state), **opening(self.spec))

    def step(self, state: State, action: Float[Array, "agent 1"], key: PRNGKeyArray) -> tuple[State, TimeStep]:
        guesses = action[:, 0].astype(jnp.float32)
        state = State(numbers=state.numbers, guesses=guesses, done=jnp.ones((), bool))
        reward = -jnp.abs(guesses - jnp.sum(state.numbers))
        return state, TimeStep(**self._view(state), **outcome(reward, True, False))

    def draw(self, state: State) -> str:
        reach, bottom = self.spec.agents * self.scale, 0.5 + 0.5 * self.spec.agents
        place = lambda value: 3 + 2.7 * svg.clamp(value / reach, -1, 1)
        numbers, guesses = np.asarray(state.numbers).tolist(), np.asarray(state.guesses).tolist()
        goal = place(sum(numbers))
        shapes = [svg.line(goal, 0.36, goal, bottom + 0.1, svg.INK, stroke_width=0.05)]
        shapes.append(svg.text(goal, 0.18, f"sum {sum(numbers):.1f}", 0.26))
        for index, number in enumerate(numbers):
            y, fill = 0.65 + 0.5 * index, svg.color(index)
            shapes.append(svg.line(0.3, y, 5.7, y, "#CFD8DC", stroke_width=0.03))
            if state.done:
                x = place(guesses[index])
                shapes.append(svg.line(x, y, goal, y, fill, stroke_width=0.05))
                shapes.append(svg.circle(x, y, 0.12, fill))
            x = place(number)
            shapes.append(svg.line(x, y - 0.16, x, y + 0.16, fill, stroke_width=0.06))
        for mark, value in ((0.35, -reach), (5.65, reach)):
            shapes.append(svg.text(mark, bottom + 0.3, f"{value:g}", 0.2, svg.MUTED))
        words = "bar: own number · disc: guess" if state.done else "bar: own number"
        shapes.append(svg.text(3, bottom + 0.3, words, 0.2, svg.MUTED))
        return svg.document(6, bottom + 0.5, *shapes, title="sum guessing")

    def _view(self, state):
        agents = self.spec.agents
        return {
            "observation": state.numbers[:, None],
            "legal": jnp.ones((agents, 1), bool),
            "active": jnp.ones(agents, bool),
            "shared": state.numbers,
        }


def sum_guessing(agents: int = 5, scale: float = 10.0) -> SumGuessing:
    """One step: agent i sees o_i ~ U(−scale, scale), names a_i, and gets −|a_i − Σ_j o_j|.

    Actions lie in [−agents · scale, agents · scale], the range of the sum, so that every right answer can be given;
    they are taken as they come. `shared`: all numbers. Raises `InputError` without agents or scale.

        >>> sum_guessing(agents=5).spec.action.high
        50.0
    """
    if agents < 1 or not scale > 0:
        raise InputError(f"sum guessing got agents={agents}, scale={scale}: give at least 1 and a number above 0")
    reach = float(agents * scale)
    spec = Spec(agents=agents, observation=1, action=Box(1, -reach, reach), horizon=1, shared=agents)
    return SumGuessing(spec=spec, scale=float(scale))


def floor(game: SumGuessing) -> float:
    """The best expected reward of agents that do not talk: −E|S|, S the sum of the m = n − 1 hidden numbers.

    S is symmetric about zero, so an agent can do no better than to name its own number. With scale s,
    E|S| = s · 2 / (2ᵐ (m + 1)!) · Σ_{k < m/2} (−1)ᵏ C(m, k) (m − 2k)^{m+1}.

        >>> round(floor(sum_guessing(agents=5)), 4)
        -9.3333
    """
    hidden = game.spec.agents - 1
    terms = ((-1) ** k * math.comb(hidden, k) * (hidden - 2 * k) ** (hidden + 1) for k in range((hidden + 1) // 2))
    return -game.scale * 2 * sum(terms) / (2**hidden * math.factorial(hidden + 1))


def optimum(game: SumGuessing) -> float:
    """The best reward of agents that know all numbers: everyone names the sum."""
    return 0.0
