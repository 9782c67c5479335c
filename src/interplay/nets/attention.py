"""Transformer parts for a handful of agents, on many rows at once: tokens are an array "feature token row".

With features first and rows last, dense layers are one flat product (`nets.dense`), and norms, scores and weighted sums run
along contiguous rows instead of crawling through thousands of tiny products; `nets.rows` puts an interface for one row before
it. Two known instances are the encoder and decoder of a multi-agent transformer and the consensus of CMAT.
"""

import math
from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from interplay.nets.dense import Dense, affine

Tokens = Float[Array, "feature token row"]
Token = Float[Array, "feature row"]
AFTER, LAST = math.sqrt(2), 0.01  # gains of layers that an activation follows, and of all others
MASKED = -1e9


def gelu(x: Array) -> Array:
    """x Φ(x) by its tanh form, which is twice as fast on a CPU as the exact one."""
    return jax.nn.gelu(x, approximate=True)


def each(layer: Dense, x: Float[Array, "feature *rest"]) -> Float[Array, "output *rest"]:
    """A dense layer on every token of every row."""
    return affine(x, layer.weight, layer.bias)


class Norm(eqx.Module):
    """Layer normalization over the leading axis: (x − mean) / √(variance + 10⁻⁵) ⊙ gain + shift.

    Source: Ba, Kiros and Hinton, "Layer normalization" (2016).
    """

    gain: Float[Array, "feature"]
    shift: Float[Array, "feature"]

    def __init__(self, size: int):
        self.gain, self.shift = jnp.ones(size), jnp.zeros(size)

    def __call__(self, x: Float[Array, "feature *rest"]) -> Float[Array, "feature *rest"]:
        centered = x - x.mean(0)
        scaled = centered * jax.lax.rsqrt(jnp.square(centered).mean(0) + 1e-5)
        along = lambda vector: vector.reshape(-1, *(1,) * (x.ndim - 1))
        return scaled * along(self.gain) + along(self.shift)


