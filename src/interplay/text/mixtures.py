"""Meta-solvers as text: how a population's mixtures are found, for training and for the present answer, as six formulas.

Both questions are answered by a loop of `T` iterations on the empirical game, players in turn, which `accumulate`, `strategy`
and `weigh` fill in as in `text.rules`: the empirical game has one row per player, and its moves are policies. Leaves beside R,
r, t and sigma: `x`, what every policy earns against the others' mixtures; `k`, the number of the call; `T`. Regret matching
and the hybrid that SHOR-PSRO uses have texts here.
"""

from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from interplay.text import tape as tapes
from interplay.text.expression import NUMBER, TABLE, Leaves
from interplay.text.rules import Formulas
from interplay.update.meta import MetaSolver

PARTS = ("accumulate", "strategy", "weigh")
SLOTS = tuple(f"{question}_{part}" for question in ("train", "evaluate") for part in PARTS)
LEAVES: Leaves = {"R": TABLE, "r": TABLE, "x": TABLE, "sigma": TABLE, "t": NUMBER, "k": NUMBER, "T": NUMBER}


def solver(formulas: Formulas, iterations: int = 1000) -> MetaSolver:
    """The meta-solver that six formulas say, each call a loop of so many iterations, interpreted.

    >>> import jax.numpy as jnp
    >>> from interplay.text.rules import read
    >>> pennies = jnp.array([[[1.0, -1.0], [-1.0, 1.0]], [[-1.0, 1.0], [1.0, -1.0]]])
    >>> meta = solver(read(SEEDS["regret-matching"], SLOTS, LEAVES), 100)
    >>> meta.train(pennies, jnp.array([2, 2]), jnp.array(1)).round(1).tolist()
    [[0.5, 0.5], [0.5, 0.5]]
    """
    train, evaluate = (tapes.tape(formulas[at : at + 3], LEAVES, {"R": 0}) for at in (0, 3))
    return MetaSolver(
        lambda payoffs, count, call: mixtures(train, payoffs, count, call, iterations),
        lambda payoffs, count, call: mixtures(evaluate, payoffs, count, call, iterations),
    )


def mixtures(program: tapes.Tape, payoffs, count, call, iterations: int) -> Float[Array, "player policy"]:
    """Every player's mixture after the loop: the weighed mean of what was played, evenly where nothing was weighed.

    Rows beyond `count` get nothing. Not a number where the formulas break down.
    """
    sizes = [int(size) for size in count]
    tables = np.asarray(payoffs, float)[(slice(None), *(slice(size) for size in sizes))]
    legal = [np.ones((1, size), bool) for size in sizes]
    runs = [tapes.interpreter(program, np, own) for own in legal]
    memories = [tapes.blank(program, own) for own in legal]
    totals, sums = ([np.zeros((1, size)) for size in sizes] for _ in range(2))
    now = [np.full((1, size), 1.0 / size) for size in sizes]
    fixed = {"k": float(call), "T": float(iterations)}
    with np.errstate(all="ignore"):
        for t in range(1, iterations + 1):
            for player in range(len(sizes)):
                x = _gains(tables, now, player)
                regret = x - x @ now[player].T
                leaves = {"R": totals[player], "r": regret, "x": x, "sigma": now[player], "t": float(t), **fixed}
                found, memories[player] = runs[player](leaves, memories[player], t == 1)
                totals[player], scores, weight = found
                now[player] = tapes.normalised(np, np.broadcast_to(scores, x.shape), legal[player])
                sums[player] = sums[player] + weight * now[player]
    answer = np.zeros((len(sizes), np.asarray(payoffs).shape[1]))
    for player, size in enumerate(sizes):
        sane = np.isfinite(sums[player]).all() and (sums[player] >= 0).all()
        answer[player, :size] = tapes.normalised(np, sums[player], legal[player]) if sane else np.nan
    return jnp.asarray(answer)


def _gains(tables: np.ndarray, now: list[np.ndarray], player: int) -> np.ndarray:
    """What each policy earns against the others' mixtures, as a table of one row."""
    table = tables[player]
    for other in reversed(range(len(now))):
        if other != player:
            table = np.tensordot(table, now[other][0], axes=(other, 0))
    return table[None]


_MATCHING = "{0}_accumulate = R + r\n{0}_strategy = R\n{0}_weigh = 1\n"
_UNIFORM = "{0}_accumulate = R\n{0}_strategy = R\n{0}_weigh = 1\n"
_HYBRID = """
{0}c = x - rowmean(x)
{0}aimed = {momentum} * {0}c - {before} * before({0}c) + {diversity} * (1 - sigma)
{0}_accumulate = max(R + {0}aimed / rowmax(abs({0}aimed)), 0)
{0}_strategy = (1 - {blend}) * normalise(R) + {blend} * softmax(x / ({temperature}))
{0}_weigh = {weigh}
"""
_ALONG = "min(1, k / 75)"
_SHOR = _HYBRID.format(
    "train", momentum=1.5, before=0.5, blend=f"(0.3 - 0.25 * {_ALONG})", temperature=f"0.5 - 0.49 * {_ALONG}",
    diversity=f"(0.05 - 0.049 * {_ALONG})", weigh=1,
) + _HYBRID.format(
    "evaluate", momentum=1.2, before=0.2, blend=0.01, temperature=0.001, diversity=0, weigh="where(t >= T, 1, 0)"
)  # fmt: skip

SEEDS: Mapping[str, str] = {
    "uniform": _UNIFORM.format("train") + _UNIFORM.format("evaluate"),
    "regret-matching": _MATCHING.format("train") + _MATCHING.format("evaluate"),
    "shor": _SHOR,
}
