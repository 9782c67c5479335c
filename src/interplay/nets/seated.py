"""Teams of separate agents: networks from a population, one on every seat.

`Seated` is the team of IPPO, MAPPO, HAPPO and their recurrent forms: each agent's actor sees its own observation; each
agent's critic sees what `view` shows it (`views.local` for independent learners, `views.central` for MAPPO). `Assembly`
puts agents of different architectures into one team.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from interplay.core.errors import InputError
from interplay.core.game import Discrete, Spec, TimeStep
from interplay.core.population import Population, apply, populate
from interplay.core.team import DECENTRALIZED, Context, Decision, Evaluation, Memory, Slot, Team
from interplay.nets import distributions, views
from interplay.nets.recurrent import Network
from interplay.nets.scale import ValueScale


class Actor(eqx.Module):
    """One agent's policy: observation and context in, a distribution over its actions out.

    Real-valued actions are on the game's own scale: the network's 0 is the middle of the box and ±1 are its ends.
    """

    network: Network
    log_std: Float[Array, "dimension"] | None
    scale: tuple[float, float] = eqx.field(static=True, default=(0.0, 1.0))

    def __init__(self, inputs: int, spec: Spec, key: PRNGKeyArray, **shape):
        self.network = Network(inputs, spec.action.width, key, gain=0.01, **shape)
        self.log_std = None if isinstance(spec.action, Discrete) else jnp.full(spec.action.width, -0.5)
        self.scale = (0.0, 1.0) if isinstance(spec.action, Discrete) else distributions.middle_and_reach(spec.action)

    def __call__(self, memory: Memory, x: Float[Array, "input"], legal: Bool[Array, "action"]):
        memory, output = self.network(memory, x)
        return memory, self.distribution(output, legal)

    def sequence(self, memory: Memory, x: Float[Array, "time input"], legal, started: Bool[Array, "time"]):
        memory, output = self.network.sequence(memory, x, started)
        return memory, jax.vmap(self.distribution)(output, legal)

    def distribution(self, output: Float[Array, "action"], legal: Bool[Array, "action"]):
        """What the network's output means for an agent that may do what is `legal`."""
        if self.log_std is None:
            return distributions.Categorical(output, legal)
        middle, reach = self.scale
        return distributions.Gaussian(middle + reach * output, self.log_std + math.log(reach), legal)


