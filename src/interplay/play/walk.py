"""The one walk over a game tree: realization weights forward, counterfactual values backward, in sequence form.

Whatever learns or measures on trees, regret minimizers, best responses, tabular gradients, calls these functions in the
order it likes: all players at once or one after the other. Two known instances are CFR's traversal and the
best-response recursion behind exploitability; they differ by what a decision makes of the values below it. Everything
is pure, differentiable and made for `jit` and `vmap`; numbers have the precision of the strategy (`jax.enable_x64`).

Source: Zinkevich et al., "Regret minimization in games with incomplete information" (2007), equations 5 and 7.
"""

import functools
import operator
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Shaped

from interplay.games.blocks import Blocks, total, zero_ended
from interplay.games.tree import Tree

Strategy = Float[Array, "information action *batch"]  # rows are distributions over legal moves, zeros elsewhere
Own = Float[Array, "row action *batch"]  # one player's rows
Rows = Float[Array, "_ action *batch"]  # the same, in lists of all players, who have different numbers of them
Reaches = Sequence[Rows]
Fold = Callable[[Own, int, int], Float[Array, "row *batch"]]


def uniform(tree: Tree, *batch: int) -> Strategy:
    """Every legal move alike; `batch` are sizes of further axes behind.

    >>> from interplay.games import tree as trees
    >>> uniform(trees.make("openspiel:kuhn_poker"))[0].tolist()
    [0.5, 0.5]
    """
    legal = jnp.asarray(tree.legal)
    even = legal / legal.sum(1, keepdims=True)
    return jnp.broadcast_to(behind(even, jnp.empty((1, 1, *batch))), (*even.shape, *batch))


def rows(
    tree: Tree, table: Shaped[Array, "information action *batch"], player: int
) -> Shaped[Array, "row action *batch"]:
    """One player's rows of a table."""
    return table[tree.first[player] : tree.first[player + 1]]


def flat(own: Own) -> Float[Array, "sequence *batch"]:
    """One player's table with sequences, row · actions + column, on the first axis."""
    return own.reshape(-1, *own.shape[2:])


def behind(index: Array, like: Array) -> Array:
    """`index` with axes of one behind, as many as `like` has more than `index`."""
    return index.reshape(*index.shape, *(1,) * (like.ndim - index.ndim))


def legal_like(tree: Tree, own: Rows, player: int) -> Bool[Array, "row action *ones"]:
    """The player's legal moves, ready to be combined with tables that have axes behind."""
    legal = rows(tree, jnp.asarray(tree.legal), player)
    return behind(legal, own)


def own_reach(tree: Tree, strategy: Strategy, player: int) -> Own:
    """r_p(I, a) = σ(I, a) · r_p(parent(I)): the product of the player's own probabilities up to and with each move."""
    return forward(tree, rows(tree, strategy, player), player)


def forward(tree: Tree, own: Own, player: int) -> Own:
    """`own_reach` from the player's own rows of a strategy."""
    seat, parts = tree.seats[player], []
    for level, (start, stop) in enumerate(zip(seat.levels, seat.levels[1:], strict=False)):
        here = own[start:stop]
        if level:
            before = seat.parent[start:stop] - seat.levels[level - 1] * tree.actions
            here = here * _take(flat(parts[-1]), before)[:, None]
        parts.append(here)
    return jnp.concatenate(parts) if parts else own


def reaches(tree: Tree, strategy: Strategy) -> tuple[Rows, ...]:
    """`own_reach` of every player."""
    return tuple(own_reach(tree, strategy, player) for player in range(tree.players))


def action_values(tree: Tree, reaches: Reaches, strategy: Strategy, player: int) -> tuple[Own, Float[Array, "*batch"]]:
    """v_p(I, a) = Σ_{z below} chance(z) · Π_{q≠p} r_q(z) · p's later reach(z) · u_p(z), and p's value of the game.

    What p itself did to get to I does not enter, what it does later does, by `strategy`; entries without a move are 0.
    The player's own entry in `reaches` is not looked at.
    """
    own = rows(tree, strategy, player)
    return backward(tree, reaches, player, lambda values, start, stop: (own[start:stop] * values).sum(1))