def attend(
    query: Float[Array, "feature query row"],
    key: Tokens,
    value: Tokens,
    allowed: Bool[Array, "#query token #row"],
    heads: int,
) -> Float[Array, "feature query row"]:
    """softmax(qᵀk / √(d / heads)) v for each head, over the tokens that are `allowed`.

    Written as products and sums along rows, and so is its gradient: for so few tokens that is many times faster than a product
    per row, or than what the compiler makes of either.

    Source: Vaswani et al., "Attention is all you need" (2017), section 3.2.
    """
    split = lambda x: x.reshape(heads, -1, *x.shape[1:])
    mixed = _mixed(split(query) / math.sqrt(len(query) // heads), split(key), split(value), allowed)
    return mixed.reshape(-1, *mixed.shape[2:])


@jax.custom_vjp
def _mixed(query, key, value, allowed):
    """softmax(Σ_d q_d k_d) v of arrays "head feature token row"."""
    return _forward(query, key, value, allowed)[0]


def _forward(query, key, value, allowed):
    weights = _apart(jax.nn.softmax(jnp.where(allowed, _products(query, key), MASKED), axis=2))
    return _weighed(weights, value), (query, key, value, weights)


def _backward(kept, slope):
    query, key, value, weights = kept
    to_weights = _products(slope, value)
    to_scores = _apart(weights * (to_weights - (weights * to_weights).sum(2, keepdims=True)))
    turned = lambda table: jnp.swapaxes(table, 1, 2)
    return _weighed(to_scores, key), _weighed(turned(to_scores), query), _weighed(turned(weights), slope), None


_mixed.defvjp(_forward, _backward)
_apart = (
    jax.lax.optimization_barrier
)  # or the compiler works a softmax out again for every feature that is weighed by it


def _products(left, right):
    """Σ_d left[head, d, i, row] · right[head, d, j, row] as "head i j row", one feature after another: it stays in cache."""
    add = lambda d, table: table + left[:, d, :, None] * right[:, d, None]
    empty = jnp.zeros((left.shape[0], left.shape[2], right.shape[2], left.shape[3]), left.dtype)
    return jax.lax.fori_loop(0, left.shape[1], add, empty)


def _weighed(weights, value):
    """Σ_j weights[head, i, j, row] · value[head, d, j, row] as "head d i row"; the few tokens are written out."""
    return sum(weights[:, None, :, j] * value[:, :, j, None] for j in range(value.shape[2]))


class SelfAttention(eqx.Module):
    """Tokens look at one another; query, key and value are one product."""

    inward: Dense
    outward: Dense
    heads: int = eqx.field(static=True)

    def __init__(self, size: int, heads: int, key: PRNGKeyArray):
        first, second = jax.random.split(key)
        self.inward, self.outward, self.heads = (
            Dense(size, 3 * size, LAST, first),
            Dense(size, size, LAST, second),
            heads,
        )

    def __call__(self, x: Tokens, allowed: Bool[Array, "token token #row"]) -> Tokens:
        query, key, value = jnp.split(each(self.inward, x), 3)
        return each(self.outward, attend(query, key, value, allowed, self.heads))

    def step(self, x: Token, memory: Float[Array, "two feature token row"], place: Int[Array, ""], allowed):
        """One more token at `place` of the remembered (keys, values), of which it sees those `allowed`."""
        query, key, value = jnp.split(each(self.inward, x), 3)
        memory = jax.lax.dynamic_update_index_in_dim(memory, jnp.stack([key, value]), place, 2)
        mixed = attend(query[:, None], memory[0], memory[1], allowed, self.heads)
        return each(self.outward, mixed[:, 0]), memory


class CrossAttention(eqx.Module):
    """Tokens look at other tokens; key and value are one product."""

    asking: Dense
    inward: Dense
    outward: Dense
    heads: int = eqx.field(static=True)

    def __init__(self, size: int, heads: int, key: PRNGKeyArray):
        keys = jax.random.split(key, 3)
        self.asking, self.inward = Dense(size, size, LAST, keys[0]), Dense(size, 2 * size, LAST, keys[1])
        self.outward, self.heads = Dense(size, size, LAST, keys[2]), heads

    def told(self, x: Float[Array, "feature *rest"]) -> Sequence[Float[Array, "feature *rest"]]:
        """Keys and values of what is looked at, for as many questions as there will be."""
        return jnp.split(each(self.inward, x), 2)

    def __call__(
        self, x: Float[Array, "feature query row"], told, allowed: Bool[Array, "#query token #row"]
    ) -> Float[Array, "feature query row"]:
        key, value = told
        return each(self.outward, attend(each(self.asking, x), key, value, allowed, self.heads))


class Feed(eqx.Module):
    """Two dense layers of one width with a GELU between them."""

    first: Dense
    second: Dense

    def __init__(self, size: int, key: PRNGKeyArray):
        one, two = jax.random.split(key)
        self.first, self.second = Dense(size, size, AFTER, one), Dense(size, size, LAST, two)

    def __call__(self, x: Float[Array, "feature *rest"]) -> Float[Array, "feature *rest"]:
        return each(self.second, gelu(each(self.first, x)))


class Readout(eqx.Module):
    """(norm) → dense → GELU → norm → dense: every head of these networks."""

    before: Norm | None
    first: Dense
    between: Norm
    second: Dense

    def __init__(self, inputs: int, size: int, outputs: int, key: PRNGKeyArray, *, normed: bool = False):
        one, two = jax.random.split(key)
        self.before = Norm(inputs) if normed else None
        self.first, self.between = Dense(inputs, size, AFTER, one), Norm(size)
        self.second = Dense(size, outputs, LAST, two)

    def __call__(self, x: Float[Array, "input *rest"]) -> Float[Array, "output *rest"]:
        x = x if self.before is None else self.before(x)
        return each(self.second, self.between(gelu(each(self.first, x))))


class Decoding(eqx.Module):
    """What a block of a decoder is made of: attention to what it has written, to what it reads, and a feed-forward layer."""

    norms: tuple[Norm, Norm, Norm]
    attention: SelfAttention
    cross: CrossAttention
    feed: Feed

    def __init__(self, size: int, heads: int, key: PRNGKeyArray):
        keys = jax.random.split(key, 3)
        self.norms = (Norm(size), Norm(size), Norm(size))
        self.attention, self.cross = SelfAttention(size, heads, keys[0]), CrossAttention(size, heads, keys[1])
        self.feed = Feed(size, keys[2])


def seen(active: Bool[Array, "token row"]) -> Bool[Array, "query token row"]:
    """Who may look at whom: everybody at the active ones and at itself."""
    return active[None] | jnp.eye(len(active), dtype=bool)[..., None]
