"""Meta-solvers: mixtures over the policies of an empirical game, given what every combination of policies pays.

A policy-space method (PSRO) keeps a population for each player and asks a meta-solver two things: against which mixtures the
next policies are trained, and which mixtures are the present answer. `nash` (double oracle) and `uniform` (fictitious play)
are known instances; `shor` is one that program search found. All work on tensors padded to the largest population, so that a
growing population compiles nothing anew: rows beyond `count` are no policies and get no weight.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.optimize
from jaxtyping import Array, Bool, Float, Int

from interplay.core.errors import InputError

Payoffs = Float[Array, "player ..."]  # [player, policy of player 0, …, policy of player n − 1]
Mixtures = Float[Array, "player policy"]
Solver = Callable[[Payoffs, Int[Array, "player"], Int[Array, ""]], Mixtures]


class MetaSolver(NamedTuple):
    """`train(payoffs, count, call)` and `evaluate(payoffs, count, call)` give each player's mixture; call is 1, 2, …"""

    train: Solver
    evaluate: Solver


def policies(count: Int[Array, "player"], most: int) -> Bool[Array, "player policy"]:
    """Which rows of padded mixtures are policies."""
    return jnp.arange(most) < count[:, None]


def gains(payoffs: Payoffs, mixtures: Mixtures, player: int) -> Float[Array, "policy"]:
    """What each policy of `player` earns against the others' mixtures: payoffs[player] contracted with all but its own."""
    table = payoffs[player]
    for other in reversed(range(len(mixtures))):
        if other != player:
            table = jnp.tensordot(table, mixtures[other], axes=(other, 0))
    return table


def uniform(payoffs: Payoffs, count: Int[Array, "player"], call: Int[Array, ""]) -> Mixtures:
    """Every policy alike: with it PSRO is fictitious play.

    Source: Brown, "Iterative solution of games by fictitious play" (1951).
    """
    alive = policies(count, payoffs.shape[1])
    return alive / count[:, None].astype(payoffs.dtype)


def nash(payoffs: Payoffs, count: Int[Array, "player"], call: Int[Array, ""]) -> Mixtures:
    """An equilibrium of the empirical game of two players whose payoffs sum to a constant, by linear programs.

    max v subject to Σ_i x_i M_ij ≥ v for all j, Σ x = 1, x ≥ 0. Raises `InputError` for three players or more, and where
    the payoffs are not of constant sum.

    Source: McMahan, Gordon and Blum, "Planning in the presence of cost functions controlled by an adversary" (2003).
    """
    table, sizes = np.asarray(payoffs, float), [int(size) for size in count]
    if len(sizes) != 2:
        raise InputError(
            f"the meta-solver nash needs two players, the game has {len(sizes)}: use regret-matching or shor"
        )
    first, second = (table[player, : sizes[0], : sizes[1]] for player in (0, 1))
    total = first + second
    if np.ptp(total) > 1e-8 * max(1.0, float(np.abs(first).max())):
        raise InputError("the meta-solver nash needs payoffs of constant sum: use regret-matching or shor")
    found = np.zeros((2, table.shape[1]))
    found[0, : sizes[0]], found[1, : sizes[1]] = maximin(first), maximin(second.T)
    return jnp.asarray(found)


def maximin(table: Float[np.ndarray, "own other"]) -> Float[np.ndarray, "own"]:
    """The mixture of rows that earns most in the worst column.

    >>> maximin(np.array([[1.0, -1.0], [-1.0, 1.0]])).round(6).tolist()
    [0.5, 0.5]
    """
    own, other = table.shape
    bound = np.hstack([-table.T, np.ones((other, 1))])  # v − Σ x_i M_ij ≤ 0
    sums = np.append(np.ones(own), 0.0)[None]
    limits = [(0.0, None)] * own + [(None, None)]
    solved = scipy.optimize.linprog(
        np.append(np.zeros(own), -1.0), bound, np.zeros(other), sums, [1.0], limits, method="highs"
    )
    if not solved.success:
        raise InputError(f"no equilibrium was found ({solved.message}): check that all payoffs are finite")
    mixture = np.maximum(solved.x[:own], 0.0)
    return mixture / mixture.sum()


