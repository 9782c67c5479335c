"""Channels: what becomes of the numbers that one network sends to another.

A channel is a function of what is sent and of standard normal noise; the noise is stored with the decision, so that judging a
decision again sends the very same message. `continuous` (real numbers as they are) and `regularized` (a noisy sigmoid that
learns to be a bit) are known instances. Ablations turn a channel into one that tells nothing, or teaches nothing.
"""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Sent = Float[Array, "agent size"]
Carry = Callable[[Sent, Float[Array, "agent size"]], Sent]


class Channel(eqx.Module):
    """`learning(sent, noise)` carries messages while a team learns, `running(sent, noise)` when it acts for real."""

    learning: Carry = eqx.field(static=True)
    running: Carry = eqx.field(static=True)


def _as_sent(sent, noise):
    return sent


def continuous() -> Channel:
    """Real numbers arrive as they were sent."""
    return Channel(_as_sent, _as_sent)


def regularized(deviation: float = 2.0) -> Channel:
    """m = σ(z + deviation · noise) while learning, 1[z > 0] when running: noise teaches the sender to be sure.

    Source: Foerster et al., "Learning to communicate with deep multi-agent reinforcement learning" (2016), the
    discretize/regularize unit.
    """
    noisy = lambda sent, noise: jax.nn.sigmoid(sent + deviation * noise)
    return Channel(noisy, lambda sent, noise: (sent > 0).astype(sent.dtype))


def published(deviation: float = 2.0) -> Channel:
    """`regularized` with HAMMER's published rule for running, ±1 by the sign of z − ½, which no listener has learned from."""
    return Channel(regularized(deviation).learning, lambda sent, noise: jnp.where(sent > 0.5, 1.0, -1.0))


CHANNELS = {"continuous": continuous, "discrete": regularized, "published": published}


def _after(change: Callable[[Sent, Array], Sent]) -> Callable[[Channel], Channel]:
    def ablation(channel: Channel) -> Channel:
        carry = lambda how: lambda sent, noise: change(how(sent, noise), noise)
        return Channel(carry(channel.learning), carry(channel.running))

    return ablation


intact = _after(lambda message, noise: message)
muted = _after(lambda message, noise: jnp.zeros_like(message))
detached = _after(lambda message, noise: jax.lax.stop_gradient(message))
misdirected = _after(lambda message, noise: message[jnp.argsort(noise[:, 0])])  # a fixed order could be learned
meaningless = _after(lambda message, noise: noise)

ABLATIONS = {
    "none": intact,
    "mute": muted,
    "detach": detached,
    "shuffle": misdirected,
    "random": meaningless,
}
