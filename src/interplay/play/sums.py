"""Sum trees: numbers of which any can be changed, and any drawn in proportion, in as many steps as the tree is deep.

A tree is a heap in an array: node 1 is the root, node k is the sum of 2k and 2k + 1, the leaves are the last half. Many
trees lie side by side, "lane node", and are changed and searched at once. Prioritized replay is the user; the same
structure is behind the alias-free sampling of any weights that change.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

Trees = Float[Array, "lane node"]
Index = Int[Array, "draw"]


def nodes(size: int) -> int:
    """The width of trees with `size` leaves or more.

    >>> nodes(5)
    16
    """
    return 2 << max(0, size - 1).bit_length()


def leaf(trees: Trees, lane: Index, place: Index) -> Float[Array, "draw"]:
    """The numbers at the given leaves."""
    return trees[lane, place + trees.shape[1] // 2]


def put(trees: Trees, lane: Index, place: Index, mass: Float[Array, "draw"], given: Bool[Array, "draw"]) -> Trees:
    """The trees with new numbers at the given leaves; where `given` is False nothing changes.

    Leaves that are named twice must get the same number.

        >>> trees = put(jnp.zeros((1, nodes(2))), *jnp.array([[0, 0], [0, 1]]), jnp.array([3.0, 4.0]), jnp.ones(2, bool))
        >>> trees[0].tolist()
        [0.0, 7.0, 3.0, 4.0]
    """
    lane = jnp.where(given, lane, trees.shape[0])  # out of bounds, where writes are dropped
    node = place + trees.shape[1] // 2
    trees = trees.at[lane, node].set(mass, mode="drop")
    return _summed(trees, lane, node)


def filled(trees: Trees, place: Int[Array, "row"], mass: Array | float, given: Bool[Array, "row"]) -> Trees:
    """`put` of one number at the same leaves of every tree."""
    half = trees.shape[1] // 2
    node = jnp.where(given, place + half, 2 * half)
    trees = trees.at[:, node].set(mass, mode="drop")
    for _ in range(half.bit_length() - 1):
        node = jnp.where(given, node // 2, 2 * half)
        both = trees.at[:, 2 * node].get(mode="clip") + trees.at[:, 2 * node + 1].get(mode="clip")
        trees = trees.at[:, node].set(both, mode="drop")
    return trees


def find(trees: Trees, chance: Float[Array, "draw"]) -> tuple[Index, Index]:
    """(lane, leaf) for numbers in [0, 1): each leaf in proportion to its share of all trees, in the order they lie.

    >>> trees = filled(jnp.zeros((2, nodes(2))), jnp.arange(2), 1.0, jnp.ones(2, bool))
    >>> [part.tolist() for part in find(trees, jnp.array([0.1, 0.3, 0.6, 0.9]))]
    [[0, 0, 1, 1], [0, 1, 0, 1]]
    """
    upto = jnp.cumsum(trees[:, 1])
    target = jnp.minimum(chance * upto[-1], jnp.nextafter(upto[-1], 0.0))
    lane = jnp.minimum(jnp.searchsorted(upto, target, side="right"), trees.shape[0] - 1)
    target = target - jnp.where(lane > 0, upto[lane - 1], 0.0)
    node = jnp.ones_like(lane)
    for _ in range((trees.shape[1] // 2).bit_length() - 1):
        left, right = trees[lane, 2 * node], trees[lane, 2 * node + 1]
        goes = (target >= left) & (right > 0)  # rounding never ends on a leaf of mass 0
        node, target = 2 * node + goes, jnp.where(goes, target - left, target)
    return lane.astype(jnp.int32), (node - trees.shape[1] // 2).astype(jnp.int32)


def _summed(trees: Trees, lane: Index, node: Index) -> Trees:
    """Sums put right on the way from `node` up to the root."""

    def level(_, carry):
        trees, node = carry
        node = node // 2
        both = trees.at[lane, 2 * node].get(mode="clip") + trees.at[lane, 2 * node + 1].get(mode="clip")
        return trees.at[lane, node].set(both, mode="drop"), node

    return jax.lax.fori_loop(0, (trees.shape[1] // 2).bit_length() - 1, level, (trees, node))[0]
