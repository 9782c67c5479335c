"""The wiring of counterfactual regret minimization: walk, take in regret, play on, average.

Players go one after the other or all at once. `solver` is pure: states are arrays and iterations compile into one loop. Every
rule of `update.matching` runs in it.

Source: Zinkevich et al., "Regret minimization in games with incomplete information" (2007); turns as in Tammelin (2014).
"""

from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from interplay.games.tree import Tree
from interplay.play import walk
from interplay.play.walk import Own, Rows, Strategy
from interplay.update.matching import Memory, Rule, matched


class Solving(eqx.Module):
    """Every player's memory, present rows and their reach, the weighed sum of reaches, and the iterations so far."""

    memories: tuple[Memory, ...]
    rows: tuple[Rows, ...]
    reaches: tuple[Rows, ...]
    sums: tuple[Rows, ...]
    iteration: Float[Array, ""]


class Solver(NamedTuple):
    """`init(tree)` → state; `advance(tree, state, count)` → state after `count` more; `average(tree, state)` → strategy."""

    init: Callable[[Tree], Solving]
    advance: Callable[[Tree, Solving, int | Int[Array, ""]], Solving]
    average: Callable[[Tree, Solving], Strategy]


def solver(rule: Rule, *, alternating: bool = True, lanes: tuple[int, ...] = ()) -> Solver:
    """CFR with `rule`, players taking turns within an iteration or, where not `alternating`, all from the same strategies.

    `lanes` are sizes of further axes behind all tables: so many solvers in one walk (`matching.side_by_side`).

    >>> solve = solver(matching.cfr_plus())  # doctest: +SKIP
    >>> state = solve.advance(tree, solve.init(tree), 1000)  # doctest: +SKIP
    """

    def init(tree: Tree) -> Solving:
        table = walk.uniform(tree, *lanes)
        rows = tuple(walk.rows(tree, table, player) for player in range(tree.players))
        blank = tuple(map(jnp.zeros_like, rows))
        memories = tuple(map(rule.begin, rows))
        return Solving(memories, rows, walk.reaches(tree, table), blank, jnp.zeros((), table.dtype))

    def advance(tree: Tree, state: Solving, count: int | Int[Array, ""]) -> Solving:
        return repeat(tree, state, jnp.asarray(count))  # as an array: another count compiles nothing anew

    @eqx.filter_jit
    def repeat(tree: Tree, state: Solving, count: Int[Array, ""]) -> Solving:
        return jax.lax.fori_loop(0, count, lambda _, state: iterate(tree, state), state)

    def iterate(tree: Tree, state: Solving) -> Solving:
        t = state.iteration + 1
        memories, rows, reaches, sums = list(state.memories), list(state.rows), list(state.reaches), list(state.sums)
        for player in range(tree.players):
            seen = tuple(reaches) if alternating else state.reaches
            regret = regrets(tree, seen, rows[player], player)
            memories[player] = rule.accumulate(memories[player], regret, t)
            sums[player] = sums[player] + rule.weigh(memories[player], t) * reaches[player]
            legal = walk.legal_like(tree, rows[player], player)
            rows[player] = matched(rule.strategy(memories[player], t), legal)
            reaches[player] = walk.forward(tree, rows[player], player)
        return Solving(tuple(memories), tuple(rows), tuple(reaches), tuple(sums), t)

    return Solver(init, advance, average)


def span(tree: Tree) -> float:
    """The largest less the smallest payoff of any player: what `matching.rescaled` divides by for a scale-free rule.

    >>> from interplay.games import tree as trees
    >>> span(trees.make("openspiel:kuhn_poker"))
    4.0
    """
    return float(np.ptp(np.asarray(tree.payoffs)))


def regrets(tree: Tree, reaches: tuple[Rows, ...], own: Own, player: int) -> Own:
    """r(I, a) = v(I, a) − Σ_b σ(I, b) v(I, b): how much better a would have been, counterfactually; 0 where no move is."""
    fold = lambda values, start, stop: (own[start:stop] * values).sum(1)
    values, _ = walk.backward(tree, reaches, player, fold)
    legal = walk.legal_like(tree, own, player)
    return jnp.where(legal, values - (own * values).sum(1, keepdims=True), 0.0)


def average(tree: Tree, state: Solving) -> Strategy:
    """The average strategy; the present one where nothing has been averaged yet."""
    total = jnp.concatenate(state.sums)
    mass = total.sum(1, keepdims=True)
    now = jnp.concatenate(state.rows)
    begun = total.sum((0, 1)) > 0
    even = walk.uniform(tree, *total.shape[2:])
    return jnp.where(mass > 0, total / jnp.where(mass > 0, mass, 1.0), jnp.where(begun, even, now))
