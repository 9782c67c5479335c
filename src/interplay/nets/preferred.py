"""Teams that are told how much each objective counts: one team for all preferences instead of one team for each.

A preference is drawn when an episode begins, kept to its end and stored with every decision, and agents see it beside
their observation. They know a value for each objective (`nets.valued`) and act on w · Q. MO-MIX is such a team with a
mixer for each objective; so is a single conditioned Q network, as for envelope Q learning.

The last weight follows from the others, so agents are shown all but that one: with one objective there is nothing to show.

Source: Hu et al., "MO-MIX" (2023); Yang et al., "A generalized algorithm for multi-objective reinforcement learning and
policy adaptation" (2019) for teams that are conditioned on preferences.
"""

import abc
import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.core import Tracer
from jaxtyping import Array, Float, Int, PRNGKeyArray

from interplay.core.game import Spec, TimeStep
from interplay.core.preferences import checked
from interplay.core.team import DECENTRALIZED, Decision, Memory, Team
from interplay.core.trajectory import Replayed, Transitions
from interplay.nets.valued import Valued

Weight = Float[Array, "objective"]


class Preferences(eqx.Module):
    """Where the preference of an episode comes from."""

    @abc.abstractmethod
    def __call__(self, key: PRNGKeyArray) -> Weight:
        """The preference of one episode."""


class Uniform(Preferences):
    """Every preference is as likely as any other."""

    objectives: int = eqx.field(static=True)

    def __call__(self, key: PRNGKeyArray) -> Weight:
        share = jax.random.exponential(key, (self.objectives,))  # Dirichlet(1), without its loop
        return share / share.sum()


class Fixed(Preferences):
    """Always the same preference."""

    weight: Weight

    def __call__(self, key: PRNGKeyArray) -> Weight:
        return self.weight


class Guided(Preferences):
    """MO-MIX's exploration guide: with chance `share` a preference from a gap in the front found so far, else any.

    `found[j]` is the return vector last seen under `weights[j]`. Of the non-dominated ones, in the order of the first
    objective and scaled to [0, 1], neighbors l and l + 1 are drawn with chance ∝ ‖F_{l+1} − F_l‖, and w uniformly between
    the preferences that led to them. Both ends have one more gap, as wide as the mean one, to the first and the last of
    `weights`: while little is learned of an objective, what is found for it is dominated, and nobody would look for more.
    Where nothing is known yet, or only one point, any preference is drawn. Beyond two objectives the order along the first
    is a coarse one.

    Source: Hu et al. (2023) describe the idea; the rule is a reconstruction.
    """

    weights: Float[Array, "weight objective"]
    found: Float[Array, "weight objective"]
    next: Int[Array, ""]  # the weight to look at next
    share: float = eqx.field(static=True)

    def gaps(self) -> tuple[Float[Array, "gap objective"], Float[Array, "gap objective"], Float[Array, "gap"]]:
        """The preferences on both sides of every gap, and how wide it is; 0 beyond the front's end."""
        order, length, count = _along(self.found)
        span = self.found.max(0) - self.found.min(0)
        scaled = self.found[order] / jnp.where(span > 0, span, 1.0)
        apart = jnp.sqrt(jnp.square(jnp.diff(scaled, axis=0)).sum(-1))
        apart = jnp.where(jnp.arange(count - 1) < length - 1, apart, 0.0)
        end = apart.sum() / jnp.maximum(length - 1, 1)
        along = self.weights[order]
        left = jnp.concatenate([self.weights[:1], along])
        right = jnp.concatenate([along, self.weights[-1:]]).at[length].set(self.weights[-1])
        return left, right, jnp.concatenate([end[None], apart, jnp.zeros(1)]).at[length].set(end)

    def __call__(self, key: PRNGKeyArray) -> Weight:
        any_key, gap_key, place_key, coin_key = jax.random.split(key, 4)
        anything = Uniform(self.weights.shape[-1])(any_key)
        if len(self.weights) < 2:
            return anything
        left, right, gap = self.gaps()
        which = jax.random.categorical(gap_key, jnp.log(gap))
        place = jax.random.uniform(place_key)
        between = (1 - place) * left[which] + place * right[which]
        guided = (jax.random.uniform(coin_key) < self.share) & (gap.sum() > 0)
        return jnp.where(guided, between, anything)

    def seen(self, count: int) -> Int[Array, "look"]:
        """Which `count` weights to look at next, round after round."""
        return (self.next + jnp.arange(count)) % len(self.weights)

    def told(self, which: Int[Array, "look"], returns: Float[Array, "look objective"]) -> "Guided":
        """What came of playing for those weights."""
        following = (self.next + len(which)) % len(self.weights)
        return dataclasses.replace(self, found=self.found.at[which].set(returns), next=following)


