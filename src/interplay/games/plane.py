"""The plane on which particles slide: where everything is, how it moves, how it looks.

The law of motion, with dt = 0.1, damping 0.25, unit masses, and k = 0.001 the softness of a contact:

    x ← x + v dt
    v ← 0.75 v + (u + Σ_j 100 k log(1 + exp((r_i + r_j − |d|) / k)) d / |d|) dt      d = x_i − x_j, before the move

It is the law of Lowe et al.'s particle worlds (2017); the games of `interplay.games.particle` differ in who sees what
and what is paid. Everything here is written so that XLA can fuse it: no gathers, no scatters, each pair once.
"""

from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from interplay.games import svg

TIME = 0.1  # seconds in a step
DAMPING = 0.25  # share of its velocity that a particle loses in a step
STIFFNESS = 100.0  # force per unit of penetration
SOFTNESS = 1e-3  # over this distance a contact sets in
EDGE = 1.3  # pictures show this much of the plane on each side of the origin
SILENT = -1  # the message before anything was said


class World(eqx.Module):
    """Where everything is, what was last said, and how many steps are over.

    `goal` is the landmark each addressee has to reach and `message` the last word of each speaker (`SILENT` before
    the first); both are empty where a game has none.
    """

    position: Float[Array, "agent 2"]
    velocity: Float[Array, "agent 2"]
    landmark: Float[Array, "landmark 2"]
    goal: Int[Array, "goal"]
    message: Int[Array, "speaker"]
    time: Int[Array, ""]


def length(vector: Float[Array, "*batch 2"]) -> Float[Array, "*batch"]:
    """|vector|, written out: a reduction over two numbers would keep XLA from fusing it with its neighbors."""
    return jnp.sqrt(jnp.square(vector[..., 0]) + jnp.square(vector[..., 1]))


def repulsion(difference: Float[Array, "agent 2"], reach: Float[np.ndarray, "agent"]) -> Float[Array, "agent 2"]:
    """The force of a contact, 100 k log(1 + exp((reach − |d|) / k)) d / |d|, on the particle that d points to.

    Particles on the very same spot do not push, as no direction is given.
    """
    distance = length(difference)
    depth = (reach - distance) / SOFTNESS
    penetration = SOFTNESS * (jnp.maximum(depth, 0.0) + jnp.log1p(jnp.exp(-jnp.abs(depth))))
    return difference * (STIFFNESS * penetration / jnp.maximum(distance, 1e-12))[:, None]


