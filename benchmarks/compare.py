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
        self.name, self.command = name, command
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
        raise RuntimeError(f"{self.name} stopped before it answered: run `{self.command}` by hand to see why")

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


def quartiles(values: list[float]) -> list[float]:
    """Lower quartile, median, upper quartile."""
    if len(values) == 1:
        return values * 3
    return [round(value, 3) for value in statistics.quantiles(values, n=4, method="inclusive")]


def compare(programs: dict[str, str], rounds: int) -> dict[str, dict]:
    """Time the commands in `programs` against each other: what `main` prints. Raises `RuntimeError` if one stops."""
    workers: list[Worker] = []
    try:
        for name, command in programs.items():
            workers.append(Worker(name, command))
        for _ in range(rounds):
            for worker in workers:
                worker.measure()
    finally:
        for worker in workers:
            worker.close()
    return {worker.name: summary(worker, workers[0]) for worker in workers}


def summary(worker: Worker, first: Worker) -> dict:
    """What one worker came to, and how much faster than it the first was, round by round."""
    return {
        "steps_per_second": quartiles(worker.rates),
        "steps_per_cpu_second": quartiles(worker.cpu_rates),
        "compile_seconds": round(worker.ready["compile_seconds"], 2),
        "first_is_faster_by": quartiles([mine / other for mine, other in zip(first.rates, worker.rates, strict=True)]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("programs", nargs="+", metavar="NAME=COMMAND")
    arguments = parser.parse_args()
    programs = dict(program.split("=", 1) for program in arguments.programs)
    json.dump(compare(programs, arguments.rounds), sys.stdout)
    print()


if __name__ == "__main__":
    main()
