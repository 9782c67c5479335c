"""Particles on a plane: discs that push off each other, slide, and must go somewhere together.

All games here share one world and one law of motion; they differ in who sees what and what is rewarded. In `spread`
n particles cover n landmarks; in `tag` slow chasers hunt a fast runner among obstacles; in `reference` and
`speaker_listener` one particle knows where the other has to go and can only say so.

The law of motion is in `interplay.games.plane`. An action is a push of fixed strength along one axis: 0 nothing,
1 left, 2 right, 3 down, 4 up. An episode is cut (`truncated`) after `horizon` steps; nothing terminates it. Games,
sizes and rewards are those of Lowe et al., "Multi-Agent Actor-Critic for Mixed Cooperative-Competitive Environments"
(2017), in the form of the JaxMARL and MPE2 packages; `tests/oracles/test_particle_references.py` holds them to both
and names what differs.
"""

import abc
from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from interplay.core.errors import InputError
from interplay.core.game import Discrete, Game, Spec, TimeStep, opening, outcome
from interplay.games import plane, svg

PUSHES = 5
LANDMARKS = 3  # in the two games of words; there they are also colors
WORDS = 10  # what a particle of `reference` can say


class Particles(Game[plane.World]):
    """What the four games share: an episode, the state for centralized training, the picture."""

    spec: eqx.AbstractVar[Spec]

    @abc.abstractmethod
    def start(self, key: PRNGKeyArray) -> plane.World:
        """A fresh world."""

    @abc.abstractmethod
    def move(self, world: plane.World, action: Int[Array, "agent"], key: PRNGKeyArray) -> plane.World:
        """The world one step later."""

    @abc.abstractmethod
    def observe(self, world: plane.World) -> Float[Array, "agent feature"]:
        """What each agent sees."""

    @abc.abstractmethod
    def score(self, world: plane.World) -> Float[Array, "agent *objective"]:
        """What each agent is paid for `world`."""

    @abc.abstractmethod
    def shapes(self, world: plane.World) -> list[str]:
        """The picture, back to front."""

    def reset(self, key: PRNGKeyArray) -> tuple[plane.World, TimeStep]:
        world = self.start(key)
        return world, self.look(world, opening(self.spec))

    def step(self, state: plane.World, action: Int[Array, "agent"], key: PRNGKeyArray) -> tuple[plane.World, TimeStep]:
        world = self.move(state, action, key)
        return world, self.look(world, outcome(self.score(world), False, world.time >= self.spec.horizon))

    def look(self, world: plane.World, result: dict[str, Array]) -> TimeStep:
        """The time step of `world`. `shared` is position, velocity, landmarks, goals and messages (both one-hot)."""
        spec = self.spec
        places = [world.position, world.velocity, world.landmark]
        facts = [plane.chosen(world.goal, LANDMARKS), plane.chosen(world.message, self.words)]
        return TimeStep(
            observation=self.observe(world),
            legal=jnp.asarray(np.arange(spec.action.width) < np.array(spec.action_sizes)[:, None]),
            active=jnp.ones(spec.agents, bool),
            shared=jnp.concatenate([part.astype(jnp.float32).ravel() for part in (*places, *facts)]),
            **result,
        )

    @property
    def words(self) -> int:
        """How many different messages there are."""
        return 0

    def draw(self, state: plane.World) -> str:
        """The arena [−1, 1]² with a margin; what has left it is drawn, faint, at the edge."""
        world = jax.tree.map(np.asarray, state)
        step = f"step {int(world.time)} of {self.spec.horizon}"
        clock = svg.text(-plane.EDGE, plane.EDGE + 0.1, step, 0.08, svg.MUTED, text_anchor="start")
        field = svg.rect(-1, -1, 2, 2, "none", stroke="#CFD8DC", stroke_width=0.01, stroke_dasharray="0.03 0.03")
        side = 2 * plane.EDGE + 0.4
        return svg.document(side, side, field, *self.shapes(world), clock, left=-side / 2, top=-side / 2)