def regret_matching(iterations: int = 100_000) -> Solver:
    """The average of `iterations` rounds of regret matching, regrets starting at 10⁻⁶.

    Source: Hart and Mas-Colell, "A simple adaptive procedure leading to correlated equilibrium" (2000).
    """

    def solve(payoffs, count, call):
        alive = policies(count, payoffs.shape[1])

        def advance(_, carry):
            regrets, total = carry
            mixtures = _matched(regrets, alive)
            for player in range(len(count)):
                gain = gains(payoffs, mixtures, player)
                more = jnp.where(alive[player], gain - gain @ mixtures[player], 0.0)
                regrets = regrets.at[player].add(more)
            return regrets, total + mixtures

        start = (jnp.where(alive, 1e-6, 0.0).astype(payoffs.dtype), jnp.zeros(alive.shape, payoffs.dtype))
        total = jax.lax.fori_loop(0, iterations, advance, start)[1]
        return total / total.sum(-1, keepdims=True)

    return jax.jit(solve)


def projected_replicator(iterations: int = 100_000, step: float = 1e-3, floor: float = 1e-6) -> Solver:
    """The time average of replicator dynamics, projected onto mixtures that give every policy at least `floor`.

    x ← Proj(x + step · x ⊙ (u − x·u)).

    Source: Lanctot et al., "A unified game-theoretic approach to multiagent reinforcement learning" (2017), section 3.2.
    """

    def solve(payoffs, count, call):
        alive = policies(count, payoffs.shape[1])

        def advance(_, carry):
            mixtures, total = carry
            for player in range(len(count)):
                gain, own = gains(payoffs, mixtures, player), mixtures[player]
                moved = own + step * own * (gain - gain @ own)
                mixtures = mixtures.at[player].set(onto_simplex(moved, alive[player], floor))
            return mixtures, total + mixtures

        start = uniform(payoffs, count, call)
        total = jax.lax.fori_loop(0, iterations, advance, (start, jnp.zeros_like(start)))[1]
        return total / total.sum(-1, keepdims=True)

    return jax.jit(solve)


def onto_simplex(x: Float[Array, "policy"], alive: Bool[Array, "policy"], floor: float = 0.0) -> Float[Array, "policy"]:
    """The nearest mixture that gives every living policy at least `floor`, in Euclidean distance.

    >>> onto_simplex(jnp.array([2.0, 0.0, 9.0]), jnp.array([True, True, False])).tolist()
    [1.0, 0.0, 0.0]

    Source: Duchi et al., "Efficient projections onto the l1-ball for learning in high dimensions" (2008), figure 1.
    """
    mass = 1.0 - floor * alive.sum()
    shifted = jnp.where(alive, x - floor, -jnp.inf)
    ordered = jnp.sort(shifted)[::-1]
    kept = jnp.where(jnp.isfinite(ordered), ordered, 0.0)
    over = (jnp.cumsum(kept) - mass) / jnp.arange(1, len(x) + 1)
    last = jnp.sum((ordered > over) & jnp.isfinite(ordered)) - 1
    return jnp.where(alive, jnp.maximum(shifted - over[last], 0.0) + floor, 0.0)


class Hybrid(NamedTuple):
    """Settings of one call of `hybrid`: numbers, or functions of the call's number made beforehand."""

    blend: Float[Array, ""] | float
    """share of the softmax in every mixture"""
    temperature: Float[Array, ""] | float
    """of that softmax, in units of payoff"""
    diversity: Float[Array, ""] | float
    """bonus for policies that are played little"""
    momentum: float
    """weight of the optimistic step"""


