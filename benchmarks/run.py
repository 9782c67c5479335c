"""The whole benchmark table: every comparison timed in one go, written to results.json and into README.md.

    JAXMARL_PYTHON=V/bin/python PEER_REPO=… BENCHMARL_PYTHON=W/bin/python python benchmarks/run.py [--rounds 9] [--only mappo]

`theirs_jaxmarl.py` and `theirs_benchmarl.py` say how to set the peers up; comparisons with a peer that is not there are
skipped with a line. Programs take turns, so a ratio is fair on a busy machine, but only a quiet one gives good times.
`--only` runs the comparisons whose names contain a word and keeps the other rows of results.json as they are.
"""

import argparse
import functools
import json
import os
import platform
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import page
from compare import Worker, compare, quartiles

HERE = Path(__file__).parent
OURS = f"{sys.executable} {HERE / 'ours.py'}"
# the sizes of jaxmarl's recurrent baseline: two dense layers and a cell, all of 128
LARGE = {"width": 128, "memory": 128}


class Row(NamedTuple):
    """One comparison. `run(rounds)` gives "first_is_faster_by" and whatever else is worth keeping."""

    name: str
    against: str
    wanted: float | None
    needs: tuple[str, ...]
    run: Callable[[int], dict[str, Any]]


def ours(work: str, **extra: Any) -> str:
    return f"{OURS} {work} {shlex.quote(json.dumps(extra))}"


def jaxmarl(work: str, **extra: Any) -> str:
    return f"{os.environ.get('JAXMARL_PYTHON')} {HERE / 'theirs_jaxmarl.py'} {work} {shlex.quote(json.dumps(extra))}"


def benchmarl(work: str) -> str:
    return f"{os.environ.get('BENCHMARL_PYTHON')} {HERE / 'theirs_benchmarl.py'} {work}"


def timed(mine: str, other: str) -> Callable[[int], dict[str, Any]]:
    """Steps per second of two workers, turn and turn about."""

    def run(rounds: int) -> dict[str, Any]:
        both = compare({"first": mine, "second": other}, rounds)
        speeds = {name: both[name]["steps_per_second"] for name in both}
        return {"steps_per_second": speeds, "first_is_faster_by": both["second"]["first_is_faster_by"]}

    return run


def ended(command: str, environment: dict[str, str]) -> float:
    """Wall seconds of a whole process."""
    began = time.perf_counter()
    subprocess.run(shlex.split(command), env={**os.environ, **environment}, check=True, capture_output=True)
    return time.perf_counter() - began