class Covering(Particles):
    """Landmarks to be covered by particles that are in each other's way: all of `spread` but what it pays."""

    landmarks: eqx.AbstractVar[int]
    noise: eqx.AbstractVar[float]

    RADIUS = 0.15
    STRENGTH = 5.0

    def start(self, key):
        return plane.scatter(key, self.spec.agents, self.landmarks)

    def move(self, world, action, key):
        radius = np.full(self.spec.agents, self.RADIUS, np.float32)
        force = self.STRENGTH * plane.push(action) + plane.contacts(world.position, radius)
        if self.noise:  # without noise the step draws no random numbers, which would cost more than all the rest
            force = force + self.noise * jax.random.normal(key, force.shape)
        return plane.slide(world, force)

    def observe(self, world):
        place = world.position
        unused = jnp.zeros((self.spec.agents, 2 * (self.spec.agents - 1)))  # a channel on which nobody speaks
        sight = (plane.toward(world.landmark, place), plane.toward(plane.others(place), place), unused)
        return jnp.concatenate([world.velocity, place, *sight], 1)

    def distance(self, world: plane.World) -> Float[Array, ""]:
        """Σ_m min_j |x_j − landmark_m|."""
        # Unrolled over agents, and one root for the nearest instead of one for all: half the time at ten agents.
        nearest = jnp.full(self.landmarks, jnp.inf)
        for agent in range(self.spec.agents):
            difference = world.landmark - world.position[agent]
            nearest = jnp.minimum(nearest, jnp.square(difference[:, 0]) + jnp.square(difference[:, 1]))
        return jnp.sum(jnp.sqrt(nearest))

    def collisions(self, world: plane.World) -> Float[Array, "agent"]:
        """#{j touching i}."""
        return plane.touching(world.position, 2 * self.RADIUS)

    def shapes(self, world):
        marks = [plane.mark(place, 0.05, svg.INK) for place in world.landmark]
        return marks + [plane.body(world, index, self.RADIUS) for index in range(self.spec.agents)]


class Spread(Covering):
    """Cover the landmarks without touching each other: see `spread`."""

    spec: Spec
    landmarks: int = eqx.field(static=True)
    local_ratio: float = eqx.field(static=True)
    noise: float = eqx.field(static=True)

    def score(self, world):
        return -self.local_ratio * self.collisions(world) - (1 - self.local_ratio) * self.distance(world)


