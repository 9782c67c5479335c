"""MAT: a transformer in which agents act one after another, each seeing the actions before it, learned by PPO.

With `order=False` it is MAT-Dec: the same encoder as critic, and actors that see only their own observation. Law: acting
token by token and judging in one pass agree.

Source: Wen et al., "Multi-agent reinforcement learning is a sequence modeling problem" (2022).
"""

import dataclasses

from interplay import games
from interplay.core.method import Method
from interplay.credit import returns
from interplay.methods.wiring import on_policy
from interplay.nets.autoregressive import apart, sequential
from interplay.objectives import gradient, value
from interplay.play import gathering
from interplay.update.gradient import adam, epochs, linear_to_zero


@dataclasses.dataclass(frozen=True)
class Transformer:
    """Settings of transformers over agents that PPO teaches."""

    game: str = "spread"
    """game to play, as in `interplay list games`"""
    steps: int = 1_000_000
    """environment steps to train for; the learning rate falls to zero over them"""
    batch: int = 64
    """games played side by side"""
    length: int = 25
    """steps gathered from each game per update"""
    width: int = 64
    """features of a token"""
    blocks: int = 1
    """blocks of the encoder, and of the decoder"""
    heads: int = 1
    """heads of every attention"""
    rate: float = 7e-4
    """Adam's learning rate at the start"""
    max_norm: float = 0.5
    """gradients are clipped to this global norm"""
    passes: int = 10
    """times each batch is learned from"""
    minibatches: int = 1
    """parts a batch is split into, each one optimizer step"""
    clip: float = 0.05
    """how far the probability ratio may leave 1 before its gradient stops"""
    discount: float = 0.97
    """worth of a reward one step later"""
    trace: float = 0.95
    """lambda of generalized advantage estimation"""
    value_weight: float = 1.0
    """weight of the critic's loss"""
    value_clip: float = 0.2
    """how far the critic may move per batch, on its own scale"""
    entropy_weight: float = 0.01
    """weight of the entropy bonus"""
    scale_decay: float = 0.99
    """memory of the running scale of values; 1: values are not scaled"""


@dataclasses.dataclass(frozen=True)
class Settings(Transformer):
    """MAT's settings; network sizes are the source's."""

    order: bool = True
    """agents act in an order (MAT) or each on its own observation (MAT-Dec)"""


def build(s: Settings) -> Method:
    game, make = games.make(s.game), sequential if s.order else apart
    make_team = lambda key: make(game.spec, key, width=s.width, blocks=s.blocks, heads=s.heads, decay=s.scale_decay)
    return learned_by_ppo(game, make_team, s, gradient.per_agent)


def learned_by_ppo(game, make_team, s: Transformer, ratio: gradient.Ratio) -> Method:
    """PPO as transformers over agents use it: whole joint decisions, Huber's penalty of 10 for the critic."""
    loss = (
        gradient.clipped(s.clip, ratio=ratio)
        + s.value_weight * value.clipped(s.value_clip, value.huber(10.0))
        - s.entropy_weight * gradient.entropy()
    )
    updates = max(1, s.steps // (s.batch * s.length)) * s.passes * s.minibatches
    return on_policy(
        game,
        make_team,
        gather=gathering.steps(game, s.batch, s.length),
        credit=returns.standardized(returns.gae(s.discount, s.trace)),
        learner=epochs(loss, adam(linear_to_zero(s.rate, updates), s.max_norm), s.passes, s.minibatches),
    )
