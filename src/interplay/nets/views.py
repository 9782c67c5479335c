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
    own, everything = time_step.observation, state(time_step)
    return jnp.concatenate([own, jnp.broadcast_to(everything, (own.shape[0], everything.shape[-1]))], axis=-1)


def named(time_step: TimeStep) -> Float[Array, "agent feature"]:
    """Each network sees its agent's observation and, as a one-hot, which agent it is: what tells apart those who share."""
    own = time_step.observation
    return jnp.concatenate([own, jnp.eye(own.shape[0], dtype=own.dtype)], axis=-1)


def state(time_step: TimeStep) -> Float[Array, "state"]:
    """What a center knows: the game's shared state, or all observations in a row where there is none."""
    return time_step.shared if time_step.shared.shape[-1] else time_step.observation.reshape(-1)


def width(view, spec: Spec) -> int:
    """How many features `view` shows (each critic, or a center), found without computing anything."""
    blank = TimeStep(
        observation=jnp.zeros((spec.agents, spec.observation)),
        legal=jnp.ones((spec.agents, spec.action.width), bool),
        active=jnp.ones(spec.agents, bool),
        shared=jnp.zeros(spec.shared),
        **opening(spec),
    )
    return jax.eval_shape(view, blank).shape[-1]