class Reference(Particles):
    """Each tells the other where to go: see `reference`."""

    spec: Spec
    local_ratio: float = eqx.field(static=True)

    STRENGTH = 5.0

    @property
    def words(self):
        return WORDS

    def start(self, key):
        return plane.scatter(key, 2, LANDMARKS, wanted=2, speakers=2)

    def move(self, world, action, key):
        moved = plane.slide(world, self.STRENGTH * plane.push(action % PUSHES))
        return replace(moved, message=action // PUSHES)

    def observe(self, world):
        color = jnp.where(plane.chosen(world.goal[::-1], LANDMARKS), 0.75, 0.25)  # the partner's goal
        heard = plane.chosen(world.message[::-1], WORDS).astype(jnp.float32)
        return jnp.concatenate([world.velocity, plane.toward(world.landmark, world.position), color, heard], 1)

    def score(self, world):
        distance = plane.length(world.position - plane.goals(world))
        # An agent's own share is for bringing its partner to the partner's goal.
        return -self.local_ratio * distance[::-1] - (1 - self.local_ratio) * jnp.mean(distance)

    def shapes(self, world):
        ways = [plane.way(world, agent, agent) for agent in range(2)]
        marks = [plane.mark(place, 0.05, svg.color(index + 2)) for index, place in enumerate(world.landmark)]
        agents = [plane.body(world, agent, 0.075) for agent in range(2)]
        return ways + marks + agents + [plane.bubble(world, agent, agent) for agent in range(2)]


class SpeakerListener(Particles):
    """One knows the goal and cannot move, the other moves: see `speaker_listener`."""

    spec: Spec

    STRENGTH = 5.0

    @property
    def words(self):
        return LANDMARKS

    def start(self, key):
        return plane.scatter(key, 2, LANDMARKS, wanted=1, speakers=1)

    def move(self, world, action, key):
        strength = jnp.array([[0.0], [self.STRENGTH]])  # the speaker stands still
        moved = plane.slide(world, strength * plane.push(action))
        return replace(moved, message=action[:1])

    def observe(self, world):
        color = jnp.where(plane.chosen(world.goal, LANDMARKS), 0.65, 0.15)
        speaker = jnp.concatenate([color, jnp.zeros((1, self.spec.observation - LANDMARKS))], 1)
        heard = plane.chosen(world.message, LANDMARKS).astype(jnp.float32)
        listener = [world.velocity[1:], plane.toward(world.landmark, world.position[1:]), heard]
        return jnp.concatenate([speaker, jnp.concatenate(listener, 1)])

    def score(self, world):
        difference = world.position[1:] - plane.goals(world)
        return jnp.tile(-jnp.square(difference[:, 0]) - jnp.square(difference[:, 1]), 2)

    def shapes(self, world):
        marks = [plane.mark(place, 0.05, svg.color(index + 2)) for index, place in enumerate(world.landmark)]
        agents = [plane.body(world, agent, 0.075) for agent in range(2)]
        return [plane.way(world, 1, 0), *marks, *agents, plane.bubble(world, 0, 0)]


class Tag(Particles):
    """Slow chasers against fast runners: see `tag`."""

    spec: Spec
    chasers: int = eqx.field(static=True)
    obstacles: int = eqx.field(static=True)

    CHASER = (0.075, 3.0, 1.0)  # radius, strength, top speed
    RUNNER = (0.05, 4.0, 1.3)
    OBSTACLE = 0.2

    @property
    def kinds(self) -> Float[np.ndarray, "3 agent"]:
        """Radius, strength and top speed of each agent; chasers come first."""
        rows = [self.CHASER] * self.chasers + [self.RUNNER] * (self.spec.agents - self.chasers)
        return np.array(rows, np.float32).T

    def start(self, key):
        return plane.scatter(key, self.spec.agents, self.obstacles)

    def move(self, world, action, key):
        radius, strength, top = self.kinds
        force = strength[:, None] * plane.push(action) + plane.contacts(world.position, radius)
        reach = radius + np.float32(self.OBSTACLE)
        for obstacle in range(self.obstacles):
            force = force + plane.repulsion(world.position - world.landmark[obstacle], reach)
        moved = plane.slide(world, force)
        return replace(moved, velocity=plane.limited(moved.velocity, top))

    def observe(self, world):
        place, fast = world.position, world.velocity[self.chasers :]
        runners = self.spec.agents - self.chasers
        # Everybody sees the velocities of the other runners; a runner has one other fewer, so its row ends in zeros.
        chased = jnp.broadcast_to(fast.ravel(), (self.chasers, 2 * runners))
        fellow = jnp.concatenate([plane.others(fast).reshape(runners, -1), jnp.zeros((runners, 2))], 1)
        sight = (plane.toward(world.landmark, place), plane.toward(plane.others(place), place))
        return jnp.concatenate([world.velocity, place, *sight, jnp.concatenate([chased, fellow])], 1)

    def score(self, world):
        runner, caught = world.position[self.chasers :], 0.0
        reach = np.float32(self.CHASER[0]) + np.float32(self.RUNNER[0])
        for chaser in range(self.chasers):
            caught = caught + (plane.length(world.position[chaser] - runner) < reach)
        outside = jnp.abs(runner)
        fine = jnp.where(outside < 1.0, (outside - 0.9) * 10, jnp.minimum(jnp.exp(2 * outside - 2), 10.0))
        fine = jnp.where(outside < 0.9, 0.0, fine)
        catch = jnp.broadcast_to(10 * jnp.sum(caught), (self.chasers,))
        return jnp.concatenate([catch, -10 * caught - fine[:, 0] - fine[:, 1]])

    def shapes(self, world):
        stones = [plane.mark(place, self.OBSTACLE, "#B0BEC5") for place in world.landmark]
        halos = ["#FFFFFF"] * self.chasers + [svg.INK] * (self.spec.agents - self.chasers)
        looks = enumerate(zip(self.kinds[0].tolist(), halos, strict=True))
        return stones + [plane.body(world, agent, radius, halo) for agent, (radius, halo) in looks]


def spread(
    agents: int = 3, landmarks: int | None = None, horizon: int = 25, local_ratio: float = 0.5, noise: float = 0.0
) -> Spread:
    """Cover the landmarks (as many as agents unless given) without touching each other.

    reward_i = −(1 − local_ratio) Σ_m min_j |x_j − landmark_m| − local_ratio · #{j touching i}

    An agent sees its velocity, its place, the landmarks and the other agents relative to itself, and zeros where
    others could speak. `noise` is the standard deviation of a random force, in units of force (a push is 5).

        >>> spread(agents=5).spec.observation
        30
    """
    landmarks = agents if landmarks is None else landmarks
    _require(agents >= 1 and landmarks >= 1 and horizon >= 1, "spread needs at least one agent, landmark and step")
    _require(0 <= local_ratio <= 1, f"local_ratio is a share: pass a number from 0 to 1, not {local_ratio}")
    _require(noise >= 0, f"noise is a standard deviation: pass a number from 0 up, not {noise}")
    return Spread(covering_spec(agents, landmarks, horizon), landmarks, local_ratio, noise)


def covering_spec(agents: int, landmarks: int, horizon: int, objectives: int = 0) -> Spec:
    """What a `Covering` game looks like from outside: all agents and landmarks are seen by each, and by all together."""
    facts = 4 * agents + 2 * landmarks
    return Spec(agents, facts, Discrete(PUSHES), horizon, shared=facts, objectives=objectives)


def reference(horizon: int = 25, local_ratio: float = 0.5) -> Reference:
    """Two particles, three landmarks; each knows only where the *other* has to go. Action: push + 5 · word.

    reward_i = −local_ratio |x_j − goal_j| − (1 − local_ratio) mean_k |x_k − goal_k|, j the partner of i

    An agent sees its velocity, the landmarks relative to itself, its partner's goal, and its partner's last word.
    """
    _require(horizon >= 1, "reference needs a horizon of at least one step")
    _require(0 <= local_ratio <= 1, f"local_ratio is a share: pass a number from 0 to 1, not {local_ratio}")
    width = 2 + 2 * LANDMARKS + LANDMARKS + WORDS
    facts = 8 + 2 * LANDMARKS + 2 * LANDMARKS + 2 * WORDS
    return Reference(Spec(2, width, Discrete(PUSHES * WORDS), horizon, shared=facts), local_ratio)


def speaker_listener(horizon: int = 25) -> SpeakerListener:
    """A speaker sees the goal and says one of three words; a listener hears it and has to go there.

    reward = −|x_listener − goal|² for both. The speaker has three actions and three features, padded to the
    listener's five and eleven.
    """
    _require(horizon >= 1, "speaker-listener needs a horizon of at least one step")
    listener = 2 + 2 * LANDMARKS + LANDMARKS
    return SpeakerListener(
        Spec(
            agents=2,
            observation=listener,
            action=Discrete(PUSHES),
            horizon=horizon,
            shared=8 + 2 * LANDMARKS + LANDMARKS + LANDMARKS,
            observation_sizes=(LANDMARKS, listener),
            action_sizes=(LANDMARKS, PUSHES),
            names=("speaker", "listener"),
        )
    )


def tag(chasers: int = 3, runners: int = 1, obstacles: int = 2, horizon: int = 25) -> Tag:
    """Chasers earn 10 together for every touch of a runner; the runner touched loses 10 and may not leave the field.

    fine(x) per axis = 0 below |x| = 0.9, then 10 (|x| − 0.9) up to 1, then min(exp(2|x| − 2), 10)

    Everybody sees its velocity, its place, obstacles and agents relative to itself, and the velocities of the other
    runners. Chasers have radius 0.075, strength 3 and top speed 1, runners 0.05, 4 and 1.3, obstacles radius 0.2.
    """
    enough = chasers >= 1 and runners >= 1 and obstacles >= 0 and horizon >= 1
    _require(enough, "tag needs at least one chaser, one runner and one step, and no fewer than 0 obstacles")
    agents = chasers + runners
    width = 4 + 2 * obstacles + 2 * (agents - 1) + 2 * runners
    spec = Spec(
        agents=agents,
        observation=width,
        action=Discrete(PUSHES),
        horizon=horizon,
        shared=4 * agents + 2 * obstacles,
        observation_sizes=(width,) * chasers + (width - 2,) * runners,
        names=(*(f"chaser_{index}" for index in range(chasers)), *(f"runner_{index}" for index in range(runners))),
    )
    return Tag(spec, chasers, obstacles)


def _require(fine: bool, message: str) -> None:
    if not fine:
        raise InputError(message)
