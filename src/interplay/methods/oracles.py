"""Learned oracles for policy-space methods: a network answers a mixture as well as it learns to in so many steps.

`league.exact` knows the best response; `learned` is what one has where a tree's policy must be a function of what players
know. Its plan is as good as its network and budget, so that PSRO's epochs are many and its end is short of the truth.

Source: Lanctot et al., "A unified game-theoretic approach to multiagent reinforcement learning" (2017), section 3.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, PRNGKeyArray

from interplay.core.errors import at_least
from interplay.games.tree import Tree
from interplay.measure.empirical import Plan
from interplay.methods.league import Oracle, exact
from interplay.nets.distributions import ILLEGAL
from interplay.nets.recurrent import Network
from interplay.play import walk
from interplay.play.walk import Own, Rows


def features(tree: Tree) -> Float[np.ndarray, "information feature"]:
    """What players know in every information set, as numbers: the game's own, or one of their own for each set.

    >>> from interplay.games import tree as trees
    >>> features(trees.make("kuhn")).shape
    (12, 12)
    """
    told = [tree.record.game.features(tree.record.state(int(node))) for node in tree.record.sets.node]
    if any(one is None for one in told):
        return np.eye(tree.rows, dtype=np.float32)
    return np.stack([np.ravel(one) for one in told]).astype(np.float32)  # type: ignore[arg-type]


def learned(
    known: Float[Array | np.ndarray, "information feature"], *, steps: int = 200, rate: float = 0.01, width: int = 64
) -> Oracle:
    """The policy π(I) = softmax(network(known[I])) after `steps` of Adam on what it earns against the others' mixture.

    The gradient is that of the exact expected payoff (Sutton et al. 2000, without samples). Every answer starts from a
    fresh network. Raises `InputError` for no steps or no units.

        >>> from interplay.games import tree as trees
        >>> tree = trees.make("kuhn")
        >>> oracle = learned(features(tree), steps=100)
        >>> plan = oracle(tree, walk.reaches(tree, walk.uniform(tree)), 0, jax.random.key(0))
    """
    at_least("a learned oracle", steps=(steps, 1), width=(width, 1))
    optimizer = optax.adam(rate)

    def oracle(tree: Tree, against: tuple[Rows, ...], player: int, key: PRNGKeyArray) -> Plan:
        legal, seen = (walk.rows(tree, jnp.asarray(table), player) for table in (tree.legal, known))
        kind = against[player].dtype

        def plan(network: Network) -> Own:
            logits = jax.vmap(lambda row: network((), row)[1])(seen.astype(kind))
            return walk.forward(tree, jax.nn.softmax(jnp.where(legal, logits, ILLEGAL)), player)

        def loss(network: Network) -> Float[Array, ""]:
            return -walk.outcome(tree, tuple(plan(network) if p == player else own for p, own in enumerate(against)))[
                player
            ]

        fresh = Network(seen.shape[1], tree.actions, key, width=width, gain=0.01)
        fresh = jax.tree.map(lambda leaf: leaf.astype(kind) if eqx.is_inexact_array(leaf) else leaf, fresh)
        weights, rest = eqx.partition(fresh, eqx.is_inexact_array)

        def step(carry, _):
            weights, state = carry
            slope = jax.grad(lambda weights: loss(eqx.combine(weights, rest)))(weights)
            change, state = optimizer.update(slope, state)
            return (eqx.apply_updates(weights, change), state), None

        (weights, _), _ = jax.lax.scan(step, (weights, optimizer.init(weights)), length=steps)
        return plan(eqx.combine(weights, rest))

    return oracle


ORACLES = {"exact": lambda tree: exact, "learned": lambda tree: learned(features(tree))}