def _along(points: Float[Array, "point objective"]):
    """Points in the order of the first objective, those that are dominated last; how many are not; how many there are."""
    as_good = (points[:, None] >= points).all(-1)
    kept = ~(as_good & ~as_good.T).any(0)
    return jnp.argsort(jnp.where(kept, points[:, 0], jnp.inf), stable=True), kept.sum(), len(points)


class Preferring(Team):
    """See the file's first paragraph. Memory: that of `team`, the preference, and whether it is still to be drawn."""

    team: Valued
    preferences: Preferences
    needs: str = eqx.field(static=True, default=DECENTRALIZED)

    def begin(self) -> Memory:
        return self.team.begin(), jnp.zeros(self.team.spec.objectives), jnp.ones((), bool)

    def act(self, memory: Memory, time_step: TimeStep, key: PRNGKeyArray) -> tuple[Memory, Decision]:
        own, weight, fresh = memory
        weight = jnp.where(fresh, self.preferences(jax.random.fold_in(key, 1)), weight)
        own, decision = self.team.act(own, shown(time_step, weight), key)
        together = dataclasses.replace(decision, value=decision.value @ weight, extra={"preference": weight})
        return (own, weight, jnp.zeros((), bool)), together

    def under(self, weight: Any) -> "Preferring":
        """The team as it plays for one preference. Raises `InputError` for weights that do not sum to one."""
        weight = weight if isinstance(weight, Tracer) else jnp.asarray(checked(weight), jnp.float32)
        return dataclasses.replace(self, preferences=Fixed(weight))

    def greedy(self) -> "Preferring":
        return dataclasses.replace(self, team=self.team.greedy())

    @property
    def exploration(self) -> Float[Array, ""]:
        """How curious the team is now."""
        return self.team.exploration

    def after(self, steps: int) -> "Preferring":
        """The team `steps` environment steps later."""
        return dataclasses.replace(self, team=self.team.after(steps))


def spec(spec: Spec) -> Spec:
    """The game as agents who are told a preference see it."""
    more = spec.objectives - 1
    return dataclasses.replace(
        spec,
        observation=spec.observation + more,
        observation_sizes=tuple(size + more for size in spec.observation_sizes),
        shared=spec.shared + more if spec.shared else 0,
    )


def shown(time_step: TimeStep, weight: Float[Array, "*rows objective"]) -> TimeStep:
    """What agents see, and the state if there is one, with all weights but the last at its end; any number of rows."""
    told = weight[..., :-1]
    each = jnp.broadcast_to(told[..., None, :], (*time_step.observation.shape[:-1], told.shape[-1]))
    observation = jnp.concatenate([time_step.observation, each], -1)
    shared = time_step.shared
    if shared.shape[-1]:
        shared = jnp.concatenate([shared, told], -1)
    return dataclasses.replace(time_step, observation=observation, shared=shared)


def utility(time_step: TimeStep, values: Float[Array, "*rows agent action objective"]) -> Float[Array, "..."]:
    """w · Q [*rows agent action], with the preference that `time_step` shows."""
    objectives = values.shape[-1]
    told = time_step.observation[..., 0, time_step.observation.shape[-1] - objectives + 1 :]
    weight = jnp.concatenate([told, 1 - told.sum(-1, keepdims=True)], -1)
    return (values * weight[..., None, None, :]).sum(-1)


def replayed(replayed: Replayed, weight: Float[Array, "time draw objective"]) -> Replayed:
    """Replayed play as agents with the preferences `weight` would have seen it: rewards do not depend on them."""
    play = replayed.transitions
    following = shown(play.arrived, weight)
    return Replayed(Transitions(shown(play.time_step, weight), play.decision, following, play.started), replayed.weight)
