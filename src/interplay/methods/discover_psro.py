"""Discovery of meta-solvers: the two that policy-space methods ask (train against, answer with) as formulas that evolve.

The same search as `methods.discover`, with other formulas (`text.mixtures`) and another trial: exact PSRO from the uniform
policy, scored by the exploitability of the present answer after several numbers of epochs.

Source: Li et al., "Discovering multiagent learning algorithms with large language models" (2026), section 5.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Float

from interplay.games import tree as trees
from interplay.measure import empirical
from interplay.methods import discover, league
from interplay.methods.discover import Space
from interplay.text import mixtures, rules

ITERATIONS = 200  # of a meta-solver's loop, while it is searched for


@dataclass(frozen=True)
class Settings(discover.Settings):
    """What a search for meta-solvers is told; horizons are epochs."""

    games: tuple[str, ...] = ("kuhn(players=2)", "leduc(suits=False)")
    """Training games"""
    held_out: tuple[str, ...] = ("goofspiel(cards=4)", "liars-dice(sides=4)")
    """Games that finds are reported on"""
    horizons: tuple[int, ...] = (4, 8, 16)
    """Epochs after which candidates are scored"""
    report: tuple[int, ...] = (10, 20, 30)
    """Epochs after which finds are reported"""
    start: str = "uniform"
    """The meta-solvers that the search starts from, one of `text.mixtures.SEEDS`"""
    largest: int = 80
    """Nodes of both meta-solvers at most"""


def measured(game: str, texts: Sequence[str], horizons: Sequence[int]) -> Float[np.ndarray, "rule horizon"]:
    """Exploitability of the answer after each number of epochs; not a number where a meta-solver broke down."""
    with jax.enable_x64(True):
        return np.array([_epochs(game, text, horizons) for text in texts]).reshape(len(texts), len(horizons))


@cache
def _prepared(game: str):
    return trees.make(game), eqx.filter_jit(league.exact)


def _epochs(game: str, text: str, horizons: Sequence[int]) -> list[float]:
    tree, oracle = _prepared(game)
    solver = mixtures.solver(rules.read(text, mixtures.SLOTS, mixtures.LEAVES), ITERATIONS)
    state, found, key = league.started(tree, max(horizons) + 1), {}, jax.random.key(0)
    for epoch in range(1, max(horizons) + 1):
        state = league.grown(tree, state, solver, oracle, key)  # the exact oracle draws nothing
        if not np.isfinite(np.asarray(state.payoffs)).all():
            break
        if epoch in horizons:
            plans, answer = league.answer(state, solver)
            gap = float(empirical.gap(tree, plans)[1].sum()) / tree.players
            found[epoch] = gap if np.isfinite(np.asarray(answer)).all() else np.nan
    return [found.get(epoch, np.nan) for epoch in horizons]


SPACE = Space(
    mixtures.SLOTS,
    mixtures.LEAVES,
    mixtures.SEEDS,
    measured,
    "the two meta-solvers of a policy-space method. train_… finds the mixtures that best responses are trained against, "
    "evaluate_… the present answer, each in a loop of T iterations t over the empirical game: x is what every policy "
    "earns now, r its regret, R what accumulate made, sigma the mixture, k the number of the call.",
)
