"""Attention in products and sums along rows is attention, and its gradient is the gradient."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay.nets import attention
from interplay.nets.attention import CrossAttention, Norm, Readout, SelfAttention

KEY, ROWS = jax.random.key(0), 6


def normal(index, *shape):
    return jax.random.normal(jax.random.fold_in(KEY, index), shape)


def reference(query, key, value, allowed, heads):
    """The textbook, row by row and head by head."""
    size = query.shape[0] // heads
    cut = lambda x: x.reshape(heads, size, *x.shape[1:])
    scores = jnp.einsum("hdir,hdjr->hijr", cut(query), cut(key)) / np.sqrt(size)
    weights = jax.nn.softmax(jnp.where(allowed, scores, -1e9), axis=2)
    mixed = jnp.einsum("hijr,hdjr->hdir", weights, cut(value))
    return mixed.reshape(query.shape)


@pytest.mark.parametrize("heads", [1, 2])
@pytest.mark.parametrize("queries", [1, 3])
def test_values_and_gradients_are_those_of_the_textbook(heads, queries):
    query, key, value = normal(1, 8, queries, ROWS), normal(2, 8, 3, ROWS), normal(3, 8, 3, ROWS)
    allowed = (normal(4, queries, 3, ROWS) > -0.5) | jnp.eye(queries, 3, dtype=bool)[..., None]
    ours = lambda *parts: attention.attend(*parts, allowed, heads)
    theirs = lambda *parts: reference(*parts, allowed, heads)
    np.testing.assert_allclose(ours(query, key, value), theirs(query, key, value), atol=1e-5)
    slope = lambda function: jax.grad(lambda *parts: jnp.sin(function(*parts)).sum(), argnums=(0, 1, 2))
    for one, other in zip(slope(ours)(query, key, value), slope(theirs)(query, key, value), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_what_is_not_allowed_has_no_influence():
    key, value = normal(2, 4, 3, ROWS), normal(3, 4, 3, ROWS)
    allowed = jnp.array([True, True, False])[None, :, None]
    one = attention.attend(normal(1, 4, 1, ROWS), key, value, allowed, 1)
    other = attention.attend(normal(1, 4, 1, ROWS), key.at[:, 2].add(9.0), value.at[:, 2].add(9.0), allowed, 1)
    np.testing.assert_array_equal(one, other)


def test_a_token_at_a_time_with_kept_keys_is_all_at_once_with_a_triangle():
    layer = SelfAttention(8, 2, KEY)
    layer = jax.tree.map(lambda leaf: leaf * 50, layer)
    x = normal(5, 8, 4, ROWS)
    whole = layer(x, jnp.tri(4, dtype=bool)[..., None])
    memory = jnp.zeros((2, 8, 4, ROWS))
    for place in range(4):
        allowed = (jnp.arange(4) <= place)[None, :, None]
        one, memory = layer.step(x[:, place], memory, jnp.asarray(place), allowed)
        np.testing.assert_allclose(one, whole[:, place], atol=1e-4)


def test_a_question_to_other_tokens():
    layer = CrossAttention(8, 1, KEY)
    x, tokens = normal(6, 8, 2, ROWS), normal(7, 8, 3, ROWS)
    out = layer(x, layer.told(tokens), jnp.ones((2, 3, 1), bool))
    assert out.shape == (8, 2, ROWS)
    shuffled = layer(x, layer.told(tokens[:, ::-1]), jnp.ones((2, 3, 1), bool))
    np.testing.assert_allclose(out, shuffled, atol=1e-5)


def test_norms_have_mean_zero_and_deviation_one():
    normed = Norm(16)(normal(8, 16, 3, ROWS) * 5 + 2)
    np.testing.assert_allclose(normed.mean(0), 0.0, atol=1e-5)
    np.testing.assert_allclose(normed.std(0), 1.0, atol=1e-3)


def test_a_readout_is_its_layers_in_turn():
    head = Readout(4, 8, 2, KEY, normed=True)
    x = normal(9, 4, ROWS)
    hidden = head.between(jax.nn.gelu((head.before(x).T @ head.first.weight + head.first.bias).T))
    np.testing.assert_allclose(head(x), (hidden.T @ head.second.weight + head.second.bias).T, atol=1e-5)
