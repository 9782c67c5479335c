"""CMAT: a transformer reads all observations, agrees with itself on a latent plan step by step, then all agents act at once.

The plan is a short sequence of vectors: the first compresses all agents, each further one is decoded from those before it while
looking at the agents again. Everything treats agents alike, so nobody's place in the list matters. Without steps it is an
encoder with independent heads.

Source: Zhao, Gao and Li, "Bridging MARL to SARL: an order-independent multi-agent transformer via latent consensus" (2026).
"""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from interplay.core.game import Spec, TimeStep
from interplay.core.team import CENTER, Decision, Evaluation, Memory
from interplay.nets import distributions
from interplay.nets.attention import (
    AFTER,
    MASKED,
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
from interplay.nets.dense import Dense
from interplay.nets.rows import rows
from interplay.nets.scale import ValueScale

SUMMARIES = 4  # weighted means of the agents that the compressor makes


class EncoderBlock(eqx.Module):
    """x = norm₂(x); x = norm₁(x + attention(x)); x = x + feed(x): normed before and between, open at the end."""

    before: Norm
    between: Norm
    attention: SelfAttention
    feed: Feed

    def __init__(self, size: int, heads: int, key: PRNGKeyArray):
        first, second = jax.random.split(key)
        self.before, self.between = Norm(size), Norm(size)
        self.attention, self.feed = SelfAttention(size, heads, first), Feed(size, second)

    def __call__(self, x: Tokens, allowed: Bool[Array, "token token row"]) -> Tokens:
        x = self.before(x)
        x = self.between(x + self.attention(x, allowed))
        return x + self.feed(x)


class Compressor(eqx.Module):
    """All agents as one vector: softmax-weighted means of them, whatever their order.

    Source: Lin et al., "A structured self-attentive sentence embedding" (2017).
    """

    first: Dense
    second: Dense
    readout: Readout

    def __init__(self, size: int, key: PRNGKeyArray):
        keys = jax.random.split(key, 3)
        self.first, self.second = Dense(size, size, 1.0, keys[0]), Dense(size, SUMMARIES, 1.0, keys[1])
        self.readout = Readout(SUMMARIES * size, size, size, keys[2], normed=True)

    def __call__(self, x: Tokens, counted: Bool[Array, "token row"]) -> Token:
        scores = each(self.second, jnp.tanh(each(self.first, x)))
        weights = jax.nn.softmax(jnp.where(counted, scores, MASKED), axis=1)
        return self.readout((weights[:, None] * x[None]).sum(2).reshape(-1, x.shape[-1]))


class DecoderBlock(Decoding):
    """h = norm₃(h); h = norm₁(h + attention to the plan so far); h = norm₂(h + attention to the agents); h = h + feed(h)."""

    def step(self, h: Token, memory, told, place, allowed, counted):
        """One more step of the plan at `place`, of which it sees those `allowed` and, of the agents, those `counted`."""
        between, after, before = self.norms
        h = before(h)
        changed, memory = self.attention.step(h, memory, place, allowed)
        h = between(h + changed)
        h = after(h + self.cross(h[:, None], told, counted[None])[:, 0])
        return h + self.feed(h), memory


class LatentDecoder(eqx.Module):
    """The plan: c_0 is the prefix, c_{k+1} = projector(blocks(c_0 … c_k)); the consensus is a gated mean of all K + 1.

    Keys and values of earlier steps are kept, so a step costs one token.
    """

    blocks: tuple[DecoderBlock, ...]
    projector: Readout
    gate: Readout
    rounds: int = eqx.field(static=True)

    def __init__(self, size: int, blocks: int, heads: int, rounds: int, key: PRNGKeyArray):
        keys = jax.random.split(key, blocks + 2)
        self.blocks = tuple(DecoderBlock(size, heads, key) for key in keys[2:])  # pyright: ignore[reportCallIssue]  # its parent makes it
        self.projector = Readout(size, size, size, keys[0], normed=True)
        self.gate = Readout(size, size, 1, keys[1], normed=True)
        self.rounds = rounds

    def __call__(self, prefix: Token, x: Tokens, counted: Bool[Array, "token row"]) -> Token:
        told = [block.cross.told(x) for block in self.blocks]
        places = positions(self.rounds, len(prefix))

        def advance(carry, place):
            h, memories = carry
            allowed = (jnp.arange(self.rounds) <= place)[None, :, None]
            h, kept = h + places[place][:, None], []
            for block, memory, heard in zip(self.blocks, memories, told, strict=True):
                h, memory = block.step(h, memory, heard, place, allowed, counted)
                kept.append(memory)
            h = self.projector(h)
            return (h, kept), h

        empty = [jnp.zeros((2, len(prefix), self.rounds, prefix.shape[-1])) for _ in self.blocks]
        _, plan = jax.lax.scan(advance, (prefix, empty), jnp.arange(self.rounds))
        plan = jnp.moveaxis(jnp.concatenate([prefix[None], plan]), 0, 1)
        return (jax.nn.softmax(self.gate(plan), axis=1) * plan).sum(1)


def positions(count: int, size: int) -> Float[Array, "place feature"]:
    """Sines and cosines of each place at frequencies from 1 down to 10⁻⁴ (Vaswani et al. 2017, section 3.5)."""
    angle = jnp.arange(count)[:, None] * 1e4 ** (-jnp.arange(0, size, 2) / size)
    return jnp.stack([jnp.sin(angle), jnp.cos(angle)], -1).reshape(count, -1)[:, :size]


class Consensus(Central):
    """The team; made by `consensus`."""

    embed: Dense
    blocks: tuple[EncoderBlock, ...]
    settle: Norm
    compress: Compressor
    decode: LatentDecoder | None
    head: Readout
    value: Readout
    meaning: Meaning
    scale: ValueScale
    spec: Spec
    choose: Callable = eqx.field(static=True, default=distributions.sample)
    needs: str = eqx.field(static=True, default=CENTER)

    def judge(self, time_step: TimeStep):
        """(everybody's policy, the team's value on the critic's scale for each, the consensus)."""
        output, value, agreed = _read(self, time_step.observation.T, time_step.active)
        policy = jax.vmap(self.meaning)(output.T, time_step.legal)
        return policy, jnp.broadcast_to(value, time_step.active.shape), agreed

    def act(self, memory: Memory, time_step: TimeStep, key: PRNGKeyArray) -> tuple[Memory, Decision]:
        policy, value, _ = self.judge(time_step)
        drawn = distributions.noise(self.spec.action, key, self.spec.agents)
        action = jax.vmap(self.choose)(policy, drawn)
        log_prob = jax.vmap(lambda policy, action: policy.log_prob(action))(policy, action)
        return memory, Decision(action, log_prob, self.scale.denormalize(value))

    def evaluate(self, memory: Memory, time_step: TimeStep, decision: Decision) -> tuple[Memory, Evaluation]:
        policy, value, _ = self.judge(time_step)
        return memory, self.judged(policy, decision.action, value)


@rows
def _read(team: Consensus, observation: Tokens, active: Bool[Array, "token row"]):
    """(output of everybody's head, value, consensus) of every row."""
    counted = active | ~active.any(0)
    x = gelu(each(team.embed, observation))
    for block in team.blocks:
        x = block(x, seen(active))
    x = team.settle(x)
    prefix = team.compress(x, counted)
    agreed = jnp.zeros_like(prefix) if team.decode is None else team.decode(prefix, x, counted)
    together = jnp.concatenate([x, jnp.broadcast_to(agreed[:, None], x.shape)])
    return team.head(together), team.value(prefix)[0], agreed


def consensus(
    spec: Spec, key: PRNGKeyArray, *, width: int, blocks: int, heads: int, rounds: int, decay: float = 1.0
) -> Consensus:
    """A team with `blocks` blocks of `width` in encoder and decoder and a plan of `rounds` steps (0: no plan)."""
    keys = jax.random.split(key, 6 + blocks)
    return Consensus(
        embed=Dense(spec.observation, width, AFTER, keys[0]),
        blocks=tuple(EncoderBlock(width, heads, key) for key in keys[6:]),
        settle=Norm(width),
        compress=Compressor(width, keys[1]),
        decode=LatentDecoder(width, blocks, heads, rounds, keys[2]) if rounds else None,
        head=Readout(2 * width, width, spec.action.width, keys[3], normed=True),
        value=Readout(width, width, 1, keys[4], normed=True),
        meaning=Meaning(spec),
        scale=ValueScale(decay),
        spec=spec,
    )
