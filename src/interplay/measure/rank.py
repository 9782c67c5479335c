"""α-rank: how often evolution visits each combination of policies of an empirical game.

A population for each player stands on one policy; now and then a mutant appears, and takes over if it earns more. The
stationary distribution of that chain ranks combinations of policies in games of any number of players, general sum. Known
instances are the ranking of self-play checkpoints and the meta-solver of that name in PSRO.

Source: Omidshafiei et al., "α-rank: multi-agent evaluation by evolution" (2019).
"""

import itertools

import jax.numpy as jnp
import numpy as np
import scipy.sparse
import scipy.sparse.linalg
from jaxtyping import Float

from interplay.core.errors import InputError

MOST = 20_000  # combinations of policies


def stationary(payoffs: Float[np.ndarray, "..."], perturbation: float = 1e-6) -> Float[np.ndarray, "..."]:
    """The share of time spent at each combination, for infinite ranking intensity: [policy of player 0, …].

    With η = 1 / Σ_p (|S_p| − 1), the chain moves from a combination to one in which a single player plays something else with
    probability η (1 − ε) if that player then earns more, η/2 if as much, η ε if less, ε = `perturbation`. `payoffs` is
    [player, policy of player 0, …]. Raises `InputError` for more than `MOST` combinations.

        >>> stationary(np.array([[[1.0, 1.0], [0.0, 0.0]], [[1.0, 0.0], [1.0, 0.0]]])).round(3).tolist()
        [[1.0, 0.0], [0.0, 0.0]]

    Source: Omidshafiei et al. (2019), section 2.4; Rowland et al., "Multiagent evaluation under incomplete information"
    (2019), section 2 (perturbed chain).
    """
    players, sizes = len(payoffs), payoffs.shape[1:]
    count = int(np.prod(sizes))
    if count > MOST:
        raise InputError(
            f"α-rank over {count:,} combinations of policies: give at most {MOST:,}, or use regret-matching"
        )
    if count == 1:
        return np.ones(sizes)
    eta = 1.0 / sum(size - 1 for size in sizes)
    number = np.arange(count).reshape(sizes)
    rows, columns, chances = [], [], []
    for player in range(players):
        table, names = np.moveaxis(payoffs[player], player, 0), np.moveaxis(number, player, 0)
        for now, then in itertools.permutations(range(sizes[player]), 2):
            better, worse = table[then] > table[now], table[then] < table[now]
            chance = np.where(better, eta * (1 - perturbation), np.where(worse, eta * perturbation, eta / 2))
            rows.append(names[now].ravel())
            columns.append(names[then].ravel())
            chances.append(chance.ravel())
    moves = scipy.sparse.coo_array(
        (np.concatenate(chances), (np.concatenate(rows), np.concatenate(columns))), shape=(count, count)
    ).tocsc()
    return _fixed(moves).reshape(sizes)


def marginals(share: Float[np.ndarray, "..."]) -> list[Float[np.ndarray, "policy"]]:
    """How much of the time each player spends on each of its policies."""
    axes = range(share.ndim)
    return [share.sum(tuple(axis for axis in axes if axis != player)) for player in axes]


def alpha_rank(payoffs, count, call):
    """The meta-solver: each player's marginal of `stationary`; see `update.meta` for the arguments."""
    sizes = [int(size) for size in count]
    living = np.asarray(payoffs)[(slice(None), *(slice(size) for size in sizes))]
    found = np.zeros((len(sizes), payoffs.shape[1]))
    for player, mixture in enumerate(marginals(stationary(living))):
        found[player, : sizes[player]] = mixture
    return jnp.asarray(found)


def _fixed(moves) -> Float[np.ndarray, "combination"]:
    """π with π (moves − diag(leaving)) = 0 and Σ π = 1: the last equation is replaced by the sum."""
    count = moves.shape[0]
    leaving = moves @ np.ones(count)
    balance = (moves.T - scipy.sparse.diags_array(leaving)).tolil()
    balance[count - 1, :] = 1.0
    right = np.zeros(count)
    right[-1] = 1.0
    share = np.maximum(np.asarray(scipy.sparse.linalg.spsolve(balance.tocsc(), right), float), 0.0)
    return share / share.sum()
