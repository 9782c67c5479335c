"""The linear-quadratic regulator over a finite time: the control problem whose best policy is known in closed form.

A point mass in the plane drifts and is shaken; a force brings it to the origin at the least cost. The best policy is linear,
found by the Riccati recursion (`optimum`). Known instances are one agent that sets both forces (`lqr()`) and one agent
per axis, who all pay for both (`lqr(agents=2)`).

Source: Bertsekas, "Dynamic programming and optimal control" (2017), section 3.1.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from interplay.core.errors import InputError
from interplay.core.game import Box, Game, Spec, TimeStep, opening, outcome
from interplay.games import svg

TICK = 0.3  # s
SHAKE = 0.1  # standard deviation of what is added to every number of the state in a step
START = 1.0  # standard deviation of the numbers of the first state
EFFORT = 0.1  # price of a squared force


class State(eqx.Module):
    """Position and velocity in the plane, and the steps taken."""

    body: Float[Array, "4"]
    step: Int[Array, ""]


class Regulator(Game[State]):
    """See the file's first paragraph; made by `lqr`."""

    spec: Spec

    def reset(self, key: PRNGKeyArray) -> tuple[State, TimeStep]:
        state = State(START * jax.random.normal(key, (4,)), jnp.zeros((), jnp.int32))
        return state, TimeStep(**self._view(state), **opening(self.spec))

    def step(self, state: State, action: Float[Array, "agent dimension"], key: PRNGKeyArray) -> tuple[State, TimeStep]:
        force, agents = action.reshape(-1), self.spec.agents
        advance, push, price, effort = map(jnp.asarray, system())
        cost = state.body @ price @ state.body + force @ effort @ force
        body = advance @ state.body + push @ force + SHAKE * jax.random.normal(key, (4,))
        state = State(body, state.step + 1)
        late = state.step >= self.spec.horizon
        return state, TimeStep(**self._view(state), **outcome(jnp.full(agents, -cost), False, late))

    def draw(self, state: State) -> str:
        x, y, right, up = (float(number) for number in np.clip(np.asarray(state.body), -4, 4))
        shapes = [
            svg.line(-4, 0, 4, 0, svg.MUTED, stroke_width=0.02),
            svg.line(0, -4, 0, 4, svg.MUTED, stroke_width=0.02),
            svg.line(x, -y, x + right * TICK, -y - up * TICK, svg.color(0), stroke_width=0.08),
            svg.circle(x, -y, 0.2, svg.color(1)),
            svg.text(0, 3.7, f"step {int(state.step)}", 0.35),
        ]
        return svg.document(8, 8, *shapes, left=-4, top=-4, title="linear-quadratic regulator")

    def _view(self, state: State):
        spec = self.spec
        return {
            "observation": jnp.tile(state.body, (spec.agents, 1)),
            "legal": jnp.ones((spec.agents, spec.action.width), bool),
            "active": jnp.ones(spec.agents, bool),
            "shared": state.body,
        }


def lqr(agents: int = 1, horizon: int = 10) -> Regulator:
    """The regulator: x' = A x + B u + noise, every agent paid −(xᵀ Q x + uᵀ R u) of the step before it.

    One agent sets both forces, or two agents one each. Forces are taken as they come: the box (±1) is the scale that
    networks start from and no limit. All agents see the state. An episode is cut at `horizon`. Raises `InputError` for
    other numbers of agents.

        >>> lqr(agents=2).spec.action.size
        1
    """
    if agents not in (1, 2) or horizon < 1:
        raise InputError(f"lqr got agents={agents}, horizon={horizon}: give 1 or 2 agents and at least 1 step")
    return Regulator(spec=Spec(agents=agents, observation=4, action=Box(2 // agents), horizon=horizon, shared=4))


def system() -> tuple[Float[np.ndarray, "..."], ...]:
    """A, B, Q and R."""
    one, none = np.eye(2, dtype=np.float32), np.zeros((2, 2), np.float32)
    advance = np.block([[one, TICK * one], [none, one]])
    push = np.concatenate([none, TICK * one])
    return advance, push, np.diag(np.array([1.0, 1.0, 0.1, 0.1], np.float32)), EFFORT * one


def optimum(game: Regulator, discount: float = 1.0) -> tuple[float, Float[np.ndarray, "time force body"]]:
    """J*, the best expected return, and the gains K_t of the policy u = −K_t x that has it.

    P_H = 0, S = R + γ Bᵀ P B, K = γ S⁻¹ Bᵀ P A, P ← Q + γ Aᵀ P (A − B K), c ← γ (c + tr(P W));
    J* = −tr(P_0 Σ_0) − c_0 with W = SHAKE² I and Σ_0 = START² I.

        >>> optimum(lqr(horizon=1))[1].tolist()  # nothing follows: no force is worth its price
        [[[0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]]]
    """
    advance, push, price, effort = (matrix.astype(float) for matrix in system())
    later, noise, gains = np.zeros((4, 4)), 0.0, []
    for _ in range(game.spec.horizon):
        noise = discount * (noise + SHAKE**2 * np.trace(later))
        gain = np.linalg.solve(effort + discount * push.T @ later @ push, discount * push.T @ later @ advance)
        later = price + discount * advance.T @ later @ (advance - push @ gain)
        gains.append(np.abs(gain) if not gain.any() else gain)  # no minus zeros
    return float(-(START**2) * np.trace(later) - noise), np.stack(gains[::-1])


def expected_return(
    game: Regulator, gain: Float[Array, "force body"], deviation: Float[Array, "force"], discount: float = 1.0
) -> Float[Array, ""]:
    """J of the policy u ~ N(−K x, diag(σ²)), exactly: the covariance of the state, carried forward; differentiable."""
    advance, push, price, effort = map(jnp.asarray, system())
    spread = jnp.diag(deviation**2)
    closed = advance - push @ gain

    def step(carry, worth):
        covariance, total = carry
        force = gain @ covariance @ gain.T + spread
        cost = jnp.trace(price @ covariance) + jnp.trace(effort @ force)
        covariance = closed @ covariance @ closed.T + push @ spread @ push.T + SHAKE**2 * jnp.eye(4)
        return (covariance, total - worth * cost), None

    worths = discount ** jnp.arange(game.spec.horizon, dtype=jnp.float32)
    return jax.lax.scan(step, (START**2 * jnp.eye(4), jnp.zeros(())), worths)[0][1]
