"""Random order without a sort, and random numbers without a pass of their own.

`jax.random.permutation` sorts random bits, which takes longer than a whole epoch of a small network on a CPU. A keyed
bijection needs no sort: a Feistel network over the next even power of two, walked until it lands inside the range. Few
items are ranked by random numbers instead, because on so small a domain a Feistel network favors some orders.

`jax.random.uniform` works through memory some twenty times on a CPU; `uniform` here is a hash that the compiler fuses into
whatever uses the numbers, for loops in which drawing them is most of the work.
"""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

FEW = 64  # up to here the network's orders of three items are measurably not uniform, and all pairs are few
ROUNDS = 8  # with fewer than four rounds the order is visibly not uniform; eight costs nothing


def _mix(word, key):
    word = (word ^ key) * jnp.uint32(0x9E3779B1)
    word = (word ^ (word >> 15)) * jnp.uint32(0x85EBCA6B)
    word = (word ^ (word >> 13)) * jnp.uint32(0xC2B2AE35)
    return word ^ (word >> 16)


def permutation(key: PRNGKeyArray, size: int) -> Int[Array, "size"]:
    """A random order of 0 … size − 1.

    Up to `FEW` items take their ranks among random numbers. Beyond, one Feistel round maps (left, right) →
    (right, left ⊕ F(right, key)); any F makes a bijection on 2b-bit words. Words outside [0, size) are mapped again
    until they fall inside (cycle walking), which keeps it a bijection.

        >>> sorted(permutation(jax.random.key(0), 5).tolist())
        [0, 1, 2, 3, 4]

    Source: Black and Rogaway, "Ciphers with arbitrary finite domains" (2002).
    """
    if size <= FEW:
        return _ranks(jax.random.bits(key, (size,), jnp.uint32))
    half = ((size - 1).bit_length() + 1) // 2
    mask = jnp.uint32((1 << half) - 1)
    keys = jax.random.bits(key, (ROUNDS,), jnp.uint32)

    def shuffle(word):
        swap = lambda halves, key: ((halves[1], halves[0] ^ (_mix(halves[1], key) & mask)), None)
        (left, right), _ = jax.lax.scan(swap, (word >> half, word & mask), keys)
        return (left << half) | right

    words = shuffle(jnp.arange(size, dtype=jnp.uint32))
    if size < 1 << (2 * half):
        outside = lambda words: jnp.any(words >= size)
        words = jax.lax.while_loop(outside, lambda words: jnp.where(words >= size, shuffle(words), words), words)
    return words.astype(jnp.int32)


def _ranks(numbers):
    """How many of `numbers` come before each: smaller ones, and equal ones further left."""
    left = jnp.tri(numbers.shape[0], k=-1, dtype=bool)
    before = (numbers < numbers[:, None]) | ((numbers == numbers[:, None]) & left)
    return before.sum(1).astype(jnp.int32)


def uniform(key: PRNGKeyArray, shape: tuple[int, ...]) -> Float[Array, "..."]:
    """Uniform numbers in [0, 1): the 24 highest bits of a hash of their positions under two words drawn from `key`.

    u_i = h(h(i + k₀) + k₁) / 2³², h three rounds of shift and multiply. Not for cryptography.

        >>> bool((uniform(jax.random.key(0), (3,)) < 1).all())
        True

    Source: Wellons, "Prospecting for hash functions" (2018), triple32, for h.
    """
    first, second = jax.random.bits(key, (2,), jnp.uint32)
    count = jnp.arange(math.prod(shape), dtype=jnp.uint32).reshape(shape)
    return (_hash(_hash(count + first) + second) >> 8).astype(jnp.float32) * jnp.float32(2**-24)


def _hash(word):
    for shift, factor in ((17, 0xED5AD4BB), (11, 0xAC4C1B51), (15, 0x31848BAB)):
        word = (word ^ (word >> shift)) * jnp.uint32(factor)
    return word ^ (word >> 14)
