"""What a critic may see: functions from a time step to one row of features per agent."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from interplay.core.game import Spec, TimeStep, opening


def local(time_step: TimeStep) -> Float[Array, "agent feature"]:
    """Each critic sees its agent's observation only (independent learners)."""
    return time_step.observation


def central(time_step: TimeStep) -> Float[Array, "agent feature"]:
    """Each critic sees its agent's observation and the game's shared state; all observations where there is no state.

    Source: Yu et al., "The Surprising Effectiveness of PPO in Cooperative Multi-Agent Games" (2022), agent-specific
    global state.
    """
    own = time_step.observation
    state = time_step.shared if time_step.shared.shape[-1] else own.reshape(-1)
    return jnp.concatenate([own, jnp.broadcast_to(state, (own.shape[0], state.shape[-1]))], axis=-1)


def width(view, spec: Spec) -> int:
    """How many features `view` shows each critic, found without computing anything."""
    blank = TimeStep(
        observation=jnp.zeros((spec.agents, spec.observation)),
        legal=jnp.ones((spec.agents, spec.action.width), bool),
        active=jnp.ones(spec.agents, bool),
        shared=jnp.zeros(spec.shared),
        **opening(spec),
    )
    return jax.eval_shape(view, blank).shape[-1]
