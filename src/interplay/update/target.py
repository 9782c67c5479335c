"""Target networks: a copy of the team that follows it slowly, so that what is learned from stands still.

A `Follow` is a pure function (target, team, update) → target, called after every gradient step. Known instances: `periodic`
(DQN copies every few steps) and `polyak` (DDPG moves a little at every step); with a period of 1 and a rate of 1 they are
the same.
"""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from interplay.core.errors import InputError
from interplay.core.team import Team

Follow = Callable[[Team, Team, Int[Array, ""]], Team]


def periodic(every: int) -> Follow:
    """target ← team after every `every`-th gradient step, counted from 1; in between it stands still.

    Raises `InputError` for a period below 1.

    Source: Mnih et al., "Human-level control through deep reinforcement learning" (2015).
    """
    if every < 1:
        raise InputError(f"a target was to follow every {every} gradient steps: give 1 or more")

    def follow(target: Team, team: Team, update: Int[Array, ""]) -> Team:
        return _blended(target, team, lambda old, new: jnp.where(update % every == 0, new, old))

    return follow


def polyak(rate: float) -> Follow:
    """target ← (1 − rate) · target + rate · team after every gradient step.

    Raises `InputError` for a rate outside (0, 1].

    Source: Lillicrap et al., "Continuous control with deep reinforcement learning" (2016).
    """
    if not 0 < rate <= 1:
        raise InputError(f"a target was to follow at rate {rate}: give a number above 0 and up to 1")
    return lambda target, team, update: _blended(target, team, lambda old, new: (1 - rate) * old + rate * new)


def delayed(every: int, follow: Follow) -> Follow:
    """`follow` after every `every`-th gradient step, counted from 1; in between the target stands still.

    Raises `InputError` for a period below 1.

    Source: Fujimoto et al., "Addressing function approximation error in actor-critic methods" (2018).
    """
    copied = periodic(every)
    return lambda target, team, update: copied(target, follow(target, team, update), update)


def _blended(target: Team, team: Team, blend: Callable[[Array, Array], Array]) -> Team:
    """Parameters blended, everything else the team's own."""
    old, _ = eqx.partition(target, eqx.is_inexact_array)
    new, rest = eqx.partition(team, eqx.is_inexact_array)
    return eqx.combine(jax.tree.map(blend, old, new), rest)
