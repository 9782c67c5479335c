"""The wiring of policy-space methods: populations that grow by best responses to mixtures of what there is.

Every step asks a meta-solver for mixtures, finds each player's response to them, adds the responses to the populations and
fills the payoff tensor. Two known instances are double oracle (mixtures by `nash`) and fictitious play (by `uniform`).

Source: Lanctot et al., "A unified game-theoretic approach to multiagent reinforcement learning" (2017), algorithm 1.
"""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from interplay.games.tree import Tree
from interplay.measure import empirical
from interplay.measure.empirical import Plan
from interplay.play import walk
from interplay.play.walk import Rows
from interplay.update.meta import MetaSolver

Oracle = Callable[[Tree, tuple[Rows, ...], int, PRNGKeyArray], Plan]


class League(eqx.Module):
    """Every player's plans with room for more, what combinations of them pay, and how many there are."""

    plans: tuple[Float[Array, "policy _ action"], ...]
    payoffs: Float[Array, "player ..."]
    count: Int[Array, "player"]


def exact(tree: Tree, against: tuple[Rows, ...], player: int, key: PRNGKeyArray) -> Plan:
    """The best response to everybody's plan, evenly among moves that are worth the same."""
    legal = walk.rows(tree, jnp.asarray(tree.legal), player)
    greatest = lambda values, start, stop: jnp.where(legal[start:stop], values, -jnp.inf).max(1)
    values, _ = walk.backward(tree, against, player, greatest)
    most = jnp.where(legal, values, -jnp.inf)
    tied = legal & (most >= most.max(1, keepdims=True) - 1e-12)
    return walk.forward(tree, tied / tied.sum(1, keepdims=True).astype(values.dtype), player)


def started(tree: Tree, most: int) -> League:
    """One policy each, uniform over legal moves, and room for `most`."""
    first = walk.reaches(tree, walk.uniform(tree))
    plans = tuple(jnp.zeros((most, *plan.shape), plan.dtype).at[0].set(plan) for plan in first)
    payoffs = jnp.zeros((tree.players, *(most,) * tree.players))
    payoffs = payoffs.at[(slice(None), *(0,) * tree.players)].set(walk.outcome(tree, first))
    return League(plans, payoffs, jnp.ones(tree.players, jnp.int32))


def enlarged(league: League, most: int) -> League:
    """The same league with room for `most` policies each: small tensors while populations are small are quick."""
    more = most - len(league.plans[0])
    plans = tuple(jnp.pad(plan, ((0, more), (0, 0), (0, 0))) for plan in league.plans)
    return League(plans, jnp.pad(league.payoffs, ((0, 0), *((0, more),) * len(plans))), league.count)


def grown(tree: Tree, league: League, meta: MetaSolver, oracle: Oracle, key: PRNGKeyArray) -> League:
    """The league with every player's response to the mixtures that it trains against."""
    mixtures = meta.train(league.payoffs, league.count, league.count[0])
    against = _mixed(league.plans, mixtures)
    keys = jax.random.split(key, tree.players)
    responses = [oracle(tree, against, player, keys[player]) for player in range(tree.players)]
    plans, payoffs = list(league.plans), league.payoffs
    for player, response in enumerate(responses):
        place = league.count[player]
        plans[player] = plans[player].at[place].set(response)
        rows = empirical.against(tree, tuple(plans), response, player)
        payoffs = empirical.grown(payoffs, rows, player, place)
    return League(tuple(plans), payoffs, league.count + 1)


def answer(league: League, meta: MetaSolver) -> tuple[tuple[Rows, ...], Float[Array, "player policy"]]:
    """Everybody's present answer: the plan of the mixture that `meta` evaluates with, and the mixture."""
    mixtures = meta.evaluate(league.payoffs, league.count, league.count[0])
    return _mixed(league.plans, mixtures), mixtures


@eqx.filter_jit
def _mixed(plans: tuple[Float[Array, "policy _ action"], ...], mixtures) -> tuple[Rows, ...]:
    return tuple(empirical.mixed(each, mixture) for each, mixture in zip(plans, mixtures, strict=True))
