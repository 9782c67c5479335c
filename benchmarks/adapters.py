"""What the array adapters cost beside the environments they wrap.

Both sides play the same compiled loop: a random policy over `--games` games, `--length` steps recorded a call, episodes
started again in steps where one ended. The raw side keeps the environment's own dicts, steps with `step_env` (no
restart inside) and asks for the legal actions where the environment has them, as its users must. Rounds alternate and
swap order; the ratio is adapter over raw processor time, so below 1 means that the adapter is faster.

    python benchmarks/adapters.py [--rounds 31] [--games 64] [--length 256] [--only smax/3m]

Prints one JSON line a game: {"game", "ratio", "low", "high", "wall_ratio", "rounds", "steps_per_cpu_second"}; `low` and
`high` are the 25 % and 75 % points of the rounds' ratios.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from interplay import games


class Side(NamedTuple):
    """One way to play: `reset(key) → (state, seen, legal)`, `step(state, action, key) → (state, seen, legal, done)`."""

    reset: Callable[..., Any]
    step: Callable[..., Any]


def adapted(game: Any) -> Side:
    """Our side: everything seen is one `TimeStep`."""

    def reset(key):
        state, seen = game.reset(key)
        return state, seen, seen.legal

    def step(state, action, key):
        state, seen = game.step(state, action, key)
        return state, seen, seen.legal, seen.terminated | seen.truncated

    return Side(reset, step)


def raw_jaxmarl(game: Any) -> Side:
    """jaxmarl's own dicts; `legal` is None where every action always is."""
    env = game.env
    masked = hasattr(env, "enemy_agents")

    def legal(state):
        if not masked:
            return None
        rows = env.get_avail_actions(state)
        return jnp.stack([rows[agent] for agent in env.agents])

    def reset(key):
        seen, state = env.reset(key)
        none = dict.fromkeys(env.agents, jnp.zeros(()))
        ended = dict.fromkeys((*env.agents, "__all__"), jnp.array(False))
        return state, (seen, none, ended), legal(state)

    def step(state, action, key):
        seen, state, reward, done, _ = env.step_env(key, state, dict(zip(env.agents, action, strict=True)))
        return state, (seen, reward, done), legal(state), done["__all__"]

    return Side(reset, step)


def raw_jumanji(game: Any) -> Side:
    """jumanji's own time steps, without `extras`, which nobody learns from."""
    env = game.env

    def reset(key):
        state, seen = env.reset(key)
        return state, (seen.observation, seen.reward, seen.discount, seen.step_type), seen.observation.action_mask

    def step(state, action, key):
        state, seen = env.step(state, action)
        kept = (seen.observation, seen.reward, seen.discount, seen.step_type)
        return state, kept, seen.observation.action_mask, seen.last()

    return Side(reset, step)


def play(side: Side, shape: tuple[int, int], length: int, games_count: int) -> Callable[..., Any]:
    """A compiled stretch of play: `(carry, key) → (carry, record)`; `shape` is (agents, actions)."""

    def advance(carry, key):
        state, seen, legal = carry
        act_key, step_key, reset_key = jax.random.split(key, 3)
        score = jax.random.bits(act_key, (games_count, *shape), jnp.uint16).astype(jnp.int32) + 1
        action = jnp.argmax(score if legal is None else score * legal, -1)
        state, seen, legal, done = jax.vmap(side.step)(state, action, jax.random.split(step_key, games_count))

        def again():
            fresh = jax.vmap(side.reset)(jax.random.split(reset_key, games_count))
            return jax.tree.map(lambda new, old: _pick(done, new, old), fresh, (state, seen, legal))

        return jax.lax.cond(done.any(), again, lambda: (state, seen, legal)), seen

    return jax.jit(lambda carry, key: jax.lax.scan(advance, carry, jax.random.split(key, length)))


def _pick(done, new, old):
    if jnp.issubdtype(old.dtype, jax.dtypes.prng_key):
        return jnp.where(done, new, old)
    return jnp.where(done.reshape(done.shape + (1,) * (old.ndim - 1)), new, old).astype(old.dtype)


def rounds(sides: list[Callable[[], Any]], count: int) -> Iterator[list[tuple[float, float]]]:
    """(processor seconds, wall seconds) of each side, `count` times, in an order that swaps from round to round."""
    for index in range(count):
        spent: dict[int, tuple[float, float]] = {}
        for side in range(len(sides)) if index % 2 else reversed(range(len(sides))):
            processor, wall = time.process_time(), time.perf_counter()
            jax.block_until_ready(sides[side]())
            spent[side] = (time.process_time() - processor, time.perf_counter() - wall)
        yield [spent[side] for side in range(len(sides))]


def compare(name: str, raw: Callable[[Any], Side], arguments: argparse.Namespace) -> dict[str, Any]:
    """The cost of `name` through its adapter over its cost without."""
    game = games.make(name)
    shape = (game.spec.agents, game.spec.action.width)
    key = jax.random.key(0)
    calls = []
    for side in (adapted(game), raw(game)):
        stretch = play(side, shape, arguments.length, arguments.games)
        carry = jax.jit(jax.vmap(side.reset))(jax.random.split(key, arguments.games))
        carry, _ = jax.block_until_ready(stretch(carry, key))
        calls.append(lambda stretch=stretch, carry=carry: stretch(carry, key))
    spent = np.array(list(rounds(calls, arguments.rounds)))  # round, side, clock
    ratio = spent[:, 0] / spent[:, 1]
    low, middle, high = np.quantile(ratio[:, 0], [0.25, 0.5, 0.75])
    return {
        "game": name,
        "ratio": round(float(middle), 3),
        "low": round(float(low), 3),
        "high": round(float(high), 3),
        "wall_ratio": round(float(np.median(ratio[:, 1])), 3),
        "rounds": arguments.rounds,
        "steps_per_cpu_second": int(arguments.games * arguments.length / np.median(spent[:, 0, 0])),
    }


COMPARED = {
    "jaxmarl:mpe/simple_spread_v3": raw_jaxmarl,
    "jaxmarl:smax/3m": raw_jaxmarl,
    "jumanji:LevelBasedForaging-v0": raw_jumanji,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--games", type=int, default=64)
    parser.add_argument("--length", type=int, default=256)
    parser.add_argument("--only", default="", help="part of the name of the game to compare")
    arguments = parser.parse_args()
    for name, raw in COMPARED.items():
        if arguments.only in name:
            print(json.dumps(compare(name, raw, arguments)), flush=True)


if __name__ == "__main__":
    main()
