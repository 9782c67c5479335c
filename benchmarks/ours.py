"""Our side of the speed comparisons: a worker that trains or steps when told to, see `compare.py`.

    python benchmarks/ours.py train:ippo:spread:64        # then one line "go" per measurement on standard input

Compile time is counted from the first of our own imports to the end of compiling; neither side's counts importing JAX.
"""

import json
import sys
import time

import jax

AS_THE_PEERS = {"length": 128, "passes": 4, "minibatches": 4, "width": 64, "depth": 2}


def training(method: str, game: str, batch: int, extra: dict):
    """Compile training and return (steps per measurement, function that runs one measurement)."""
    from interplay import methods
    from interplay.run import devices, training

    devices.prepare()
    seeds = extra.pop("seeds", 1)
    updates = extra.pop("updates", max(2, 1024 // batch))
    settings = methods.settings(method, game=game, batch=batch, **{**AS_THE_PEERS, **extra})
    layout = devices.choose(training.build(method, settings), tuple(range(seeds)))
    held = {"state": layout.compile(layout.init()), "update": 0}

    def measure():
        left = updates
        while left:
            count = min(left, devices.CHUNK)
            held["state"], metrics = layout.advance(held["state"], held["update"], count)
            held["update"] += count
            left -= count
        return float(metrics["loss"][-1, 0])

    return updates * batch * 128 * seeds, measure


def stepping(game: str, batch: int, length: int = 256):
    """Compile random play of a pure game, resets included, and return (steps, function)."""
    from interplay import games
    from interplay.run import devices

    devices.prepare(1)
    made = games.make(game)

    def run(key):
        start, key = jax.random.split(key)
        state, seen = jax.vmap(made.reset)(jax.random.split(start, batch))

        def body(carry, key):
            state, seen = carry
            act, step, again = jax.random.split(key, 3)
            action = jax.random.randint(act, (batch, made.spec.agents), 0, made.spec.action.width)
            state, seen = jax.vmap(made.step)(state, action, jax.random.split(step, batch))
            done = seen.terminated | seen.truncated

            def fresh():
                new = jax.vmap(made.reset)(jax.random.split(again, batch))
                pick = lambda new, old: jax.numpy.where(done.reshape(done.shape + (1,) * (old.ndim - 1)), new, old)
                return jax.tree.map(pick, new, (state, seen))

            reward = seen.reward.mean()
            state, seen = jax.lax.cond(done.any(), fresh, lambda: (state, seen))
            return (state, seen), reward + seen.observation.mean()

        return jax.lax.scan(body, (state, seen), jax.random.split(key, length))[1].sum()

    compiled = jax.jit(run).lower(jax.random.key(0)).compile()
    return batch * length, lambda: float(compiled(jax.random.key(1)))


def main() -> None:
    kind, *rest = sys.argv[1].split(":", 3)
    extra = json.loads(sys.argv[2]) if len(sys.argv) > 2 else {}
    began = time.perf_counter()
    if kind == "train":
        steps, measure = training(rest[0], rest[1], int(rest[2]), extra)
    else:
        steps, measure = stepping(rest[0], int(rest[1]))
    compiled = time.perf_counter() - began
    measure()
    print(json.dumps({"ready": True, "steps": steps, "compile_seconds": compiled}), flush=True)
    for _ in sys.stdin:
        wall, cpu = time.perf_counter(), time.process_time()
        measure()
        spent = {"seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - cpu}
        print(json.dumps(spent), flush=True)


if __name__ == "__main__":
    main()
