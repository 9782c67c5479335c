"""The empirical game: what every combination of the players' policies pays, exactly, on the tree of a game.

A *plan* is a policy in sequence form (the player's own probability of every sequence of its moves), so that what a
combination pays is linear in each plan, and a mixture of policies is the mixture of their plans. The payoff tensor that PSRO
plans on and the exploitability of its mixtures are instances. Games without a tree are played instead: `measure.crossplay`.
"""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from interplay.games.tree import Tree
from interplay.play import walk

Plan = Float[Array, "row action"]
Plans = Float[Array, "policy row action"]


@eqx.filter_jit
def against(
    tree: Tree, plans: Sequence[Float[Array, "_ _ action"]], plan: Plan, own: int
) -> Float[Array, "player ..."]:
    """What every player gets where player `own` follows `plan` and the others each of their `plans`.

    [player, policy of player 0, …] with an axis of length one for `own`; rows of padding give padding.
    """
    lists = [plan[None] if player == own else each for player, each in enumerate(plans)]
    paid = lambda *chosen: walk.outcome(tree, chosen)
    for player in reversed(range(len(lists))):
        paid = jax.vmap(paid, [0 if other == player else None for other in range(len(lists))])
    return jnp.moveaxis(paid(*lists), -1, 0)


def mixed(plans: Plans, mixture: Float[Array, "policy"]) -> Plan:
    """The plan of a player that draws one of its policies before the game and keeps to it.

    Source: Kuhn, "Extensive games and the problem of information" (1953).
    """
    return jnp.tensordot(mixture, plans, axes=1)


def behavior(tree: Tree, plans: walk.Reaches) -> walk.Strategy:
    """The strategy table of everybody's plan: what is played at each information set, evenly where it is never reached."""
    together = jnp.concatenate(list(plans))
    total = together.sum(-1, keepdims=True)
    return jnp.where(total > 0, together / jnp.where(total > 0, total, 1.0), walk.uniform(tree))


@eqx.filter_jit
def gap(tree: Tree, plans: walk.Reaches) -> tuple[Float[Array, "player"], Float[Array, "player"]]:
    """(what each player gets, what it could gain by a best response) where everybody follows their plan."""
    values = walk.outcome(tree, tuple(plans))
    best = jnp.stack([walk.best(tree, tuple(plans), player)[1] for player in range(tree.players)])
    return values, best - values


def grown(
    payoffs: Float[Array, "player ..."], rows: Float[Array, "player ..."], own: int, place: Int[Array, ""]
) -> Float[Array, "player ..."]:
    """The tensor with `rows` written where player `own` plays policy `place`."""
    start = [jnp.zeros((), jnp.int32)] * payoffs.ndim
    start[own + 1] = place.astype(jnp.int32)
    return jax.lax.dynamic_update_slice(payoffs, rows, start)