def together(rounds: int, seeds: int = 10, steps: int = 300_000) -> dict[str, Any]:
    """`seeds` seeds by one command against as many commands one after the other, all with a warm cache."""
    command = f"{Path(sys.executable).parent / 'interplay'} train ippo --game spread --steps {steps}"
    ratios, seconds = [], []
    with tempfile.TemporaryDirectory() as folder:
        environment = {"INTERPLAY_CACHE": f"{folder}/cache"}
        for index in range(-1, min(rounds, 3)):  # the first fills the cache
            runs = f"{folder}/{index}"
            one = ended(f"{command} --seeds {seeds} --out {runs}-together", environment)
            count = seeds if index >= 0 else 1
            apart = [ended(f"{command} --seed {seed} --out {runs}-{seed}", environment) for seed in range(count)]
            if index >= 0:
                ratios.append(sum(apart) / one)
                seconds.append((one, sum(apart)))
    return {"seconds": seconds[len(seconds) // 2], "first_is_faster_by": quartiles(ratios)}


def compiled(command: str, cache: str) -> float:
    """Seconds that a worker started with this cache folder needs to compile."""
    worker = Worker("a worker", f"env INTERPLAY_CACHE={cache} {command}")
    worker.close()
    return worker.ready["compile_seconds"]


def cold(mine: str, other: str, rounds: int) -> dict[str, Any]:
    """Compile seconds from an empty cache, ours and theirs."""
    pairs = []
    for _ in range(min(rounds, 3)):
        with tempfile.TemporaryDirectory() as folder:
            pairs.append((compiled(mine, folder), compiled(other, folder)))
    return _of_pairs(pairs)


def warm(mine: str, rounds: int) -> dict[str, Any]:
    """Compile seconds of a second process, which finds the first one's programs, and of the first."""
    pairs = []
    for _ in range(min(rounds, 3)):
        with tempfile.TemporaryDirectory() as folder:
            first = compiled(mine, folder)
            pairs.append((compiled(mine, folder), first))
    return _of_pairs(pairs)


def _of_pairs(pairs: list[tuple[float, float]]) -> dict[str, Any]:
    middle = sorted(pairs)[len(pairs) // 2]
    return {"seconds": middle, "first_is_faster_by": quartiles([other / mine for mine, other in pairs])}


def adapter(name: str, rounds: int) -> dict[str, Any]:
    """An environment played through its adapter against the same played raw; see `adapters.py`."""
    command = [sys.executable, str(HERE / "adapters.py"), "--only", name, "--rounds", str(max(rounds, 5))]
    told = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True).stdout
    found = json.loads(next(line for line in told.splitlines() if line.startswith("{")))
    share = [round(1 / found[name], 3) for name in ("high", "ratio", "low")]
    return {"first_is_faster_by": share, "steps_per_cpu_second": found["steps_per_cpu_second"]}


def rows() -> list[Row]:
    """Every comparison of the table, in its order."""
    theirs, vmas, nobody = ("JAXMARL_PYTHON", "PEER_REPO"), ("BENCHMARL_PYTHON",), ()
    forward = [
        Row(
            f"{method}, {batch} games", "jaxmarl's IPPO", 2.5, theirs, timed(ours(work), jaxmarl(f"train:ippo:{batch}"))
        )
        for method in ("ippo", "mappo")
        for batch in (16, 64, 256)
        for work in [f"train:{method}:spread:{batch}"]
    ]
    ippo, seeds = "train:ippo:spread:64", {"seeds": 2, "updates": 8}
    recurrent = ours("train:mappo-recurrent:spread:64", **LARGE, updates=1)
    lone = f"taskset -c 0 {ours(ippo)}"
    one_program = f"env INTERPLAY_DEVICES=1 {ours(ippo)}"
    return [
        *forward,
        Row(
            "mappo-recurrent, 64 games, GRU of 128",
            "jaxmarl's recurrent MAPPO",
            1.5,
            theirs,
            timed(recurrent, jaxmarl("train:mappo-recurrent:64", updates=1)),
        ),
        Row(
            "mappo, 64 games",
            "BenchMARL's MAPPO on VMAS' spread",
            5.0,
            vmas,
            timed(ours("train:mappo:spread:64"), benchmarl("train:mappo:64")),
        ),
        Row(
            "spread alone, 64 games, random actions",
            "jaxmarl's environment",
            2.0,
            theirs,
            timed(ours("env:spread:64"), jaxmarl("env:MPE_simple_spread_v3:64")),
        ),
        *(
            Row(f"adapter of {name}", "the raw environment", 0.95, nobody, functools.partial(adapter, name))
            for name in ("jaxmarl:mpe/simple_spread_v3", "jaxmarl:smax/3m", "jumanji:LevelBasedForaging-v0")
        ),
        Row("ippo, ten seeds together", "ten runs one after another", 2.0, nobody, together),
        Row("ippo, games over two devices", "one core", 1.7, nobody, timed(ours(ippo), lone)),
        Row(
            "ippo, games over two devices", "one program using both cores", None, nobody, timed(ours(ippo), one_program)
        ),
        Row(
            "ippo, seeds over two devices",
            "one core",
            1.7,
            nobody,
            timed(ours(ippo, **seeds), f"taskset -c 0 {ours(ippo, **seeds)}"),
        ),
        Row(
            "compile, ippo, 64 games, empty cache",
            "jaxmarl's IPPO",
            2.0,
            theirs,
            functools.partial(cold, ours(ippo), jaxmarl("train:ippo:64")),
        ),
        Row(
            "compile, mappo-recurrent, 64 games, empty cache",
            "jaxmarl's recurrent MAPPO",
            2.0,
            theirs,
            functools.partial(cold, recurrent, jaxmarl("train:mappo-recurrent:64", updates=1)),
        ),
        Row("compile, ippo, second process", "first process", None, nobody, functools.partial(warm, ours(ippo))),
    ]


def measure(row: Row, rounds: int) -> dict[str, Any] | None:
    """The row of results.json, or None where a peer is missing or something stopped."""
    title = f"{row.name} against {row.against}"
    missing = [name for name in row.needs if name not in os.environ]
    if missing:
        print(f"skipped: {title} (set {' and '.join(missing)})", file=sys.stderr, flush=True)
        return None
    try:
        found = row.run(rounds)
    except (RuntimeError, subprocess.CalledProcessError) as broken:
        print(f"stopped: {title}: {broken}", file=sys.stderr, flush=True)
        return None
    ratio = found["first_is_faster_by"][1]
    print(f"{ratio:6.2f}×  {title}", file=sys.stderr, flush=True)
    when = {"rounds": rounds, "date": datetime.now(UTC).date().isoformat(), "load": round(os.getloadavg()[0], 1)}
    return {"name": row.name, "against": row.against, "wanted": row.wanted, **found, **when}


def table(results: list[dict[str, Any]]) -> str:
    """The results as a Markdown table."""
    lines = [
        "| work | against | ours | theirs | ratio (quartiles) | wanted |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for row in results:
        low, middle, high = row["first_is_faster_by"]
        mine, other = _figures(row)
        wanted = f"{row['wanted']:g}" if row["wanted"] else ""
        ratio = f"**{middle:.2f}** ({low:.2f}–{high:.2f})"
        lines.append(f"| {row['name']} | {row['against']} | {mine} | {other} | {ratio} | {wanted} |")
    return "\n".join(lines)


def _figures(row: dict[str, Any]) -> tuple[str, str]:
    if "steps_per_second" in row:
        first, second = (row["steps_per_second"][name][1] for name in ("first", "second"))
        return f"{first:,.0f} steps/s", f"{second:,.0f} steps/s"
    if "seconds" in row:
        return f"{row['seconds'][0]:.1f} s", f"{row['seconds'][1]:.1f} s"
    return f"{row['steps_per_cpu_second']:,} steps/cpu s", ""


def merged(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Old rows with new ones in their place, in the order of the table."""
    found = {(row["name"], row["against"]): row for row in [*old, *new]}
    return [found[key] for row in rows() if (key := (row.name, row.against)) in found]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--only", default="", help="part of the names of the comparisons to run")
    parser.add_argument("--out", type=Path, default=HERE / "results.json")
    parser.add_argument("--page", type=Path, default=HERE / "README.md")
    parser.add_argument("--table", action="store_true", help="measure nothing, only write the table anew")
    arguments = parser.parse_args()
    results = json.loads(arguments.out.read_text())["rows"] if arguments.out.exists() else []
    wanted = [] if arguments.table else [row for row in rows() if arguments.only in f"{row.name} against {row.against}"]
    for row in wanted:
        if found := measure(row, arguments.rounds):
            results = merged(results, [found])
            machine = {
                "cores": len(os.sched_getaffinity(0)),
                "machine": platform.machine(),
                "python": platform.python_version(),
            }
            arguments.out.write_text(json.dumps({"machine": machine, "rows": results}, indent=1) + "\n")
    page.put("table", table(results), arguments.page)


if __name__ == "__main__":
    main()
