"""CartPole: a pole hinged on a cart, to be held upright by pushing the cart left or right.

The two known instances are `cartpole()`, 200 steps long, and `cartpole(horizon=500)`; their numbers are those of Gymnasium's
CartPole-v0 and -v1. One step is an explicit Euler step of 20 ms.

Source: Barto, Sutton and Anderson, "Neuronlike adaptive elements that can solve difficult learning control problems" (1983).
"""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from interplay.core.errors import InputError
from interplay.core.game import Discrete, Game, Spec, TimeStep, opening, outcome
from interplay.games import svg

GRAVITY = 9.8  # m/s²
CART, POLE = 1.0, 0.1  # kg
HALF = 0.5  # m, half the pole's length
PUSH = 10.0  # N
TICK = 0.02  # s
EDGE = 2.4  # m, where the track ends
LEAN = math.radians(12)  # the pole counts as fallen


class State(eqx.Module):
    """Position (m), velocity (m/s), angle (rad), angular velocity (rad/s), and the steps taken."""

    body: Float[Array, "4"]
    step: Int[Array, ""]


class CartPole(Game[State]):
    """See the file's first paragraph; made by `cartpole`."""

    spec: Spec

    def reset(self, key: PRNGKeyArray) -> tuple[State, TimeStep]:
        state = State(jax.random.uniform(key, (4,), minval=-0.05, maxval=0.05), jnp.zeros((), jnp.int32))
        return state, TimeStep(**_view(state, True), **opening(self.spec))

    def step(self, state: State, action: Int[Array, "agent"], key: PRNGKeyArray) -> tuple[State, TimeStep]:
        state = State(moved(state.body, jnp.where(action[0] == 1, PUSH, -PUSH)), state.step + 1)
        fallen = (jnp.abs(state.body[0]) > EDGE) | (jnp.abs(state.body[2]) > LEAN)
        late = (state.step >= self.spec.horizon) & ~fallen
        return state, TimeStep(**_view(state, ~fallen), **outcome(jnp.ones(1), fallen, late))

    def draw(self, state: State) -> str:
        place, _, angle, _ = (float(number) for number in state.body)
        x, top = place + EDGE, 1.4
        tip = (x + 2 * HALF * math.sin(angle), top - 2 * HALF * math.cos(angle))
        shapes = [
            svg.line(0, top + 0.15, 2 * EDGE, top + 0.15, svg.MUTED, stroke_width=0.02),
            svg.rect(x - 0.25, top - 0.15, 0.5, 0.3, svg.color(0), rx=0.05),
            svg.line(x, top, *tip, svg.color(1), stroke_width=0.09),
            svg.text(EDGE, top + 0.4, f"step {int(state.step)}", 0.2),
        ]
        return svg.document(2 * EDGE, 2.0, *shapes, title="cartpole")


def moved(body: Float[Array, "4"], force: Float[Array, ""]) -> Float[Array, "4"]:
    """The cart and the pole one Euler step later, pushed with `force` newtons.

    With total mass M, m l = POLE · HALF and u = (F + m l θ̇² sin θ) / M:
    θ̈ = (g sin θ − u cos θ) / (l (4/3 − POLE cos² θ / M)), ẍ = u − m l θ̈ cos θ / M.

    Source: Florian, "Correct equations for the dynamics of the cart-pole system" (2007), without friction.
    """
    _, speed, angle, turning = body
    mass, moment = CART + POLE, POLE * HALF
    sine, cosine = jnp.sin(angle), jnp.cos(angle)
    pushed = (force + moment * turning**2 * sine) / mass
    twist = (GRAVITY * sine - cosine * pushed) / (HALF * (4 / 3 - POLE * cosine**2 / mass))
    thrust = pushed - moment * twist * cosine / mass
    return body + TICK * jnp.stack([speed, thrust, turning, twist])


def cartpole(horizon: int = 200) -> CartPole:
    """CartPole for one agent: action 1 pushes right, 0 left; every step pays 1 until the pole falls or the track ends.

    Observation: position, velocity, angle, angular velocity. An episode is cut at `horizon` steps.

        >>> cartpole().spec.horizon
        200
    """
    if horizon < 1:
        raise InputError(f"cartpole got horizon={horizon}: give at least 1")
    return CartPole(spec=Spec(agents=1, observation=4, action=Discrete(2), horizon=horizon, shared=4))


def _view(state: State, upright):
    shown = jnp.where(upright, state.body, 0.0)
    return {
        "observation": shown[None],
        "legal": jnp.full((1, 2), upright),
        "active": jnp.full(1, upright),
        "shared": shown,
    }
