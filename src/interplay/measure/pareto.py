"""How good a set of compromises is: points in objective space, of which more is better in every objective.

A point is *dominated* by one that is as good in all objectives and better in some; what is left is the front. Two known
measures of a front are its hypervolume and the utility that somebody with a preference gets from it on average. Two
objectives are exact in JAX, for use inside compiled loops; more go to the library moocore.

Source: Zitzler and Thiele, "Multiobjective evolutionary algorithms" (1999); Hayes et al., "A practical guide to
multi-objective reinforcement learning and planning" (2022), section 8.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from interplay.core.errors import InputError
from interplay.core.game import AnyGame, Game
from interplay.core.preferences import checked, simplex
from interplay.play import host, scan

Points = Float[Any, "point objective"]  # numpy or JAX
Kept = Float[np.ndarray, "kept objective"]


def nondominated(points: Points) -> Bool[Array, "point"]:
    """Which points no other dominates; of equal ones the first.

    >>> nondominated(jnp.array([[1.0, 2.0], [2.0, 1.0], [1.0, 1.0], [2.0, 1.0]])).tolist()
    [True, True, False, False]
    """
    points = jnp.asarray(points)
    as_good = (points[:, None] >= points).all(-1)  # [i, j]: i is as good as j everywhere
    equal = as_good & as_good.T
    earlier = jnp.arange(len(points))[:, None] < jnp.arange(len(points))
    return ~(as_good & (~equal | earlier)).any(0)


def front(points: Points) -> Kept:
    """The non-dominated points, in the order of the first objective, then of the second, and so on.

    >>> front(np.array([[2.0, 1.0], [1.0, 2.0], [1.0, 1.0]])).tolist()
    [[1.0, 2.0], [2.0, 1.0]]
    """
    kept = np.asarray(points)[np.asarray(nondominated(points))]
    return kept[np.lexsort(kept.T[::-1])]


def hypervolume(points: Float[Array, "point 2"], reference: Float[Any, "2"]) -> Float[Array, ""]:
    """The area that is dominated by some of the points and dominates the reference: Σ_i (x_i − r_x)(y_i − max_{j<i} y_j)₊
    with points in falling order of x.

    Points below the reference add nothing, nor do dominated ones. Exact, and of fixed shape: it can be compiled.

    >>> float(hypervolume(jnp.array([[1.0, 2.0], [2.0, 1.0]]), jnp.zeros(2)))
    3.0
    """
    above = jnp.maximum(points - jnp.asarray(reference), 0.0)
    x, y = above[jnp.argsort(-above[:, 0])].T
    before = jnp.concatenate([jnp.zeros(1), jax.lax.cummax(y)[:-1]])
    return (x * jnp.maximum(y - before, 0.0)).sum()


def volume(points: Points, reference: Float[Any, "objective"]) -> float:
    """`hypervolume` for any number of objectives, not compiled. Raises `InputError` where the library moocore is missing.

    Source: Fonseca, Paquete and López-Ibáñez, "An improved dimension-sweep algorithm for the hypervolume indicator" (2006).
    """
    points, reference = np.asarray(points, float), np.asarray(reference, float)
    if points.shape[-1] == 2:
        return float(hypervolume(jnp.asarray(points), reference))
    try:
        import moocore
    except ModuleNotFoundError:
        raise InputError(
            "hypervolumes of 3 objectives and more need moocore: pip install 'interplay[pareto]'"
        ) from None
    return float(moocore.hypervolume(np.maximum(points, reference), ref=reference, maximise=True))


def sparsity(points: Points) -> float:
    """1 / (P − 1) Σ_k Σ_j (F^k_(j+1) − F^k_(j))², each objective sorted by itself: 0 for a front of one point.

    Source: Xu et al., "Prediction-guided multi-objective reinforcement learning for continuous robot control" (2020), eq. 4.
    """
    kept = front(points)
    return float(np.square(np.diff(np.sort(kept, axis=0), axis=0)).sum() / max(len(kept) - 1, 1))


def spacing(points: Points) -> float:
    """sqrt(1 / (P − 1) Σ_j (d̄ − d_j)²), d_j the least Manhattan distance of a point to another: 0 where all are as far apart.

    Source: Schott, "Fault tolerant design using single and multicriteria genetic algorithm optimization" (1995).
    """
    kept = front(points)
    if len(kept) < 2:
        return 0.0
    apart = np.abs(kept[:, None] - kept).sum(-1)
    least = np.where(np.eye(len(kept), dtype=bool), np.inf, apart).min(1)
    return float(np.sqrt(np.square(least.mean() - least).sum() / (len(kept) - 1)))


def expected_utility(points: Points, weights: Float[Any, "weight objective"]) -> float:
    """mean_w max_F w · F: what somebody gets on average who may pick the best point for a preference.

    Source: Zintgraf et al., "Quality assessment of MORL algorithms: a utility-based approach" (2015).
    """
    return float((np.asarray(checked(weights)) @ np.asarray(points).T).max(1).mean())


def distance(points: Points, truth: Float[Any, "true objective"]) -> float:
    """IGD: the mean Euclidean distance of a point of the true front to the nearest of `points`; 0 where all are found.

    Source: Coello Coello and Reyes Sierra, "A study of the parallelization of a coevolutionary multi-objective
    evolutionary algorithm" (2004).
    """
    apart = np.asarray(truth)[:, None] - np.asarray(points)
    return float(np.sqrt(np.square(apart).sum(-1)).min(1).mean())


def supported(points: Points, parts: int = 1000) -> Kept:
    """Points of the front that some preference in steps of 1 / `parts` likes best: as far as weighted sums can reach."""
    kept = front(points)
    value = simplex(kept.shape[1], parts) @ kept.T
    return kept[np.unique(value[(value > 0).any(1)].argmax(1))]


def swept(
    team: Any, game: AnyGame, weights: Float[Any, "weight objective"], key: PRNGKeyArray, episodes: int = 1
) -> Float[np.ndarray, "weight objective"]:
    """The mean return vector of `team` under each preference, over `episodes` whole episodes and all agents.

    `team.under(weight)` says how to play for a preference. The same episodes are played for all of them.

        >>> swept(team.greedy(), game, simplex(2, 100), jax.random.key(0))  # doctest: +SKIP
    """
    return np.asarray(returns_under(team, game, jnp.asarray(checked(weights), jnp.float32), key, episodes))


def returns_under(
    team: Any, game: AnyGame, weights: Float[Array, "weight objective"], key: PRNGKeyArray, episodes: int
) -> Float[Array, "weight objective"]:
    """`swept` inside loops, which are compiled unless the game is played in Python."""
    if isinstance(game, Game):
        return _pure(team, game, weights, key, episodes)
    one = lambda weight: host.vector_episodes(team.under(weight), game.again, key, episodes)[0].mean((0, 1))
    return jnp.stack([one(weight) for weight in weights])


@eqx.filter_jit
def _pure(team: Any, game: Game, weights: Float[Array, "weight objective"], key: PRNGKeyArray, episodes: int):
    one = lambda weight: scan.vector_episodes(team.under(weight), game, key, episodes)[0].mean((0, 1))
    return jax.vmap(one)(weights)
