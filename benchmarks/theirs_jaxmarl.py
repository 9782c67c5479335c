"""JaxMARL's side of the comparisons: for speed a worker with the same protocol as `ours.py`, for learning one JSON object.

Set-up (a virtual environment of its own):
    python3.11 -m venv V && V/bin/pip install jaxmarl==0.2.0 jax==0.10.2 flax==0.12.8 distrax==0.1.9 \
        flashbax==0.1.3 wandb==0.31.0 hydra-core==1.3.8 omegaconf==2.3.1 optax==0.2.8
The baselines are not in the wheel: PEER_REPO must name a checkout of FLAIROx/JaxMARL (commit c793d09); it is only imported.
    PEER_REPO=… V/bin/python benchmarks/theirs_jaxmarl.py train:ippo:64
    PEER_REPO=… V/bin/python benchmarks/theirs_jaxmarl.py learn:ippo:16 '{"seeds": 10, "steps": 1000000}'
"""

import contextlib
import importlib
import json
import os
import sys
import time

import jax

TRAIN = {
    "ippo": ("baselines.IPPO.ippo_ff_mpe", "IPPO/config/ippo_ff_mpe.yaml"),
    "mappo-recurrent": ("baselines.MAPPO.mappo_rnn_mpe", "MAPPO/config/mappo_homogenous_rnn_mpe.yaml"),
}
LENGTH = 128  # steps gathered from each game per update, as in their settings


def baseline(name: str):
    """Their module and their own settings, numbers as numbers."""
    import wandb
    import yaml

    wandb.init(mode="disabled")
    repository = os.environ["PEER_REPO"]
    sys.path.append(repository)
    module, settings = TRAIN[name]
    with open(os.path.join(repository, "baselines", settings)) as file:
        config = yaml.safe_load(file)
    for key, value in config.items():
        if isinstance(value, str):
            with contextlib.suppress(ValueError):
                config[key] = float(value)
    return importlib.import_module(module), config


def training(name: str, batch: int, extra: dict):
    module, config = baseline(name)
    updates = extra.pop("updates", max(2, 1024 // batch))
    config.update(NUM_ENVS=batch, NUM_STEPS=LENGTH, TOTAL_TIMESTEPS=batch * LENGTH * updates, **extra)
    compiled = jax.jit(module.make_train(config)).lower(jax.random.PRNGKey(0)).compile()
    return batch * LENGTH * updates, lambda: jax.block_until_ready(compiled(jax.random.PRNGKey(0)))


def learning(name: str, batch: int, extra: dict) -> dict:
    """Mean return (over agents, undiscounted) of the episodes that ended in each update: {"steps", "curves"[seed][update]}.

    Their log shows the latest episode of each game, times the number of agents; a log of our own beside their training
    code counts each episode once, in the update in which it ended. Nothing else is changed.
    """
    module, config = baseline(name)
    seeds, steps = extra.pop("seeds", 10), extra.pop("steps", 1_000_000)
    config.update(NUM_ENVS=batch, NUM_STEPS=LENGTH, TOTAL_TIMESTEPS=steps, **extra)
    wrapper = importlib.import_module("jaxmarl.wrappers.baselines").LogWrapper

    class Ended(wrapper):
        def step(self, key, state, action):
            seen, after, reward, done, info = super().step(key, state, action)
            ended = info["returned_episode"]
            return seen, after, reward, done, {"sum": after.returned_episode_returns * ended, "ended": ended}

    module.LogWrapper = Ended
    train = jax.jit(module.make_train(config))
    curves = []
    for seed in range(seeds):
        measured = train(jax.random.PRNGKey(seed))["metrics"]
        curves.append((measured["sum"] / measured["ended"]).tolist())
        print(f"jaxmarl seed {seed}: last return {curves[-1][-1]:.2f}", file=sys.stderr, flush=True)
    return {"steps": [batch * LENGTH * (update + 1) for update in range(len(curves[0]))], "curves": curves}


def stepping(name: str, batch: int, length: int = 256):
    import jaxmarl

    env = jaxmarl.make(name)

    def run(key):
        start, key = jax.random.split(key)
        _, state = jax.vmap(env.reset)(jax.random.split(start, batch))

        def body(carry, _):
            state, key = carry
            key, act, step = jax.random.split(key, 3)
            keys = jax.random.split(act, env.num_agents)
            actions = {
                agent: jax.random.randint(keys[index], (batch,), 0, env.action_space(agent).n)
                for index, agent in enumerate(env.agents)
            }
            seen, state, reward, _, _ = jax.vmap(env.step)(jax.random.split(step, batch), state, actions)
            return (state, key), sum(r.mean() for r in reward.values()) + sum(seen[a].mean() for a in env.agents)

        return jax.lax.scan(body, (state, key), None, length)[1].sum()

    compiled = jax.jit(run).lower(jax.random.PRNGKey(0)).compile()
    return batch * length, lambda: jax.block_until_ready(compiled(jax.random.PRNGKey(1)))


def main() -> None:
    kind, name, batch = sys.argv[1].split(":")
    extra = json.loads(sys.argv[2]) if len(sys.argv) > 2 else {}
    if kind == "learn":
        print(json.dumps(learning(name, int(batch), extra)))
        return
    began = time.perf_counter()
    steps, measure = training(name, int(batch), extra) if kind == "train" else stepping(name, int(batch))
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
