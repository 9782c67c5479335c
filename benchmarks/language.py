"""GRPO on SmolLM2-135M with adapters, on a processor: ours against TRL's `GRPOTrainer`, the same task, batch and precision.

    TRL_PYTHON=V/bin/python python benchmarks/language.py [--rounds 5] [--group 8] [--tasks 1] [--limit 16]   # the table
    python benchmarks/language.py worker ours '{"group": 8}'                                     # one worker

`theirs_trl.py` says how to set up V. A step draws `tasks` × `group` answers of up to `limit` tokens, scores them and makes
one update of adapters (rank 8 on q, k, v, o). Counted are the tokens of all sequences, questions included, as often as they
stand in a sequence, for both. Workers take turns, one thread each; CPU seconds are compared.
"""

import argparse
import json
import os
import resource
import statistics
import sys
import time
from pathlib import Path

from interplay.lm.scene import Scene, workflow

HERE = Path(__file__).parent
ANIMALS = ["cats", "dogs", "whales", "owls", "bees", "frogs", "wolves", "horses", "ants", "bears"]
ROLE = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"  # what its template says by itself
SIZES = {"group": 8, "tasks": 1, "limit": 16, "precision": "float32"}


def question(animal: str) -> str:
    """What both are asked, word for word."""
    return f"Tell me one surprising fact about {animal} in a short sentence."


def worth(answer: str) -> float:
    """The share of the letter e: cheap, and seldom the same twice."""
    return answer.count("e") / max(len(answer), 1)


def scene(limit: int = 16) -> Scene:
    """One who answers."""

    @workflow("speaker")
    async def alone(team, animal: str) -> float:
        return worth((await team.say("speaker", question(animal))).text)

    draw = lambda random: ANIMALS[int(random.integers(len(ANIMALS)))]
    return Scene("facts", ("speaker",), alone, draw, roles={"speaker": ROLE}, limits={"speaker": limit})


def ours(group: int, tasks: int, limit: int, precision: str):
    """A function that makes one step and returns its tokens."""
    from interplay.methods.baselines import grpo
    from interplay.run import devices

    settings = grpo.Settings(
        game=f"language:scene(limit={limit})", model="smollm2", precision=precision, tasks=tasks, group=group, rate=1e-5
    )
    method = grpo.build(settings)
    state = [method.init(devices.starting_key(0)), 0]
    codec = method.game.model.codec  # type: ignore[attr-defined]
    frame = [codec.opening("speaker", ROLE), codec.before("world"), codec.after(False), codec.reply("speaker")]
    asked = sum(map(len, frame)) + statistics.mean(len(codec.encode(question(animal))) for animal in ANIMALS)

    def step() -> float:
        state[0], told = method.step(state[0], devices.update_key(0, state[1]))
        state[1] += 1
        return tasks * group * (asked + float(told["tokens"]))

    return step


def work(name: str, extra: dict) -> None:
    """Answer each line that comes in with one measurement."""
    began = time.perf_counter()
    step = ours(**{**SIZES, **extra})
    step()
    print(json.dumps({"steps": 1, "compile_seconds": time.perf_counter() - began}), flush=True)
    for _ in sys.stdin:
        wall, cpu = time.perf_counter(), time.process_time()
        tokens = step()
        spent = {"seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - cpu, "tokens": tokens}
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps(spent | {"peak_mb": peak}), flush=True)


def measured(commands: dict[str, str], rounds: int) -> dict:
    """Tokens per CPU second of each, turn and turn about."""
    from compare import Worker, quartiles

    workers = [Worker(name, command) for name, command in commands.items()]
    told: dict[str, list[dict]] = {worker.name: [] for worker in workers}
    try:
        for _ in range(rounds):
            for worker in workers:
                assert worker.process.stdin is not None
                worker.process.stdin.write("go\n")
                worker.process.stdin.flush()
                told[worker.name].append(worker._read())
    finally:
        for worker in workers:
            worker.close()
    rate = lambda name: [one["tokens"] / one["cpu_seconds"] for one in told[name]]
    names = list(commands)
    return {
        name: {
            "tokens_per_cpu_second": quartiles(rate(name)),
            "cpu_seconds": round(statistics.median(one["cpu_seconds"] for one in told[name]), 2),
            "tokens": round(statistics.median(one["tokens"] for one in told[name])),
            "peak_mb": round(max(one["peak_mb"] for one in told[name])),
            "first_is_faster_by": quartiles([a / b for a, b in zip(rate(names[0]), rate(name), strict=True)]),
        }
        for name in names
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="ours,theirs,bfloat16")
    for name in ("group", "tasks", "limit"):
        parser.add_argument(f"--{name}", type=int, default=SIZES[name])
    given = parser.parse_args()
    extra = {name: getattr(given, name) for name in ("group", "tasks", "limit")}
    os.environ |= {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    command = lambda python, script, extra: f"{python} {HERE / script} worker ours '{json.dumps(extra)}'"
    commands = {
        "ours": command(sys.executable, "language.py", extra),
        "theirs": command(os.environ.get("TRL_PYTHON", ""), "theirs_trl.py", extra),
        "bfloat16": command(sys.executable, "language.py", {**extra, "precision": "bfloat16"}),
    }
    chosen = {name: commands[name] for name in given.only.split(",")}
    print(json.dumps(measured(chosen, given.rounds), indent=1))


if __name__ == "__main__":
    if sys.argv[1:2] == ["worker"]:
        work(sys.argv[2], json.loads(sys.argv[3]) if len(sys.argv) > 3 else {})
    else:
        main()