def best(tree: Tree, reaches: Reaches, player: int) -> tuple[Own, Float[Array, "*batch"]]:
    """The player's best pure strategy against the others' reach, first move among equals, and what it is worth."""
    legal = legal_like(tree, reaches[player - 1], player)
    greatest = lambda values, start, stop: jnp.where(legal[start:stop], values, -jnp.inf).max(1)
    values, worth = backward(tree, reaches, player, greatest)
    chosen = jnp.where(legal, values, -jnp.inf).argmax(1)
    return jax.nn.one_hot(chosen, tree.actions, dtype=values.dtype, axis=1), worth


def backward(tree: Tree, reaches: Reaches, player: int, fold: Fold) -> tuple[Own, Float[Array, "*batch"]]:
    """v(I, a) = Σ ends after (I, a) + Σ_{I' next after (I, a)} fold(v(I', ·)), from the deepest level up.

    `fold(values, start, stop)` makes one number of every row start … stop−1 (counted among the player's own).
    """
    seat = tree.seats[player]
    direct, root = _ends(tree, reaches, player)
    below, parts = None, []
    for level in reversed(range(len(seat.levels) - 1)):
        start, stop = seat.levels[level], seat.levels[level + 1]
        sums = direct[seat.cuts[level] : seat.cuts[level + 1]]
        if below is not None:
            sums = sums + _grouped(seat.below[level], below)
        if seat.spread is not None:
            sums = _take(zero_ended([sums]), seat.spread[start:stop])
        parts.append(
            sums.reshape(stop - start, tree.actions, *sums.shape[1:] if seat.spread is None else sums.shape[2:])
        )
        below = fold(parts[-1], start, stop)
    if below is None:
        return jnp.zeros((0, tree.actions, *root.shape), direct.dtype), root
    return jnp.concatenate(parts[::-1]), root + below.sum(0)


def expected(tree: Tree, strategy: Strategy) -> Float[Array, "player *batch"]:
    """u_p = Σ_z chance(z) · Π_q r_q(z) · u_p(z): what the game is worth to every player.

    >>> from interplay.games import tree as trees
    >>> tree = trees.make("openspiel:kuhn_poker")
    >>> [round(float(value), 3) for value in expected(tree, uniform(tree))]
    [0.125, -0.125]
    """
    return outcome(tree, reaches(tree, strategy))


def outcome(tree: Tree, reaches: Reaches) -> Float[Array, "player *batch"]:
    """`expected` from every player's reach, in each of which it is linear."""
    reached = [_last(tree, own, player, jnp.asarray(tree.sequences[player])) for player, own in enumerate(reaches)]
    weight = functools.reduce(operator.mul, reached)
    return jnp.stack([(behind(jnp.asarray(paid), weight).astype(weight.dtype) * weight).sum(0) for paid in tree.worth])


def _ends(tree: Tree, reaches: Reaches, player: int) -> tuple[Float[Array, "place *batch"], Float[Array, "*batch"]]:
    """Σ of ends right after every own sequence, and of those before any own move."""
    seat = tree.seats[player]

    def weighed(at: int) -> Array:
        reached = [_last(tree, reaches[other], other, jnp.asarray(seen[at])) for other, seen in seat.seen.items()]
        weight = functools.reduce(operator.mul, reached)
        return behind(jnp.asarray(seat.weight[at]), weight).astype(weight.dtype) * weight

    tables = seat.ends.tables  # read whole: a gather is a call of its own, lanes are added up in one loop
    sums = [total(list(weighed(at)), table.ndim > 2) for at, table in enumerate(tables)]
    root = weighed(len(sums)).sum(0)
    return _placed(seat.ends, sums or [root[None][:0]]), root


def _last(tree: Tree, own: Own, player: int, sequence) -> Array:
    """The player's reach of its last sequence, 1 where it has not moved."""
    found = _take(flat(own), sequence)
    return jnp.where(behind(sequence < 0, found), 1.0, found) if tree.rooted[player] else found


def _grouped(groups: Blocks, values: Float[Array, "row *batch"]) -> Float[Array, "place *batch"]:
    found = lambda table: (taken := _take(values, table), jnp.where(behind(table < 0, taken), 0.0, taken))[1]
    tables = map(jnp.asarray, groups.tables)
    return _placed(groups, [total(list(found(table)), table.ndim > 2) for table in tables])


def _placed(groups: Blocks, sums: list[Array]) -> Array:
    return sums[0] if groups.place is None else _take(zero_ended(sums), groups.place)


def _take(values: Array, index) -> Array:
    """Entries of the first axis by number; −1 gives any entry, for the caller to mask."""
    return values.at[jnp.maximum(index, 0)].get(mode="promise_in_bounds")
