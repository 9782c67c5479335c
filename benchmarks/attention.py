"""One update's forward and backward pass of CMAT and MAT: ours against the same network written plainly in PyTorch.

    TORCH_PYTHON=V/bin/python python benchmarks/attention.py [--rounds 7]        # the table
    python benchmarks/attention.py worker ours:cmat:5                            # one worker, for compare.py

V is a virtual environment with `pip install torch==2.13.0 numpy`. Sizes are the source's: width 64, one block, one head, 64
games of 25 steps. A row is one joint decision. The workers take turns, with one thread each, and CPU seconds are compared.
PyTorch decodes the plan as the published code does, all slots anew at every step; MAT is judged in one pass by both.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path

ROWS, WIDTH, FEATURES, ACTIONS = 1600, 64, 30, 5
HERE = Path(__file__).parent


def ours(name: str, agents: int):
    """A function that runs one gradient of our team at ROWS rows, in the blocks that training uses."""
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    import equinox as eqx
    import jax
    import jax.numpy as jnp

    from interplay import games
    from interplay.nets.autoregressive import sequential
    from interplay.nets.consensus import consensus

    game, key = games.make(f"spread(agents={agents})"), jax.random.key(0)
    size = {"width": WIDTH, "blocks": 1, "heads": 1}
    team = consensus(game.spec, key, rounds=agents, **size) if name == "cmat" else sequential(game.spec, key, **size)
    seen = jax.vmap(game.reset)(jax.random.split(key, ROWS))[1]
    decided = jax.jit(jax.vmap(lambda one, key: team.act((), one, key)[1]))(seen, jax.random.split(key, ROWS))
    weights, rest = eqx.partition(team, eqx.is_inexact_array)

    def loss(weights, rows):
        judged = jax.vmap(lambda one, done: eqx.combine(weights, rest).evaluate((), one, done)[1])(*rows)
        return (judged.log_prob.sum() + jnp.square(judged.value).sum() + judged.entropy.sum()) / ROWS

    def whole(weights, rows):
        blocks = jax.tree.map(lambda leaf: leaf.reshape(8, ROWS // 8, *leaf.shape[1:]), rows)
        add = lambda total, some: (jax.tree.map(jnp.add, total, jax.grad(loss)(weights, some)), None)
        return jax.lax.scan(add, jax.tree.map(jnp.zeros_like, weights), blocks)[0]

    step = jax.jit(whole)
    return lambda: jax.block_until_ready(step(weights, (seen, decided)))


def plain(name: str, agents: int):
    """The same in PyTorch."""
    import torch
    from torch import nn

    torch.set_num_threads(1)
    torch.manual_seed(0)
    d = WIDTH

    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.q, self.k, self.v, self.o = (nn.Linear(d, d) for _ in range(4))

        def forward(self, q, kv, causal=False):
            weights = self.q(q) @ self.k(kv).transpose(-1, -2) / d**0.5
            if causal:
                weights = weights.masked_fill(torch.triu(torch.ones(weights.shape[-2:], dtype=torch.bool), 1), -1e9)
            return self.o(weights.softmax(-1) @ self.v(kv))

    feed = lambda: nn.Sequential(nn.Linear(d, d), nn.GELU(), nn.Linear(d, d))
    head = lambda inputs, outputs: nn.Sequential(
        nn.LayerNorm(inputs), nn.Linear(inputs, d), nn.GELU(), nn.LayerNorm(d), nn.Linear(d, outputs)
    )
    norms = nn.ModuleList(nn.LayerNorm(d) for _ in range(6))
    own, mine, cross = Attention(), Attention(), Attention()
    feeds, embed = nn.ModuleList((feed(), feed())), nn.Linear(FEATURES, d)
    value, gate, project, policy = head(d, 1), head(d, 1), head(d, d), head(2 * d, ACTIONS)
    squeeze, narrow, prefix_head = nn.Linear(d, d), nn.Linear(d, 4), head(4 * d, d)
    tokens_in, simple = nn.Linear(ACTIONS + 1, d), head(d, ACTIONS)
    used = [
        norms,
        own,
        mine,
        cross,
        feeds,
        embed,
        value,
        gate,
        project,
        policy,
        squeeze,
        narrow,
        prefix_head,
        tokens_in,
        simple,
    ]
    parameters = [weight for module in used for weight in module.parameters()]
    seen = torch.randn(ROWS, agents, FEATURES)
    action = torch.randint(ACTIONS, (ROWS, agents))
    tokens = torch.randn(ROWS, agents, ACTIONS + 1)

    def consensus():
        x = norms[0](nn.functional.gelu(embed(seen)))
        x = norms[1](x + own(x, x))
        rep = norms[5](x + feeds[0](x))
        weights = narrow(torch.tanh(squeeze(rep))).softmax(1)
        prefix = prefix_head((weights.transpose(1, 2) @ rep).flatten(1))
        plan = torch.cat([prefix[:, None], torch.zeros(ROWS, agents - 1, d)], 1)
        for step in range(agents):
            h = norms[2](plan)
            h = norms[3](h + mine(h, h, causal=True))
            h = norms[4](h + cross(h, rep))
            h = project(h + feeds[1](h))
            if step < agents - 1:
                plan = torch.cat([plan[:, : step + 1], h[:, step:-1]], 1)
        plan = torch.cat([plan, h[:, -1:]], 1)
        agreed = (gate(plan).softmax(1) * plan).sum(1, keepdim=True).expand(-1, agents, -1)
        return policy(torch.cat([rep, agreed], -1)), value(prefix)

    def sequential():
        x = norms[0](nn.functional.gelu(embed(seen)))
        x = norms[1](x + own(x, x))
        rep = norms[2](x + feeds[0](x))
        x = nn.functional.gelu(tokens_in(tokens))
        x = norms[3](x + mine(x, x, causal=True))
        x = norms[4](rep + cross(rep, x, causal=True))
        return simple(norms[5](x + feeds[1](x))), value(rep)

    network = consensus if name == "cmat" else sequential

    def step():
        for weight in parameters:
            weight.grad = None
        logits, worth = network()
        chances = logits.log_softmax(-1)
        chosen = chances.gather(-1, action[..., None]).sum()
        ((chosen + worth.square().sum() - (chances.exp() * chances).sum()) / ROWS).backward()

    return step


def work(task: str) -> None:
    """A worker as compare.py wants it: one measurement of several passes per line read."""
    kind, name, agents = task.split(":")
    began = time.perf_counter()
    step = (ours if kind == "ours" else plain)(name, int(agents))
    step()
    print(json.dumps({"ready": True, "steps": 4 * ROWS, "compile_seconds": time.perf_counter() - began}), flush=True)
    for _ in sys.stdin:
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(4):
            step()
        spent = {"seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - cpu}
        print(json.dumps(spent), flush=True)


def main() -> None:
    if sys.argv[1:2] == ["worker"]:
        work(sys.argv[2])
        return
    from compare import compare

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    asked = parser.parse_args()
    for name in ("cmat", "mat"):
        for agents in (3, 5):
            command = f"{HERE / 'attention.py'} worker"
            both = compare(
                {
                    "ours": f"{sys.executable} {command} ours:{name}:{agents}",
                    "torch": f"{os.environ['TORCH_PYTHON']} {command} torch:{name}:{agents}",
                },
                asked.rounds,
            )
            print(json.dumps({"network": name, "agents": agents, **both}), flush=True)


if __name__ == "__main__":
    main()
