"""Two or more programs timed against each other in one run, turn and turn about, so that a busy machine is fair to both.

    python benchmarks/compare.py --rounds 9 NAME=COMMAND NAME=COMMAND …

Each command starts a worker that compiles, prints one JSON line when ready, and then runs one measurement per line it reads
(`ours.py`, `theirs_jaxmarl.py`, `theirs_benchmarl.py`). Prints one JSON object: steps per second of each (median over rounds,
with quartiles) and the ratio of the first to each other, taken round by round.
"""

import argparse
import json
import shlex
import statistics
import subprocess
import sys


class Worker:
    """One program under measurement."""

    def __init__(self, name: str, command: str):
        self.name = name
        self.process = subprocess.Popen(
            shlex.split(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self.ready = self._read()
        self.rates: list[float] = []
        self.cpu_rates: list[float] = []

    def measure(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        spent = self._read()
        self.rates.append(self.ready["steps"] / spent["seconds"])
        self.cpu_rates.append(self.ready["steps"] / spent["cpu_seconds"])

    def _read(self) -> dict:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        raise SystemExit(f"{self.name} stopped before it answered: run its command by hand to see why")

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


def quartiles(values: list[float]) -> list[float]:
    """Lower quartile, median, upper quartile."""
    if len(values) == 1:
        return values * 3
    return [round(value, 3) for value in statistics.quantiles(values, n=4, method="inclusive")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("programs", nargs="+", metavar="NAME=COMMAND")
    arguments = parser.parse_args()
    workers = [Worker(*program.split("=", 1)) for program in arguments.programs]
    for _ in range(arguments.rounds):
        for worker in workers:
            worker.measure()
    first = workers[0]
    result = {}
    for worker in workers:
        worker.close()
        result[worker.name] = {
            "steps_per_second": quartiles(worker.rates),
            "steps_per_cpu_second": quartiles(worker.cpu_rates),
            "compile_seconds": round(worker.ready["compile_seconds"], 2),
            "first_is_faster_by": quartiles(
                [mine / other for mine, other in zip(first.rates, worker.rates, strict=True)]
            ),
        }
    json.dump(result, sys.stdout)
    print()


if __name__ == "__main__":
    main()
