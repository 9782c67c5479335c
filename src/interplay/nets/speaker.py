"""A central speaker with many listeners: one network sees everything and tells each agent a little.

The speaker does not command: its message is one more input of the listener's own policy, and it learns from nothing but the
gradient of the listeners' losses through that input. Two known instances are HAMMER and, with a discrete channel, DIAL with
a hub.
"""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from interplay.core.errors import InputError
from interplay.core.game import Spec, TimeStep
from interplay.core.population import Population, apply, populate, separate
from interplay.core.team import CENTER, Decision, Evaluation, Memory, Slot, Team
from interplay.nets.dense import MLP, Dense
from interplay.nets.message import Carry, Channel
from interplay.nets.seated import Seated, seated

MESSAGE = "message"


class Speaking(Team):
    """Listeners on their seats and the speaker that they hear; made by `speaking`."""

    listeners: Seated
    encoder: MLP
    decoders: Population
    carry: Carry = eqx.field(static=True)
    channel: Channel = eqx.field(static=True)
    needs: str = eqx.field(static=True, default=CENTER)

    def begin(self) -> Memory:
        return self.listeners.begin()

    def said(self, time_step: TimeStep, noise: Float[Array, "agent size"]) -> dict[str, Array]:
        """The context of the listeners: what each of them hears."""
        features = self.encoder(time_step.observation.reshape(-1))
        speak = lambda decoder, _: decoder(features)
        agents = separate(len(noise))
        return {MESSAGE: self.carry(apply(speak, self.decoders, agents, jnp.zeros(len(noise))), noise)}

    def act(self, memory: Memory, time_step: TimeStep, key: PRNGKeyArray) -> tuple[Memory, Decision]:
        slot = self.listeners.slots[0]
        noise = jax.random.normal(jax.random.fold_in(key, 0), (self.listeners.spec.agents, slot.size))
        memory, decision = self.listeners.act(memory, time_step, key, self.said(time_step, noise))
        return memory, dataclasses.replace(decision, extra={"noise": noise})

    def evaluate(self, memory: Memory, time_step: TimeStep, decision: Decision) -> tuple[Memory, Evaluation]:
        heard = self.said(time_step, decision.extra["noise"])
        return self.listeners.evaluate(memory, time_step, decision, heard)

    def evaluate_sequence(
        self, memory: Memory, time_step: TimeStep, decision: Decision, started: Bool[Array, "time"]
    ) -> tuple[Memory, Evaluation]:
        heard = jax.vmap(self.said)(time_step, decision.extra["noise"])
        return self.listeners.evaluate_sequence(memory, time_step, decision, started, heard)

    def greedy(self) -> "Speaking":
        return dataclasses.replace(self, listeners=self.listeners.greedy(), carry=self.channel.running)

    def normalize(self, value: Float[Array, "*rows agent"]) -> Float[Array, "*rows agent"]:
        return self.listeners.normalize(value)

    def rescaled(self, target: Float[Array, "*rows agent"], weight: Float[Array, "*rows agent"]) -> "Speaking":
        return dataclasses.replace(self, listeners=self.listeners.rescaled(target, weight))


def speaking(
    spec: Spec,
    key: PRNGKeyArray,
    seats: tuple[int, ...],
    view,
    *,
    size: int,
    channel: Channel,
    encoder: int = 64,
    **shape,
) -> Speaking:
    """A team of listeners with messages of `size` numbers from a speaker of two layers of `encoder` units.

    `shape` goes to `seated`. Listeners' critics see the message too, without a gradient. Raises `InputError` for messages
    of no size.

        >>> team = speaking(spec, key, shared(3), views.local, size=4, channel=continuous())  # doctest: +SKIP
    """
    if size < 1:
        raise InputError(f"messages of {size} numbers say nothing: set message to 1 or more, or train ippo")
    first, second, third = jax.random.split(key, 3)
    slots = (Slot(MESSAGE, size, gradient=True, judged=True),)
    activation = shape.get("activation", jnp.tanh)
    return Speaking(
        listeners=seated(spec, first, seats, view, slots=slots, **shape),
        encoder=MLP((spec.agents * spec.observation, encoder, encoder), second, activation),
        decoders=populate(lambda key: Dense(encoder, size, 1.0, key), spec.agents, third),
        carry=channel.learning,
        channel=channel,
    )