def turns(agents: int) -> list[tuple[int, bool]]:
    """How far to turn a ring of agents so that each pair meets once: (shift, whether it meets once).

    At a shift of half the ring both partners see each other, so that nothing is left to hand back.
    """
    return [(shift, 2 * shift != agents) for shift in range(1, agents // 2 + 1)]


def contacts(position: Float[Array, "agent 2"], radius: Float[np.ndarray, "agent"]) -> Float[Array, "agent 2"]:
    """The sum of the forces on each agent from all others; each pair is computed once."""
    force = jnp.zeros_like(position)
    for shift, once in turns(len(radius)):
        given = repulsion(position - jnp.roll(position, -shift, 0), radius + np.roll(radius, -shift))
        force = force + given - (jnp.roll(given, shift, 0) if once else 0.0)
    return force


def touching(position: Float[Array, "agent 2"], reach: float) -> Float[Array, "agent"]:
    """How many others are nearer than `reach` to each agent."""
    count = jnp.zeros(position.shape[0])
    for shift, once in turns(position.shape[0]):
        near = (length(position - jnp.roll(position, -shift, 0)) < reach).astype(jnp.float32)
        count = count + near + (jnp.roll(near, shift, 0) if once else 0.0)
    return count


def push(action: Int[Array, "agent"]) -> Float[Array, "agent 2"]:
    """The unit push that an action stands for: odd actions down an axis, even ones up."""
    axis = jnp.arange(2)
    return (action[:, None] == 2 * axis + 2).astype(jnp.float32) - (action[:, None] == 2 * axis + 1)


def slide(world: World, force: Float[Array, "agent 2"]) -> World:
    """The world one step later: x ← x + v dt, then v ← 0.75 v + force dt."""
    position = world.position + world.velocity * TIME
    velocity = world.velocity * (1 - DAMPING) + force * TIME
    return replace(world, position=position, velocity=velocity, time=world.time + 1)


def limited(velocity: Float[Array, "agent 2"], top: Float[np.ndarray, "agent"]) -> Float[Array, "agent 2"]:
    """Each velocity shortened to the agent's top speed."""
    speed = length(velocity)
    slower = velocity / jnp.maximum(speed, 1e-12)[:, None] * top[:, None]
    return jnp.where((speed > top)[:, None], slower, velocity)


def others(rows: Float[Array, "agent 2"]) -> Float[Array, "agent rest 2"]:
    """For each agent the rows of all other agents, in order."""
    agents = rows.shape[0]
    earlier = np.arange(agents - 1)[None, :] < np.arange(agents)[:, None]
    return jnp.where(earlier[:, :, None], rows[None, :-1], rows[None, 1:])


def toward(things: Float[Array, "*agent thing 2"], position: Float[Array, "agent 2"]) -> Float[Array, "agent feature"]:
    """`things` seen from each agent, flat."""
    return (things - position[:, None]).reshape(position.shape[0], -1)


def chosen(index: Int[Array, "row"], count: int) -> Bool[Array, "row count"]:
    """Rows with the one entry `index` set; a row of `SILENT` has none."""
    return index[:, None] == jnp.arange(count)


def goals(world: World) -> Float[Array, "goal 2"]:
    """Where the landmarks lie that have to be reached."""
    picked = chosen(world.goal, world.landmark.shape[0])
    return jnp.sum(jnp.where(picked[:, :, None], world.landmark, 0.0), 1)


def scatter(key: PRNGKeyArray, agents: int, landmarks: int, wanted: int = 0, speakers: int = 0) -> World:
    """Agents at rest and landmarks, uniform in [−1, 1]², and `wanted` goals: one draw of random numbers in all."""
    entities = agents + landmarks
    numbers = jax.random.uniform(key, (2 * entities + wanted,))
    place = 2 * numbers[: 2 * entities].reshape(entities, 2) - 1
    return World(
        position=place[:agents],
        velocity=jnp.zeros((agents, 2)),
        landmark=place[agents:],
        goal=jnp.floor(numbers[2 * entities :] * landmarks).astype(jnp.int32),
        message=jnp.full(speakers, SILENT, jnp.int32),
        time=jnp.zeros((), jnp.int32),
    )


def place(point: Float[Array | np.ndarray, "2"]) -> tuple[float, float]:
    """Where `point` lies in the picture: y downwards, what is far away at the edge."""
    return svg.clamp(float(point[0]), -EDGE, EDGE), svg.clamp(-float(point[1]), -EDGE, EDGE)


def mark(point: Float[Array | np.ndarray, "2"], radius: float, fill: str) -> str:
    """A landmark or an obstacle."""
    return svg.circle(*place(point), radius, fill, fill_opacity=0.75)


def body(world: World, index: int, radius: float, halo: str = "#FFFFFF") -> str:
    """Agent `index` in its color, with its number and a trace of its velocity; faint outside the picture."""
    x, y = place(world.position[index])
    fill, label = svg.color(index), max(1.1 * radius, 0.07)
    if np.abs(world.position[index]).max() > EDGE:
        return svg.circle(x, y, radius, fill, fill_opacity=0.3) + svg.text(x, y, index, label)
    tip = place(world.position[index] + 0.3 * world.velocity[index])
    trail = svg.line(x, y, *tip, stroke=fill, stroke_width=0.02, stroke_linecap="round")
    disc = svg.circle(x, y, radius, fill, fill_opacity=0.9, stroke=halo, stroke_width=0.015)
    return trail + disc + svg.text(x, y, index, label, svg.contrast(fill))


def way(world: World, agent: int, goal: int) -> str:
    """A dashed line from `agent` to the landmark that is goal number `goal`."""
    start, end = place(world.position[agent]), place(world.landmark[world.goal[goal]])
    ring = svg.circle(*end, 0.09, "none", stroke=svg.color(agent), stroke_width=0.02)
    return ring + svg.line(*start, *end, stroke=svg.color(agent), stroke_width=0.01, stroke_dasharray="0.04 0.03")


def bubble(world: World, agent: int, speaker: int) -> str:
    """What speaker number `speaker` said last, beside `agent`; nothing before the first word."""
    if world.message[speaker] == SILENT:
        return ""
    x, y = place(world.position[agent])
    left, top = min(x + 0.08, EDGE - 0.1), max(y - 0.22, -EDGE)
    frame = svg.rect(left, top, 0.26, 0.14, "#FFFFFF", rx=0.04, stroke=svg.color(agent), stroke_width=0.01)
    return frame + svg.text(left + 0.13, top + 0.07, f"“{int(world.message[speaker])}”", 0.09)
