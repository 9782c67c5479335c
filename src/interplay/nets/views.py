"""What a critic may see: functions from a time step to one row of features per agent.

A row is an array, or a pair of an array and of what is the `Same` for all agents, which a network looks at once.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from interplay.core.game import Spec, TimeStep, opening
from interplay.core.population import Same

Seen = Float[Array, "agent feature"] | tuple[Float[Array, "agent feature"], Same]


def local(time_step: TimeStep) -> Seen:
    """Each critic sees its agent's observation only (independent learners)."""
    return time_step.observation


def central(time_step: TimeStep) -> Seen:
    """Each critic sees its agent's observation and the game's shared state; all observations where there is no state.

    Source: Yu et al., "The Surprising Effectiveness of PPO in Cooperative Multi-Agent Games" (2022), agent-specific
    global state.
    """
    own = time_step.observation
    state = time_step.shared if time_step.shared.shape[-1] else own.reshape(-1)
    return own, Same(state)


def width(view, spec: Spec) -> int:
    """How many features `view` shows each critic, found without computing anything."""
    blank = TimeStep(
        observation=jnp.zeros((spec.agents, spec.observation)),
        legal=jnp.ones((spec.agents, spec.action.width), bool),
        active=jnp.ones(spec.agents, bool),
        shared=jnp.zeros(spec.shared),
        **opening(spec),
    )
    return sum(part.shape[-1] for part in jax.tree.leaves(jax.eval_shape(view, blank)))
