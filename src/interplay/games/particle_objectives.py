"""Particles with several things to want: cover landmarks, keep apart, save energy, each a reward of its own.

The world and its law of motion are those of `spread` (`interplay.games.particle`); what `spread` adds up with a fixed ratio
is kept apart here, and every push has a price. Standing still costs nothing and covers nothing, so no play is best in all.
Known instances are all three objectives, and two of them, whose front can be drawn.

The task is ours, in the manner of the particle tasks with two objectives of Hu et al., "MO-MIX" (2023).
"""

from collections.abc import Callable

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from interplay.core.errors import InputError
from interplay.core.game import Spec, TimeStep, outcome
from interplay.games import plane
from interplay.games.particle import Covering, covering_spec

Objective = Callable[[Covering, plane.World, Int[Array, "agent"]], Float[Array, "agent"]]


def coverage(game: Covering, world: plane.World, action: Int[Array, "agent"]) -> Float[Array, "agent"]:
    """−Σ_m min_j |x_j − landmark_m|, for every agent."""
    return jnp.full(game.spec.agents, -game.distance(world))


def contact(game: Covering, world: plane.World, action: Int[Array, "agent"]) -> Float[Array, "agent"]:
    """−#{j touching i}."""
    return -game.collisions(world)


def energy(game: Covering, world: plane.World, action: Int[Array, "agent"]) -> Float[Array, "agent"]:
    """−|u_i|², u_i the unit push that was chosen, or nothing."""
    return -jnp.square(plane.push(action)).sum(-1)


OBJECTIVES: dict[str, Objective] = {"coverage": coverage, "contact": contact, "energy": energy}


class SpreadObjectives(Covering):
    """See the file's first paragraph; made by `spread_objectives`. `wanted` are the objectives in their order."""

    spec: Spec
    landmarks: int = eqx.field(static=True)
    noise: float = eqx.field(static=True)
    wanted: tuple[Objective, ...] = eqx.field(static=True)

    def score(self, world: plane.World) -> Float[Array, "agent objective"]:
        """What a world is worth to whom does nothing."""
        return self.paid(world, jnp.zeros(self.spec.agents, jnp.int32))

    def paid(self, world: plane.World, action: Int[Array, "agent"]) -> Float[Array, "agent objective"]:
        """What each agent is paid for `world` that its action led to."""
        return jnp.stack([objective(self, world, action) for objective in self.wanted], -1)

    def step(self, state: plane.World, action: Int[Array, "agent"], key: PRNGKeyArray) -> tuple[plane.World, TimeStep]:
        world = self.move(state, action, key)
        return world, self.look(world, outcome(self.paid(world, action), False, world.time >= self.spec.horizon))


def spread_objectives(
    agents: int = 3, landmarks: int | None = None, horizon: int = 25, *,
    objectives: tuple[str, ...] = tuple(OBJECTIVES), noise: float = 0.0,
) -> SpreadObjectives:  # fmt: skip
    """`spread` with a vector of rewards: `coverage` (all agents alike), `contact` and `energy` (each its own).

    reward_i = (−Σ_m min_j |x_j − landmark_m|, −#{j touching i}, −|u_i|²), those named in `objectives` in that order. Weighed
    by (1 − ρ, ρ, 0) it is `spread` with `local_ratio` ρ. Agents see what they see there. Raises `InputError` for unknown or
    repeated objectives and for numbers out of range.

        >>> spread_objectives(objectives=("coverage", "energy")).spec.objectives
        2
    """
    landmarks = agents if landmarks is None else landmarks
    if agents < 1 or landmarks < 1 or horizon < 1 or noise < 0:
        raise InputError("spread-objectives needs at least one agent, landmark and step, and no negative noise")
    unknown = [name for name in objectives if name not in OBJECTIVES]
    if unknown or not objectives or len(set(objectives)) < len(objectives):
        raise InputError(f"objectives are {list(objectives)}: give some of {', '.join(OBJECTIVES)}, each once")
    spec = covering_spec(agents, landmarks, horizon, len(objectives))
    return SpreadObjectives(spec, landmarks, noise, tuple(OBJECTIVES[name] for name in objectives))