class Seated(Team):
    """A team of agents that act on what each of them sees.

    `slots` are the extra inputs of the actors; whoever wraps this team fills them by passing `context`, a dict of
    `Float[Array, "agent size"]`. The context acted upon is stored in the decision and used again by `evaluate`, unless
    the caller passes one that gradients can flow through.
    """

    actors: Population
    critics: Population
    scale: ValueScale
    spec: Spec
    seats: tuple[int, ...] = eqx.field(static=True)
    critic_seats: tuple[int, ...] = eqx.field(static=True)
    view: Callable[[TimeStep], Float[Array, "agent feature"]] = eqx.field(static=True)
    slots: tuple[Slot, ...] = eqx.field(static=True, default=())
    choose: Callable = eqx.field(static=True, default=distributions.sample)
    needs: str = eqx.field(static=True, default=DECENTRALIZED)

    def begin(self) -> Memory:
        per_agent = lambda leaf: jnp.broadcast_to(leaf, (self.spec.agents, *leaf.shape))
        networks = (self.actors.seat(0).network, self.critics.seat(0))
        return tuple(jax.tree.map(per_agent, network.begin()) for network in networks)

    def act(
        self, memory: Memory, time_step: TimeStep, key: PRNGKeyArray, context: Context | None = None
    ) -> tuple[Memory, Decision]:
        context = self._filled(context)
        inputs = self._inputs(time_step.observation, context)
        act = lambda actor, memory, x, legal: actor(memory, x, legal)
        acting, policy = apply(act, self.actors, self.seats, memory[0], inputs, time_step.legal)
        drawn = distributions.noise(self.spec.action, key, self.spec.agents)
        action = jax.vmap(self.choose)(policy, drawn)
        log_prob = jax.vmap(lambda policy, action: policy.log_prob(action))(policy, action)
        critic = lambda network, memory, x: network(memory, x)
        judging, value = apply(critic, self.critics, self.critic_seats, memory[1], self._seen(time_step, context))
        extra = {"context": context} if context else {}
        return (acting, judging), Decision(action, log_prob, self.scale.denormalize(value[..., 0]), extra)

    def evaluate(
        self, memory: Memory, time_step: TimeStep, decision: Decision, context: Context | None = None
    ) -> tuple[Memory, Evaluation]:
        context = self._stored(decision, context)
        inputs = self._inputs(time_step.observation, context)
        act = lambda actor, memory, x, legal: actor(memory, x, legal)
        acting, policy = apply(act, self.actors, self.seats, memory[0], inputs, time_step.legal)
        critic = lambda network, memory, x: network(memory, x)
        judging, value = apply(critic, self.critics, self.critic_seats, memory[1], self._seen(time_step, context))
        return (acting, judging), self._judge(policy, decision, value)

    def evaluate_sequence(
        self, memory: Memory, time_step: TimeStep, decision: Decision, started, context: Context | None = None
    ) -> tuple[Memory, Evaluation]:
        context = self._stored(decision, context)
        inputs = jax.vmap(self._inputs)(time_step.observation, context)
        by_agent = lambda rows: jnp.swapaxes(rows, 0, 1)
        act = lambda actor, memory, x, legal: actor.sequence(memory, x, legal, started)
        acting, policy = apply(act, self.actors, self.seats, memory[0], by_agent(inputs), by_agent(time_step.legal))
        critic = lambda network, memory, x: network.sequence(memory, x, started)
        seen = by_agent(jax.vmap(self._seen)(time_step, context))
        judging, value = apply(critic, self.critics, self.critic_seats, memory[1], seen)
        policy, value = jax.tree.map(by_agent, (policy, value))
        return (acting, judging), jax.vmap(self._judge)(policy, decision, value)

    def policy(self, memory: Memory, time_step: TimeStep, context: Context | None = None):
        """The distribution of every agent's action, for objectives that compare whole policies."""
        inputs = self._inputs(time_step.observation, self._filled(context))
        act = lambda actor, memory, x, legal: actor(memory, x, legal)[1]
        return apply(act, self.actors, self.seats, memory[0], inputs, time_step.legal)

    def greedy(self) -> "Seated":
        return dataclasses.replace(self, choose=distributions.mode)

    def normalize(self, value: Float[Array, "*rows agent"]) -> Float[Array, "*rows agent"]:
        return self.scale.normalize(value)

    def rescaled(self, target: Float[Array, "*rows agent"], weight: Float[Array, "*rows agent"]) -> "Seated":
        return dataclasses.replace(self, scale=self.scale.update(target, weight))

    def _judge(self, policy, decision: Decision, value) -> Evaluation:
        log_prob = jax.vmap(lambda policy, action: policy.log_prob(action))(policy, decision.action)
        entropy = jax.vmap(lambda policy: policy.entropy())(policy)
        return Evaluation(log_prob, entropy, self.scale.denormalize(value[..., 0]))

    def _filled(self, context: Context | None) -> Context:
        context = context or {}
        expected, given = {slot.name: slot.size for slot in self.slots}, set(context)
        if set(expected) != given:
            raise InputError(f"team has slots {sorted(expected)}, context fills {sorted(given)}: fill each slot once")
        for name, size in expected.items():
            if context[name].shape[-2:] != (self.spec.agents, size):
                raise InputError(f"slot '{name}' expects shape ({self.spec.agents}, {size}), got {context[name].shape}")
        return context

    def _stored(self, decision: Decision, context: Context | None) -> Context:
        return self._filled(decision.extra.get("context") if context is None else context)

    def _seen(self, time_step: TimeStep, context: Context):
        """What the critics see: their view, and the context that is judged."""
        shown = (jax.lax.stop_gradient(context[slot.name]) for slot in self.slots if slot.judged)
        return jnp.concatenate([self.view(time_step), *shown], axis=-1)

    def _inputs(self, observation, context: Context):
        passed = (context[s.name] if s.gradient else jax.lax.stop_gradient(context[s.name]) for s in self.slots)
        return jnp.concatenate([observation, *passed], axis=-1) if self.slots else observation


def seated(
    spec: Spec,
    key: PRNGKeyArray,
    seats: tuple[int, ...],
    view: Callable,
    *,
    critic_seats: tuple[int, ...] | None = None,
    slots: Sequence[Slot] = (),
    decay: float = 1.0,
    **shape,
) -> Seated:
    """A `Seated` team with fresh networks, as many members as `seats` names.

    `shape` goes to `Network` (width, depth, memory, activation); `decay` to `ValueScale` (1: values are not scaled).

        >>> from interplay.core.population import shared
        >>> team = seated(game.spec, jax.random.key(0), shared(3), views.local, width=64)  # doctest: +SKIP
    """
    critic_seats = seats if critic_seats is None else critic_seats
    for name, given in (("seats", seats), ("critic_seats", critic_seats)):
        if len(given) != spec.agents:
            raise InputError(
                f"{name} has length {len(given)}, game has {spec.agents} agents: pass seats of length {spec.agents}"
            )
    inputs = spec.observation + sum(slot.size for slot in slots)
    first, second = jax.random.split(key)
    actors = populate(lambda key: Actor(inputs, spec, key, **shape), max(seats) + 1, first)
    seen = views.width(view, spec) + sum(slot.size for slot in slots if slot.judged)
    critics = populate(lambda key: Network(seen, 1, key, **shape), max(critic_seats) + 1, second)
    return Seated(
        actors=actors,
        critics=critics,
        scale=ValueScale(decay),
        spec=spec,
        seats=tuple(seats),
        critic_seats=tuple(critic_seats),
        view=view,
        slots=tuple(slots),
    )