def hybrid(payoffs: Payoffs, count: Int[Array, "player"], iterations, s: Hybrid, *, average: bool) -> Mixtures:
    """Optimistic regret matching on normalized gains, blended with a softmax of the raw ones; players in turn.

    x = gains, c = x − mean(x), g = (1 + m) c − m c_before + d (1 − σ), scaled to max |g| = 1; R ← max(0, R + g);
    σ = (1 − λ) R / ΣR + λ softmax(x / τ). Returns the average of all σ, or the last.

    Source: Li et al., "Discovering multiagent learning algorithms with large language models" (2026), listing 6.
    """
    alive = policies(count, payoffs.shape[1])
    size = count.astype(payoffs.dtype)

    def turn(player, mixtures, regrets, before):
        living, own = alive[player], mixtures[player]
        gain = jnp.where(living, gains(payoffs, mixtures, player), 0.0)
        centered = jnp.where(living, gain - gain.sum() / size[player], 0.0)
        aimed = (1 + s.momentum) * centered - s.momentum * before[player] + s.diversity * (1 - own)
        aimed = jnp.where(living, aimed, 0.0)
        largest = jnp.abs(aimed).max()
        aimed = jnp.where(largest > 1e-8, aimed / jnp.maximum(largest, 1e-8), aimed)
        regret = jnp.maximum(0.0, regrets[player] + aimed)
        soft = jax.nn.softmax(jnp.where(living, gain / s.temperature, -jnp.inf))
        mixed = (1 - s.blend) * _matched(regret, living) + s.blend * soft
        put = lambda table, row: table.at[player].set(row)
        return put(mixtures, mixed), put(regrets, regret), put(before, centered)

    def advance(_, carry):
        *now, total = carry
        for player in range(len(count)):
            now = turn(player, *now)
        return *now, total + now[0]

    start = uniform(payoffs, count, jnp.ones((), jnp.int32))
    nothing = jnp.zeros_like(start)
    mixtures, _, _, total = jax.lax.fori_loop(0, iterations, advance, (start, nothing, nothing, nothing))
    return total / iterations if average else mixtures


def _shor_train(payoffs, count, call):
    """Annealed over the first 75 calls, averaged."""
    progress = jnp.minimum(1.0, call / 75.0)
    between = lambda first, last: first + (last - first) * progress
    settings = Hybrid(between(0.3, 0.05), between(0.5, 0.01), between(0.05, 0.001), 0.5)
    iterations = jnp.clip(1000 + 20 * (count[0] - 1), 1000, 5000)
    return hybrid(payoffs, count, iterations, settings, average=True)


def _shor_evaluate(payoffs, count, call):
    """Nearly greedy, the last iterate."""
    iterations = jnp.clip(8000 + 50 * (count[0] - 1), 8000, 15000)
    return hybrid(payoffs, count, iterations, Hybrid(0.01, 0.001, 0.0, 0.2), average=False)


def shor() -> MetaSolver:
    """SHOR-PSRO's two meta-solvers: a smoothed, annealed one to train against, and a sharp one to answer with.

    Source: Li et al. (2026), listing 6.
    """
    return MetaSolver(jax.jit(_shor_train), jax.jit(_shor_evaluate))


def projection_matching(iterations: int = 1200) -> MetaSolver:
    """Optimistic regret matching on normalized centered gains, averaged: SHOR without blend and diversity.

    A reading of PM-PSRO, of which only the name is published; results with it are labeled PM-style.
    """
    solve = jax.jit(
        lambda payoffs, count, call: hybrid(payoffs, count, iterations, Hybrid(0.0, 1.0, 0.0, 0.5), average=True)
    )
    return MetaSolver(solve, solve)


def same(solve: Solver) -> MetaSolver:
    """One solver for both questions."""
    return MetaSolver(solve, solve)


def _matched(regrets, alive):
    """Mixtures proportional to positive regrets; uniform where there are none."""
    positive = jnp.where(alive, jnp.maximum(regrets, 0.0), 0.0)
    total = positive.sum(-1, keepdims=True)
    even = alive / alive.sum(-1, keepdims=True)
    return jnp.where(total > 0, positive / jnp.where(total > 0, total, 1.0), even)
