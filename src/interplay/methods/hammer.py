"""HAMMER: a central agent that sees everything sends each local agent a short message, and learns from their gradients.

Local agents run PPO on their own observation and the message. Law: with the message muted it is independent PPO.

Source: Gupta et al., "HAMMER: Multi-Level Coordination of Reinforcement Learning Agents via Learned Messaging" (2021).
"""

import dataclasses
from typing import Any

import jax

from interplay import games
from interplay.core import population
from interplay.core.method import Method
from interplay.core.names import chosen
from interplay.credit import returns
from interplay.methods.baselines import ippo
from interplay.methods.wiring import on_policy
from interplay.nets import message, views
from interplay.nets.speaker import speaking
from interplay.objectives import gradient, value
from interplay.play import gathering
from interplay.update.gradient import adam, epochs, linear_to_zero


@dataclasses.dataclass(frozen=True)
class Settings(ippo.Settings):
    """HAMMER's settings: those of IPPO, which its local agents run, and how they are spoken to."""

    game: str = "sum-guessing"
    """game to play, as in `interplay list games`"""
    message: int = 1
    """numbers in every agent's message"""
    channel: str = "continuous"
    """how messages travel: continuous, discrete (noisy while learning, bits when running) or published"""
    ablation: str = "none"
    """what is taken away, for controls: none, mute, random, shuffle (between agents, anew at every step; learnable where all
    need the same) or detach"""
    discount: float = 0.95
    """worth of a reward one step later"""


def build(s: Settings) -> Method:
    game = games.make(s.game)
    seats = (population.shared if s.share else population.separate)(game.spec.agents)
    channel = chosen(message.ABLATIONS, "ablation", s.ablation)(chosen(message.CHANNELS, "channel", s.channel)())
    shape: dict[str, Any] = {"width": s.width, "depth": s.depth, "memory": s.memory, "activation": jax.nn.relu}
    make_team = lambda key: speaking(
        game.spec,
        key,
        seats,
        views.local,
        size=s.message,
        channel=channel,
        encoder=s.width,
        decay=s.scale_decay,
        **shape,
    )
    loss = (
        gradient.clipped(s.clip, ratio=gradient.per_agent)
        + s.value_weight * value.clipped(s.clip)
        - s.entropy_weight * gradient.entropy()
    )
    updates = max(1, s.steps // (s.batch * s.length)) * s.passes * s.minibatches
    return on_policy(
        game,
        make_team,
        gather=gathering.steps(game, s.batch, s.length, workers=s.workers, timeout=s.timeout),
        credit=returns.standardized(returns.gae(s.discount, s.trace)),
        learner=epochs(loss, adam(linear_to_zero(s.rate, updates), s.max_norm), s.passes, s.minibatches),
    )
