"""MAT: a transformer reads all observations and lets the agents act one after another, each seeing the actions before it.

The encoder values every agent; the decoder turns the sequence of actions into policies: one parallel pass when stored actions
are judged, one token after another with kept keys and values when acting. MAT-Dec has the same encoder as its critic and
lets every agent act on its own observation.

Source: Wen et al., "Multi-agent reinforcement learning is a sequence modeling problem" (2022).
"""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, PRNGKeyArray

from interplay.core.game import Spec, TimeStep
from interplay.core.team import DECENTRALIZED, ORDER, Decision, Evaluation, Memory
from interplay.nets import distributions
from interplay.nets.attention import (
    AFTER,
    Decoding,
    Feed,
    Norm,
    Readout,
    SelfAttention,
    Token,
    Tokens,
    each,
    gelu,
    seen,
)
from interplay.nets.central import Central, Meaning
from interplay.nets.dense import MLP, Dense
from interplay.nets.rows import rows
from interplay.nets.scale import ValueScale


class EncoderBlock(eqx.Module):
    """x = norm(x + attention(x)); x = norm(x + feed(x))."""

    norms: tuple[Norm, Norm]
    attention: SelfAttention
    feed: Feed

    def __init__(self, size: int, heads: int, key: PRNGKeyArray):
        first, second = jax.random.split(key)
        self.norms, self.attention, self.feed = (
            (Norm(size), Norm(size)),
            SelfAttention(size, heads, first),
            Feed(size, second),
        )

    def __call__(self, x: Tokens, allowed: Bool[Array, "token token row"]) -> Tokens:
        x = self.norms[0](x + self.attention(x, allowed))
        return self.norms[1](x + self.feed(x))


class DecoderBlock(Decoding):
    """x = norm(x + attention to earlier actions); x = norm(rep + attention from rep to x); x = norm(x + feed(x))."""

    def __call__(self, x: Tokens, rep: Tokens, allowed: Bool[Array, "token token row"]) -> Tokens:
        x = self.norms[0](x + self.attention(x, allowed))
        x = self.norms[1](rep + self.cross(rep, self.cross.told(x), allowed))
        return self.norms[2](x + self.feed(x))

    def step(self, x: Token, rep: Token, memory, place, allowed):
        """One token at `place`; `memory` holds keys and values of both attentions, [own or cross, key or value, …]."""
        changed, own = self.attention.step(x, memory[0], place, allowed)
        x = self.norms[0](x + changed)
        told = jax.lax.dynamic_update_index_in_dim(memory[1], jnp.stack(self.cross.told(x)), place, 2)
        x = self.norms[1](rep + self.cross(rep[:, None], (told[0], told[1]), allowed)[:, 0])
        return self.norms[2](x + self.feed(x)), jnp.stack([own, told])


class Encoder(eqx.Module):
    """Observations → tokens, and a value for each agent."""

    before: Norm
    embed: Dense
    settle: Norm
    blocks: tuple[EncoderBlock, ...]
    value: Readout

    def __init__(self, inputs: int, size: int, blocks: int, heads: int, key: PRNGKeyArray):
        keys = jax.random.split(key, 2 + blocks)
        self.before, self.embed, self.settle = Norm(inputs), Dense(inputs, size, AFTER, keys[0]), Norm(size)
        self.blocks = tuple(EncoderBlock(size, heads, key) for key in keys[2:])
        self.value = Readout(size, size, 1, keys[1])

    def __call__(self, observation: Tokens, active: Bool[Array, "token row"]):
        """(representations, values) of every row."""
        x = self.settle(gelu(each(self.embed, self.before(observation))))
        for block in self.blocks:
            x = block(x, seen(active))
        return x, self.value(x)[0]


class Sequential(Central):
    """The team of MAT; made by `sequential`."""

    encoder: Encoder
    embed: Dense
    settle: Norm
    blocks: tuple[DecoderBlock, ...]
    head: Readout
    meaning: Meaning
    scale: ValueScale
    spec: Spec
    choose: Callable = eqx.field(static=True, default=distributions.sample)
    needs: str = eqx.field(static=True, default=ORDER)

    def act(self, memory: Memory, time_step: TimeStep, key: PRNGKeyArray) -> tuple[Memory, Decision]:
        drawn = distributions.noise(self.spec.action, key, self.spec.agents)
        action, log_prob, value = _play(self, time_step.observation.T, time_step.active, time_step.legal, drawn)
        return memory, Decision(action, log_prob, self.scale.denormalize(value))

    def evaluate(self, memory: Memory, time_step: TimeStep, decision: Decision) -> tuple[Memory, Evaluation]:
        start = jnp.zeros((1, self.spec.action.width + 1)).at[0, 0].set(1.0)
        shown = jnp.pad(self.meaning.shown(decision.action), ((0, 0), (1, 0)))  # the first feature marks the start
        tokens = jnp.concatenate([start, shown[:-1]])
        output, value = _judge(self, time_step.observation.T, time_step.active, tokens.T)
        policy = jax.vmap(self.meaning)(output.T, time_step.legal)
        return memory, self.judged(policy, decision.action, value)


