"""Solve a game tree by name: what the command line's `solve` and `interplay.solve` share, and the folder that keeps it."""

import itertools
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import numpy as np

from interplay.core.errors import InputError
from interplay.core.names import chosen
from interplay.games import tree as trees
from interplay.measure import empirical, exploit
from interplay.measure.rank import alpha_rank
from interplay.methods import league, tables
from interplay.methods.oracles import ORACLES
from interplay.play import sampled, walk
from interplay.run import environment, folder, strategies
from interplay.text import mixtures, rules
from interplay.update import matching, meta

PSRO = "psro"
UNKEPT = "the tree of {game} is too large for its strategy to be kept: leave out --out"
HELD = 1_000_000  # nodes of a tree that is built beside sampling, to say how good what was learned is
Watch = Callable[[float, str], None]  # share of the work done, and a word on how it stands
METAS = {
    "uniform": lambda: meta.same(meta.uniform),
    "nash": lambda: meta.same(meta.nash),
    "alpha-rank": lambda: meta.same(alpha_rank),
    "regret-matching": lambda: meta.same(meta.regret_matching(2000)),
    "projected-replicator": lambda: meta.same(meta.projected_replicator(2000, 0.05)),
    "shor": meta.shor,
    "projection-matching": meta.projection_matching,
}


def _unwatched(share: float, words: str) -> None:
    pass


def solve(
    game: str, method: str, iterations: int, *, alternating: bool = True, watch: Watch = _unwatched
) -> dict[str, Any]:
    """Run `iterations` of a regret minimizer on a game's tree, in double precision.

    Returns the average strategy under "strategy", its exploitability at `milestones` under "curve", and what is worth saying
    about it; "seconds" are those of the iterations alone. Raises `InputError` for names that do not exist, too few iterations
    and games too large to hold.

        >>> solve("openspiel:kuhn_poker", "cfr-plus", 100)["information_sets"]
        12
    """
    rule = written(method) or chosen(matching.RULES, "method", method)()
    if iterations < 1:
        raise InputError(f"cannot solve in {iterations} iterations: give 1 or more")
    tree = trees.make(game)
    with jax.enable_x64(True):
        solver = tables.solver(rule, alternating=alternating)
        state, curve, total = solver.init(tree), [], 0.0
        compile_seconds, _ = _timed(lambda: solver.advance(tree, state, 0))
        stops = milestones(iterations)
        for before, stop in itertools.pairwise([0, *stops]):
            seconds, state = _timed(lambda: solver.advance(tree, state, stop - before))  # noqa: B023
            total += seconds
            strategy = solver.average(tree, state)
            curve.append((stop, float(_nash_conv(tree, strategy)) / tree.players))
            watch(stop / iterations, f"exploitability {curve[-1][1]:.2e}")
        return {
            **_about(tree, game, method, np.asarray(strategy)),
            "iterations": iterations,
            "seconds": total,
            "iterations_per_second": iterations / total,
            "compile_seconds": compile_seconds,
            "curve": curve,
            "strategy": np.asarray(strategy),
        }


def written(method: str) -> matching.Rule | None:
    """The rule in a file that `interplay discover` wrote, or None where the name is not that of a file."""
    return rules.rule(rules.read(rules.load(Path(method)))) if _is_file(method, matching.RULES) else None


def written_meta(name: str) -> meta.MetaSolver | None:
    """The meta-solver in a file that `interplay discover` wrote, or None where the name is not that of a file."""
    if not _is_file(name, METAS):
        return None
    return mixtures.solver(rules.read(rules.load(Path(name)), mixtures.SLOTS, mixtures.LEAVES))


def _is_file(name: str, known) -> bool:
    return name not in known and (Path(name).is_file() or bool(Path(name).suffix))


def milestones(iterations: int) -> list[int]:
    """Where a curve is measured: 1, 2, 3, 5, 10, 20, 30, 50 … and the last iteration.

    >>> milestones(25)
    [1, 2, 3, 5, 10, 20, 25]
    """
    stops = {first * 10**power for power in range(len(str(iterations))) for first in (1, 2, 3, 5)}
    return sorted({*(stop for stop in stops if stop < iterations), iterations})


def populate(
    game: str,
    meta_solver: str,
    epochs: int,
    *,
    oracle: str = "exact",
    seed: int = 0,
    watch: Watch = _unwatched,
) -> dict[str, Any]:
    """Run `epochs` of PSRO with the meta-solver of that name and exact best responses, or `oracle`="learned" ones.

    Returns what `solve` does, with the curve by epochs, the mixtures that the meta-solver answered with after every epoch under
    "mixtures" `[epoch, player, policy]`, and what all combinations of policies pay under "payoffs". Raises `InputError` as
    `solve` does, and where a meta-solver cannot take the game's number of players.
    """
    solver = written_meta(meta_solver) or chosen(METAS, "meta", meta_solver)()
    if epochs < 1:
        raise InputError(f"cannot run {epochs} epochs: give 1 or more")
    answering = chosen(ORACLES, "oracle", oracle)
    tree = trees.make(game)
    respond = answering(tree)
    began, curve, answers = time.perf_counter(), [], []
    with jax.enable_x64(True):
        respond = eqx.filter_jit(respond)
        state = league.started(tree, epochs + 1)
        for epoch in range(epochs):
            key = jax.random.fold_in(jax.random.key(seed), epoch)
            state = league.grown(tree, state, solver, respond, key)
            plans, mixture = league.answer(state, solver)
            answers.append(np.asarray(mixture))
            curve.append((epoch + 1, float(empirical.gap(tree, plans)[1].sum()) / tree.players))
            watch((epoch + 1) / epochs, f"exploitability {curve[-1][1]:.2e}")
        strategy = np.asarray(empirical.behavior(tree, plans))
        seconds = time.perf_counter() - began
        return {
            **_about(tree, game, PSRO, strategy),
            "meta": meta_solver,
            "oracle": oracle,
            "iterations": epochs,
            "seconds": seconds,
            "iterations_per_second": epochs / seconds,
            "compile_seconds": None,
            "curve": curve,
            "mixtures": np.stack(answers),
            "payoffs": np.asarray(state.payoffs),
            "strategy": strategy,
        }


