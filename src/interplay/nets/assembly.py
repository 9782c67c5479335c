"""A team put together from parts of different architecture, each playing some of the agents.

A part is any team; it is made for, and shown, a smaller game that holds its own agents only, as narrow as the widest of
them allows. Known instances: a speaker with a small network beside a listener with memory, and hunters that share
parameters against a prey that learns alone. Which part plays whom is static, so that compiled code has no trace of it.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from interplay.core.errors import InputError
from interplay.core.game import Discrete, Spec, TimeStep
from interplay.core.team import NEEDS, Decision, Evaluation, Memory, Team

Agents = tuple[int, ...]


class Assembly(Team):
    """Part k plays the agents `agents[k]`; every agent is played by exactly one part. Made by `assembled`."""

    parts: tuple[Team, ...]
    spec: Spec
    agents: tuple[Agents, ...] = eqx.field(static=True)

    @property
    def needs(self) -> str:  # type: ignore[override]
        return strongest(self.parts)

    def begin(self) -> Memory:
        return tuple(part.begin() for part in self.parts)

    def act(self, memory: Memory, time_step: TimeStep, key: PRNGKeyArray) -> tuple[Memory, Decision]:
        keys = [key] if len(self.parts) == 1 else jax.random.split(key, len(self.parts))
        rows = zip(self.parts, memory, self._shown(time_step, 0), keys, strict=True)
        memory, decisions = zip(*(part.act(own, seen, key) for part, own, seen, key in rows), strict=True)
        return memory, Decision(
            action=self._joined([self._widened(decision.action) for decision in decisions], 0),
            log_prob=self._joined([decision.log_prob for decision in decisions], 0),
            value=self._joined([decision.value for decision in decisions], 0),
            extra=_kept(decisions),
        )

    def evaluate(self, memory: Memory, time_step: TimeStep, decision: Decision) -> tuple[Memory, Evaluation]:
        rows = zip(self.parts, memory, self._shown(time_step, 0), self._decided(decision, 0), strict=True)
        return self._judged([part.evaluate(own, seen, decided) for part, own, seen, decided in rows], 0)

    def evaluate_sequence(
        self, memory: Memory, time_step: TimeStep, decision: Decision, started: Bool[Array, "time"]
    ) -> tuple[Memory, Evaluation]:
        rows = zip(self.parts, memory, self._shown(time_step, 1), self._decided(decision, 1), strict=True)
        judged = [part.evaluate_sequence(own, seen, decided, started) for part, own, seen, decided in rows]
        return self._judged(judged, 1)

    def greedy(self) -> "Assembly":
        return dataclasses.replace(self, parts=tuple(part.greedy() for part in self.parts))

    def normalize(self, value: Float[Array, "*rows agent"]) -> Float[Array, "*rows agent"]:
        own = [part.normalize(pick(value, agents, -1)) for part, agents in zip(self.parts, self.agents, strict=True)]
        return self._joined(own, -1)

    def rescaled(self, target: Float[Array, "*rows agent"], weight: Float[Array, "*rows agent"]) -> "Assembly":
        pairs = zip(self.parts, self.agents, strict=True)
        parts = [part.rescaled(pick(target, agents, -1), pick(weight, agents, -1)) for part, agents in pairs]
        return dataclasses.replace(self, parts=tuple(parts))

    def _shown(self, time_step: TimeStep, axis: int) -> list[TimeStep]:
        return [narrowed(time_step, self.spec, agents, axis) for agents in self.agents]

    def _decided(self, decision: Decision, axis: int) -> list[Decision]:
        """What each part decided, its action as narrow as the part made it."""
        extras = decision.extra.get("parts", ({},) * len(self.parts))
        own = dataclasses.replace(decision, extra={})
        each = []
        for agents, extra in zip(self.agents, extras, strict=True):
            one = jax.tree.map(lambda leaf, agents=agents: pick(leaf, agents, axis), own)
            action = one.action
            if not isinstance(self.spec.action, Discrete):
                action = action[..., : part_spec(self.spec, agents).action.width]
            each.append(dataclasses.replace(one, action=action, extra=extra))
        return each

    def _widened(self, action: Array) -> Array:
        if isinstance(self.spec.action, Discrete):
            return action
        missing = self.spec.action.width - action.shape[-1]
        return jnp.pad(action, [(0, 0)] * (action.ndim - 1) + [(0, missing)])

    def _judged(self, results: Sequence[tuple[Memory, Evaluation]], axis: int) -> tuple[Memory, Evaluation]:
        memory, seen = zip(*results, strict=True)
        return memory, Evaluation(
            log_prob=self._joined([one.log_prob for one in seen], axis),
            entropy=self._joined([one.entropy for one in seen], axis),
            value=self._joined([one.value for one in seen], axis),
            extra=_kept(seen),
        )

    def _joined(self, rows: Sequence[Array], axis: int) -> Array:
        return joined(rows, self.agents, axis)


def assembled(
    spec: Spec, key: PRNGKeyArray, groups: Sequence[tuple[Agents, Callable[[Spec, PRNGKeyArray], Team]]]
) -> Assembly:
    """A team of one part per group `(agents, make)`; `make(spec, key)` makes the part from the spec of its own game.

    Raises `InputError` unless every agent is in exactly one group.

        >>> one = lambda **shape: lambda spec, key: seated(spec, key, (0,), views.local, **shape)  # doctest: +SKIP
        >>> team = assembled(game.spec, key, [((0,), one(width=16)), ((1,), one(memory=32))])  # doctest: +SKIP
    """
    listed = [agent for agents, _ in groups for agent in agents]
    if sorted(listed) != list(range(spec.agents)) or not all(agents for agents, _ in groups):
        given = [tuple(agents) for agents, _ in groups]
        raise InputError(
            f"groups {given} do not share out {spec.agents} agents: name each of 0 to {spec.agents - 1} once"
        )
    keys = [key] if len(groups) == 1 else jax.random.split(key, len(groups))
    parts = [make(part_spec(spec, tuple(agents)), key) for (agents, make), key in zip(groups, keys, strict=True)]
    agents = tuple(tuple(agents) for agents, _ in groups)
    # a property stands for the abstract `needs`, which the checker still takes for an argument
    return Assembly(parts=tuple(parts), spec=spec, agents=agents)  # pyright: ignore[reportCallIssue]


def part_spec(spec: Spec, agents: Agents) -> Spec:
    """The game as `agents` see it: as wide as the widest of them.

    In a game without a shared state theirs is all observations, so that a central critic still sees everybody.
    """
    observation = tuple(spec.observation_sizes[agent] for agent in agents)
    action = tuple(spec.action_sizes[agent] for agent in agents)
    size = {"count": max(action)} if isinstance(spec.action, Discrete) else {"size": max(action)}
    return dataclasses.replace(
        spec,
        agents=len(agents),
        observation=max(observation),
        action=dataclasses.replace(spec.action, **size),
        shared=spec.shared or spec.agents * spec.observation,
        observation_sizes=observation,
        action_sizes=action,
        names=tuple(spec.names[agent] for agent in agents),
    )


def narrowed(time_step: TimeStep, spec: Spec, agents: Agents, axis: int = 0) -> TimeStep:
    """What `agents` see of `time_step`: the counterpart of `part_spec`. `axis` is the place of the agent axis."""
    own, seen = part_spec(spec, agents), time_step.observation
    shared = time_step.shared if spec.shared else seen.reshape(*seen.shape[:axis], -1)
    return dataclasses.replace(
        time_step,
        observation=pick(seen, agents, axis)[..., : own.observation],
        legal=pick(time_step.legal, agents, axis)[..., : own.action.width],
        active=pick(time_step.active, agents, axis),
        reward=pick(time_step.reward, agents, axis),
        shared=shared,
    )


def pick(rows: Array, agents: Agents, axis: int) -> Array:
    """The rows of `agents` along `axis`, by slices: their gradient needs no scatter, which is slow on a CPU."""
    if agents == tuple(range(agents[0], agents[0] + len(agents))):
        return jax.lax.slice_in_dim(rows, agents[0], agents[0] + len(agents), axis=axis)
    return jnp.concatenate([jax.lax.slice_in_dim(rows, agent, agent + 1, axis=axis) for agent in agents], axis)


def joined(rows: Sequence[Array], agents: Sequence[Agents], axis: int) -> Array:
    """The inverse of `pick`: one array with every agent's row in its place."""
    order = [agent for group in agents for agent in group]
    return pick(jnp.concatenate(rows, axis), tuple(order.index(agent) for agent in range(len(order))), axis)


def strongest(teams: Sequence[Team]) -> str:
    """What a group of teams needs at run time: the most that one of them needs."""
    return max((team.needs for team in teams), key=NEEDS.index)


def _kept(records: Sequence[Any]) -> dict[str, Any]:
    extras = tuple(record.extra for record in records)
    return {"parts": extras} if any(extras) else {}