@rows
def _judge(team: Sequential, observation: Tokens, active: Bool[Array, "token row"], tokens):
    """(output of everybody's head given the actions before, values) of every row, in one pass."""
    rep, value = team.encoder(observation, active)
    x = team.settle(gelu(each(team.embed, tokens)))
    for block in team.blocks:
        x = block(x, rep, _order(active))
    return team.head(x), value


@rows
def _play(team: Sequential, observation: Tokens, active: Bool[Array, "token row"], legal, noise):
    """(actions, their log-probabilities, values) of every row, one agent after another."""
    rep, value = team.encoder(observation, active)
    (size, agents, count), width = rep.shape, team.spec.action.width
    start = jnp.zeros((width + 1, count)).at[0].set(1.0)
    last = lambda function: jax.vmap(function, -1, -1)

    def turn(carry, row):
        token, memories = carry
        place, rep, legal, noise, allowed = row
        x, kept = team.settle(gelu(each(team.embed, token))), []
        for block, memory in zip(team.blocks, memories, strict=True):
            x, memory = block.step(x, rep, memory, place, allowed[None])
            kept.append(memory)
        chances = jax.vmap(team.meaning, (-1, -1))(team.head(x), legal)
        action = jax.vmap(team.choose, (0, -1), -1)(chances, noise)
        log_prob = jax.vmap(lambda one, action: one.log_prob(action), (0, -1))(chances, action)
        token = jnp.pad(last(lambda action: team.meaning.shown(action[None])[0])(action), ((1, 0), (0, 0)))
        return (token, kept), (action, log_prob)

    empty = [jnp.zeros((2, 2, size, agents, count)) for _ in team.blocks]
    rows_ = (jnp.arange(agents), jnp.moveaxis(rep, 1, 0), legal, noise, _order(active))
    _, (action, log_prob) = jax.lax.scan(turn, (start, empty), rows_)
    return action, log_prob, value


def _order(active: Bool[Array, "agent row"]) -> Bool[Array, "agent token row"]:
    """An agent sees the tokens up to its own, but of inactive agents' actions nothing."""
    agents = len(active)
    told = jnp.concatenate([jnp.ones_like(active[:1]), active[:-1]])  # token k carries the action of agent k − 1
    return jnp.tri(agents, dtype=bool)[..., None] & (told[None] | jnp.eye(agents, dtype=bool)[..., None])


class Apart(Central):
    """The team of MAT-Dec: the encoder as a critic that sees everything, actors that see their own observation."""

    encoder: Encoder
    tower: MLP
    head: Dense
    meaning: Meaning
    scale: ValueScale
    spec: Spec
    choose: Callable = eqx.field(static=True, default=distributions.sample)
    needs: str = eqx.field(static=True, default=DECENTRALIZED)

    def judge(self, time_step: TimeStep):
        """(everybody's policy on its own observation, values by all observations)."""
        output, value = _apart(self, time_step.observation.T, time_step.active)
        return jax.vmap(self.meaning)(output.T, time_step.legal), value

    def act(self, memory: Memory, time_step: TimeStep, key: PRNGKeyArray) -> tuple[Memory, Decision]:
        policy, value = self.judge(time_step)
        action = jax.vmap(self.choose)(policy, distributions.noise(self.spec.action, key, self.spec.agents))
        log_prob = jax.vmap(lambda policy, action: policy.log_prob(action))(policy, action)
        return memory, Decision(action, log_prob, self.scale.denormalize(value))

    def evaluate(self, memory: Memory, time_step: TimeStep, decision: Decision) -> tuple[Memory, Evaluation]:
        policy, value = self.judge(time_step)
        return memory, self.judged(policy, decision.action, value)


@rows
def _apart(team: Apart, observation: Tokens, active: Bool[Array, "token row"]):
    x = observation
    for layer in team.tower.layers:
        x = gelu(each(layer, x))
    return each(team.head, x), team.encoder(observation, active)[1]


def sequential(spec: Spec, key: PRNGKeyArray, *, width: int, blocks: int, heads: int, decay: float = 1.0) -> Sequential:
    """MAT's team with `blocks` blocks of `width` in encoder and decoder."""
    keys = jax.random.split(key, 3 + blocks)
    return Sequential(
        encoder=Encoder(spec.observation, width, blocks, heads, keys[0]),
        embed=Dense(spec.action.width + 1, width, AFTER, keys[1]),
        settle=Norm(width),
        blocks=tuple(DecoderBlock(width, heads, key) for key in keys[3:]),  # pyright: ignore[reportCallIssue]  # its parent makes it
        head=Readout(width, width, spec.action.width, keys[2]),
        meaning=Meaning(spec),
        scale=ValueScale(decay),
        spec=spec,
    )


def apart(spec: Spec, key: PRNGKeyArray, *, width: int, blocks: int, heads: int, decay: float = 1.0) -> Apart:
    """MAT-Dec's team: the same encoder, and a tower of two layers of `width` for every agent's policy."""
    keys = jax.random.split(key, 3)
    return Apart(
        encoder=Encoder(spec.observation, width, blocks, heads, keys[0]),
        tower=MLP((spec.observation, width, width), keys[1], gelu),
        head=Dense(width, spec.action.width, 0.01, keys[2]),
        meaning=Meaning(spec),
        scale=ValueScale(decay),
        spec=spec,
    )