def sample(
    game: str,
    method: str,
    iterations: int,
    *,
    seed: int = 0,
    episodes: int = 2000,
    kept: bool = False,
    watch: Watch = _unwatched,
) -> dict[str, Any]:
    """Run `iterations` of Monte-Carlo CFR, which holds no tree: every player learns from one sampled walk an iteration.

    Returns what `solve` does where the game's tree can be held too. Otherwise exploitability, NashConv and curve are unknown,
    "values" are means over `episodes` of play, and "information_sets" counts those that were met. Raises `InputError` before
    anything is sampled where the result is to be `kept` and the tree is too large for that.
    """
    explore = chosen(sampled.SAMPLINGS, "method", method)
    if iterations < 1:
        raise InputError(f"cannot solve in {iterations} iterations: give 1 or more")
    told_by_moves = trees.sequential(game)
    tree = trees.build(told_by_moves) if trees.estimate(told_by_moves).nodes <= HELD else None
    if kept and tree is None:
        raise InputError(UNKEPT.format(game=game))
    learned, curve, total = sampled.Learned(told_by_moves.players), [], 0.0
    for before, stop in itertools.pairwise([0, *milestones(iterations)]):
        began = time.perf_counter()
        learned = sampled.solve(told_by_moves, explore, stop - before, seed * 1_000_003 + before, learned=learned)
        total += time.perf_counter() - began
        if tree is not None:
            curve.append((stop, exploit.exact(tree, learned.table(tree))))
        watch(stop / iterations, f"{learned.information_sets:,} information sets")
    speed = {"seconds": total, "iterations_per_second": iterations / total, "compile_seconds": None}
    rest = {"iterations": iterations, **speed, "curve": curve}
    if tree is not None:
        with jax.enable_x64(True):
            return {**_about(tree, game, method, learned.table(tree)), **rest, "strategy": learned.table(tree)}
    means, errors = sampled.payoffs(told_by_moves, learned.average, episodes, seed)
    return {
        "game": game, "method": method, "players": told_by_moves.players, "information_sets": learned.information_sets,
        "exploitability": None, "nash_conv": None, "values": list(map(float, means)),
        "standard_errors": list(map(float, errors)), **rest,
    }  # fmt: skip


def told(found: dict[str, Any]) -> dict[str, Any]:
    """What of a solution is for `--json`: everything but the tree and large arrays."""
    return {name: value for name, value in found.items() if not isinstance(value, np.ndarray | trees.Tree)}


def fresh(path: Path) -> Path:
    """Make a new folder for a solution; raises `InputError` where it holds anything or cannot be written."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        if any(path.iterdir()):
            raise InputError(f"{path} is not empty: give --out a new folder")
    except OSError as error:
        raise InputError(folder.disk_line(error, path)) from error
    return path


def keep(found: dict[str, Any], path: Path) -> Path:
    """Write a solution into a folder: what was asked, the curve, and the strategy, a row per information set."""
    if "strategy" not in found:
        raise InputError(UNKEPT.format(game=found["game"]))
    tree, about = found["tree"], told(found)
    asked = {name: about[name] for name in ("game", "method", "meta", "oracle", "iterations") if name in about}
    folder.write_json_atomic(path / "settings.json", asked)
    folder.write_json_atomic(path / "environment.json", environment.described())
    rows = "".join(json.dumps({"iteration": at, "exploitability": value}) + "\n" for at, value in about["curve"])
    folder.write_atomic(path / "metrics.jsonl", rows.encode())
    strategies.save(path / strategies.KIND, found["game"], tree, found["strategy"], method=found["method"])
    folder.write_json_atomic(path / "solution.json", about)
    return path


def _about(tree, game: str, method: str, strategy: np.ndarray) -> dict[str, Any]:
    gains = np.asarray(exploit.gains(tree, jax.numpy.asarray(strategy)))
    return {
        "tree": tree,
        "game": game,
        "method": method,
        "players": tree.players,
        "information_sets": tree.rows,
        "exploitability": float(gains.sum()) / tree.players,
        "nash_conv": float(gains.sum()),
        "values": np.asarray(walk.expected(tree, jax.numpy.asarray(strategy))).tolist(),
    }


_nash_conv = eqx.filter_jit(exploit.nash_conv)


def _timed(work) -> tuple[float, Any]:
    began = time.perf_counter()
    out = jax.block_until_ready(work())
    return time.perf_counter() - began, out
