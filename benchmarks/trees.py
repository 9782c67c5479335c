"""Game trees side by side with OpenSpiel: CFR+ with alternating updates, exploitability, batches, building, memory.

    python benchmarks/trees.py [--games kuhn3,leduc,dice6] [--out trees.json]      # prints one JSON object

Needs the extra `openspiel`. Both sides are timed in turn in one process, on one thread each where it matters: numbers are
iterations per second of processor time, medians over rounds, and ratios of those. Compiling is timed apart.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import pyspiel
from open_spiel.python.algorithms import cfr

from interplay.games import tree as trees
from interplay.measure import exploit
from interplay.methods import tables
from interplay.update import matching

GAMES = {  # name -> (OpenSpiel's name, iterations of ours in one timing, what the ratio should be)
    "kuhn3": ("kuhn_poker(players=3)", 20000, 25),
    "leduc": ("leduc_poker", 4000, 120),
    "dice6": ("liars_dice(numdice=1,dice_sides=6)", 150, 20),
}
ROUNDS = 5
BATCH = 32


def seconds(work: Callable[[], object]) -> float:
    """Processor seconds of one call."""
    start = time.process_time()
    work()
    return time.process_time() - start


def repeated(work: Callable[[], object], least: float) -> float:
    """Processor seconds of one of many calls that take `least` seconds together."""
    count, start = 0, time.process_time()
    while not count or time.process_time() - start < least:
        work()
        count += 1
    return (time.process_time() - start) / count


def compare(name: str, iterations: int, wanted: float) -> dict:
    """Everything measured on one game."""
    start = time.process_time()
    tree = trees.make(f"openspiel:{name}")
    found = {"nodes": tree.nodes, "information_sets": tree.rows, "bytes_per_node": round(tree.bytes_per_node, 1)}
    found["build_seconds"] = round(time.process_time() - start, 2)
    tree, game = jax.device_put(tree), pyspiel.load_game(name)
    ours = running(tree, tables.solver(matching.cfr_plus()), iterations)
    start = time.perf_counter()
    average = tables.average(tree, ours())
    found["first_run_seconds"] = round(time.perf_counter() - start, 2)  # compiling and running once
    theirs, slow = pyspiel.CFRPlusSolver(game), cfr.CFRPlusSolver(game)
    measured = jax.jit(exploit.nash_conv)
    policy = theirs.tabular_average_policy()
    measured(tree, average).block_until_ready()
    rows = []
    for _ in range(ROUNDS):
        rows.append(
            (
                seconds(ours) / iterations,
                repeated(theirs.evaluate_and_update_policy, 1.0),
                repeated(lambda: measured(tree, average).block_until_ready(), 0.2),
                repeated(lambda: pyspiel.nash_conv(game, policy), 0.5),
            )
        )
    mine, cpp, exact, slower = (statistics.median(column) for column in zip(*rows, strict=True))
    python = seconds(slow.evaluate_and_update_policy)
    return found | {
        "iterations_per_second": round(1 / mine, 1),
        "openspiel_cpp": round(1 / cpp, 2),
        "openspiel_python": round(1 / python, 3),
        "ratio_cpp": round(cpp / mine, 1),
        "wanted": wanted,
        "ratios_cpp": [round(row[1] / row[0], 1) for row in rows],
        "ratio_python": round(python / mine),
        "exploitability_ms": round(1000 * exact, 4),
        "exploitability_ratio_cpp": round(slower / exact, 1),
        "exploitability_after": exploit.exact(tree, average),
        "iterations": iterations,
        f"batch_{BATCH}_costs": batched(tree, iterations // 10),
    }


def running(tree: trees.Tree, solver: tables.Solver, iterations: int) -> Callable[[], tables.Solving]:
    """So many iterations from the start, waited for."""
    state = jax.block_until_ready(solver.init(tree))
    return lambda: jax.block_until_ready(solver.advance(tree, state, iterations))


def batched(tree: trees.Tree, iterations: int) -> float:
    """How many times one solve's processor time a batch of solves takes, each with a setting of its own."""
    one = running(tree, tables.solver(matching.dcfr()), iterations)
    settings = jnp.linspace(1.0, 2.0, BATCH)
    both = running(tree, tables.solver(matching.dcfr(positive=settings), lanes=(BATCH,)), iterations)
    one(), both()
    pairs = [(seconds(one), seconds(both)) for _ in range(3)]
    return round(statistics.median(second / first for first, second in pairs), 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--games", default=",".join(GAMES))
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    with jax.enable_x64(True):
        found = {name: compare(*GAMES[name]) for name in given.games.split(",")}
    text = json.dumps(found, indent=1)
    print(text)
    if given.out:
        given.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
