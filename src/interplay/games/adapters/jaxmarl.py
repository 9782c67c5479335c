"""jaxmarl's environments as games, for example `jaxmarl:smax/2s3z` or `jaxmarl:overcooked/cramped_room`.

jaxmarl keeps a dict per agent and starts again by itself. Here agents are rows of an array, narrower ones padded, the
episode ends once (`step_env`), and an end is told apart from the clock. `jaxmarl:ID` takes any other registered
environment, for example `jaxmarl:switch_riddle` or `jaxmarl:hanabi`. Keys and actions go through unchanged, so that
the same ones give jaxmarl's own numbers.
"""

import contextlib
import difflib
import io
import sys
import warnings
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, PyTree

from interplay.core.errors import InputError
from interplay.core.game import Box, Discrete, Game, Spec, TimeStep, opening, outcome
from interplay.games.adapters import jaxmarl_pictures as pictures
from interplay.games.adapters.settle import settled


@contextlib.contextmanager
def _quiet():
    """jaxmarl prints while it is imported, and puts back the interpreter's streams where others may have put theirs."""
    streams = {name: getattr(sys, name) for name in ("stdout", "stderr", "__stdout__")}
    nowhere = io.StringIO()
    for name in ("stdout", "__stdout__"):
        setattr(sys, name, nowhere)
    try:
        yield
    finally:
        for name, stream in streams.items():
            setattr(sys, name, stream)


with _quiet():
    import jaxmarl
    import jaxmarl.environments as kinds
    from jaxmarl.environments.multi_agent_env import MultiAgentEnv
    from jaxmarl.environments.overcooked.layouts import overcooked_layouts
    from jaxmarl.environments.smax.smax_env import MAP_NAME_TO_SCENARIO

ENDLESS = 1000  # steps until a game is cut that has no limit of its own and was given no horizon
MISSING = ("JaxRobotarium", "LearnedPolicy")  # need a package outside PyPI, or a policy that no name can give
UNFIT = ("storm",)  # its inventories are not one per agent
BRAX = ("ant_4x2", "halfcheetah_6x1", "hopper_3x1", "humanoid_9|8", "walker2d_2x3")


class State(eqx.Module):
    """jaxmarl's own state and the steps since the start, which not every environment counts."""

    inner: PyTree[Array]
    clock: Int[Array, ""]


class Rules(NamedTuple):
    """What jaxmarl has no common word for, one set per family of environments.

    `limit(env)`: the longest episode the environment allows, None where it has no clock. `ended(env, before, action,
    after)`: whether the episode is over for a reason other than time, None where only time ends it before `limit`.
    `active(env, inner, legal)`: who can still act, None where everybody can. `draw(env, inner)`: the picture.
    """

    limit: Callable[[Any], int | None]
    ended: Callable[[Any, Any, Array, Any], Array] | None = None
    active: Callable[[Any, Any, Array], Array] | None = None
    draw: Callable[[Any, Any], str] = pictures.numbers


class JaxmarlGame(Game[State]):
    """One jaxmarl environment. `shaping` weighs the shaped reward that some environments report beside the true one."""

    spec: Spec
    env: Any = eqx.field(static=True)
    rules: Rules = eqx.field(static=True)
    limit: int | None = eqx.field(static=True)
    bounds: tuple[tuple[tuple[float, ...], ...], ...] | None = eqx.field(static=True)
    shaping: float = eqx.field(static=True, default=0.0)

    def reset(self, key: PRNGKeyArray) -> tuple[State, TimeStep]:
        observation, inner = self.env.reset(key)
        inner = settled(inner, inner)
        seen = self._see(observation, inner, None, jnp.array(False))
        return State(inner, jnp.zeros((), jnp.int32)), TimeStep(**seen, **opening(self.spec))

    def step(self, state: State, action: PyTree[Array], key: PRNGKeyArray) -> tuple[State, TimeStep]:
        actions = dict(zip(self.env.agents, self._scale(action), strict=True))
        observation, inner, reward, done, info = self.env.step_env(key, state.inner, actions)
        inner = settled(inner, state.inner)
        clock, over = state.clock + 1, jnp.asarray(done["__all__"], bool)
        if self.rules.ended is not None:
            ended = self.rules.ended(self.env, state.inner, action, inner)
        else:  # an end before the limit has another reason than time
            ended = over if self.limit is None else over & (clock < self.limit)
        total = self._rows(reward)
        if self.shaping:
            total = total + self.shaping * self._rows(info["shaped_reward"])
        late = (over | (clock >= self.spec.horizon)) & ~ended
        seen = self._see(observation, inner, done, over)
        return State(inner, clock), TimeStep(**seen, **outcome(total, over & ended, late))

    def draw(self, state: State) -> str:
        return self.rules.draw(self.env, jax.device_get(state.inner))

    def _see(self, observation, inner, done, over) -> dict[str, Array]:
        legal = self._legal(inner)
        joined = _stack([_flat(row) for row in _by_agent(self.env, observation)], self.spec.observation)
        if self.rules.active is not None:
            active = self.rules.active(self.env, inner, legal)
        elif done is None or not all(agent in done for agent in self.env.agents):
            active = jnp.ones(self.spec.agents, bool)
        else:  # everybody is done when the episode is over, which does not say who was out before
            active = ~jnp.stack([jnp.asarray(done[agent], bool) for agent in self.env.agents]) | over
        joined = jnp.where(active[:, None], joined, 0.0)
        return {
            "observation": joined,
            "legal": legal,
            "active": active,
            "shared": _shared(self.env, observation, inner),
        }

    def _legal(self, inner) -> Bool[Array, "agent action"]:
        exists = np.arange(self.spec.action.width) < np.array(self.spec.action_sizes)[:, None]
        mask = _mask(self.env)
        if mask is None or isinstance(self.spec.action, Box):
            return jnp.asarray(exists)
        rows = mask(inner)
        return _stack([jnp.asarray(rows[agent], bool) for agent in self.env.agents], self.spec.action.width)

    def _scale(self, action: Array) -> list[Array]:
        if self.bounds is not None:
            low, high = (jnp.array(bound) for bound in self.bounds)
            action = low + (jnp.clip(action, -1.0, 1.0) + 1.0) * (high - low) / 2
        elif isinstance(self.spec.action, Box):
            action = jnp.clip(action, self.spec.action.low, self.spec.action.high)
        if isinstance(self.spec.action, Discrete):
            return list(action)
        return [row[:size] for row, size in zip(action, self.spec.action_sizes, strict=True)]

    def _rows(self, values) -> Float[Array, "agent"]:
        if isinstance(values, Mapping):
            values = [values[agent] for agent in self.env.agents]
        return jnp.stack([jnp.asarray(value, jnp.float32).reshape(()) for value in values])


def make(rest: str, horizon: int | None = None, shaping: float = 0.0, **parameters: Any) -> JaxmarlGame:
    """The game that jaxmarl calls `rest`: `mpe/TASK`, `smax/SCENARIO`, `overcooked/LAYOUT`, or a registered id.

    `horizon` cuts episodes (truncation) before jaxmarl would; `shaping` adds that much of the shaped reward where an
    environment reports one (Overcooked); everything else goes to the environment, for example `num_agents=5` or
    `action_type="Continuous"`. SMAX is played against the scripted enemy. Raises `InputError` with the nearest names
    where there is no such environment and with the reason where it does not fit.

        >>> make("smax/2s3z").spec.agents
        5

    Source: Rutherford et al., "JaxMARL: Multi-Agent RL Environments and Algorithms in JAX" (2024).
    """
    env = _build(rest, parameters)
    rules = _rules(env)
    limit = rules.limit(env)
    if horizon is not None and (not isinstance(horizon, int) or horizon < 1):
        raise InputError(f"horizon is {horizon!r}: give a number of steps, at least 1")
    longest = min(length for length in (limit, horizon, None if limit or horizon else ENDLESS) if length is not None)
    try:
        spec, bounds = _spec(env, longest)
    except InputError as unfit:
        raise InputError(f"'jaxmarl:{rest}' does not fit: {unfit}") from None
    game = JaxmarlGame(spec, env, rules, limit, bounds, float(shaping))
    if shaping and "shaped_reward" not in _information(game):
        raise InputError(f"'jaxmarl:{rest}' reports no shaped reward: leave `shaping` out")
    return game


def names() -> list[str]:
    """Everything `make` takes: the families with all their members, then the other registered ids."""
    families = [f"{family}/{member}" for family, (members, _) in FAMILIES.items() for member in members()]
    covered = {*(f"MPE_{task}" for task in _tasks()), *BRAX, *UNFIT, "HeuristicEnemySMAX", "overcooked"}
    others = (name for name in jaxmarl.registered_envs if name not in covered and not name.startswith(MISSING))
    return [*families, *others]


def _tasks() -> list[str]:
    return [name.removeprefix("MPE_") for name in jaxmarl.registered_envs if name.startswith("MPE_")]


FAMILIES: dict[str, tuple[Callable[[], list[str]], Callable[[str], tuple[str, dict[str, Any]]]]] = {
    # family -> (its members, member -> jaxmarl's id and arguments)
    "mpe": (_tasks, lambda task: (f"MPE_{task}", {})),
    "smax": (
        lambda: list(MAP_NAME_TO_SCENARIO),
        lambda scenario: ("HeuristicEnemySMAX", {"scenario": MAP_NAME_TO_SCENARIO[scenario]}),
    ),
    "overcooked": (
        lambda: list(overcooked_layouts),
        lambda layout: ("overcooked", {"layout": overcooked_layouts[layout]}),
    ),
}


def _build(rest: str, parameters: dict[str, Any]) -> MultiAgentEnv:
    family, slash, member = rest.partition("/")
    if slash and family in FAMILIES:
        members, locate = FAMILIES[family]
        if member not in members():
            raise InputError(_unknown(f"{family}/{member}", [f"{family}/{name}" for name in members()]))
        name, given = locate(member)
    elif rest in jaxmarl.registered_envs:
        name, given = rest, {}
    else:
        raise InputError(_unknown(rest, [*names(), *jaxmarl.registered_envs]))
    arguments = {**given, **parameters}
    if name.endswith("SMAX") and isinstance(arguments.get("scenario"), str):
        arguments["scenario"] = MAP_NAME_TO_SCENARIO[arguments["scenario"]]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Overcooked recommends its successor, JaxNav corrects its own settings
            return jaxmarl.make(name, **arguments)
    except ImportError:
        raise InputError(f"'jaxmarl:{rest}' needs brax: pip install 'jaxmarl[mabrax]'") from None
    except (TypeError, ValueError, AssertionError, KeyError, NotImplementedError) as wrong:
        raise InputError(f"cannot make 'jaxmarl:{rest}': {wrong}") from None


def _unknown(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    if near:
        return f"jaxmarl has no '{name}': did you mean {' or '.join(f'jaxmarl:{one}' for one in near)}?"
    families = ", ".join(f"{family}/…" for family in FAMILIES)
    return f"jaxmarl has no '{name}': give {families} or an id such as switch_riddle"


def _spec(env: Any, horizon: int) -> tuple[Spec, tuple | None]:
    """The outside of `env`, measured on what a reset returns (declared observation spaces are not always right)."""
    observation, inner = jax.eval_shape(lambda: env.reset(jax.random.key(0)))
    rows = jax.eval_shape(lambda observation: [_flat(row) for row in _by_agent(env, observation)], observation)
    sizes = [row.size for row in rows]
    action, widths, bounds = _action([_space(env, agent) for agent in env.agents])
    shared = jax.eval_shape(lambda observation, inner: _shared(env, observation, inner), observation, inner).size
    spec = Spec(
        agents=len(env.agents),
        observation=max(sizes),
        action=action,
        horizon=horizon,
        shared=shared,
        observation_sizes=tuple(sizes),
        action_sizes=tuple(widths),
        names=tuple(str(agent) for agent in env.agents),
    )
    return spec, bounds


def _space(env: Any, agent: Any) -> Any:
    return env.action_spaces[agent] if agent in env.action_spaces else env.action_space(agent)


def _action(spaces: list[Any]) -> tuple[Discrete | Box, list[int], tuple | None]:
    """The widest agent's actions, everybody's true widths and, where bounds differ, what [-1, 1] stands for."""
    kinds = {type(space).__name__ for space in spaces}
    if kinds == {"Discrete"}:
        widths = [int(space.n) for space in spaces]
        return Discrete(max(widths)), widths, None
    if kinds != {"Box"} or any(len(space.shape) != 1 for space in spaces):
        raise InputError(f"actions are {', '.join(sorted(kinds))}, and only Discrete or flat Box can be played")
    widths = [int(space.shape[0]) for space in spaces]
    fill = lambda bound, size: np.concatenate([np.broadcast_to(bound, size), np.zeros(max(widths) - size)])
    low = np.stack([fill(np.asarray(space.low, float), size) for space, size in zip(spaces, widths, strict=True)])
    high = np.stack([fill(np.asarray(space.high, float), size) for space, size in zip(spaces, widths, strict=True)])
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        raise InputError("a Box action has no bounds")
    exists = np.arange(max(widths)) < np.array(widths)[:, None]
    if np.ptp(low[exists]) == 0 and np.ptp(high[exists]) == 0:
        return Box(max(widths), float(low[exists][0]), float(high[exists][0])), widths, None
    return Box(max(widths)), widths, (tuple(map(tuple, low.tolist())), tuple(map(tuple, high.tolist())))


def _mask(env: Any) -> Callable[[Any], dict[Any, Array]] | None:
    if hasattr(type(env), "get_legal_moves"):  # Hanabi's word for it
        return env.get_legal_moves
    return None if type(env).get_avail_actions is MultiAgentEnv.get_avail_actions else env.get_avail_actions


def _shared(env: Any, observation: Any, inner: Any) -> Float[Array, "state"]:
    """The state for centralized training: what came with the observations, else what the environment can compute."""
    if isinstance(observation, Mapping) and "world_state" in observation:
        return _flat(observation["world_state"])
    if hasattr(type(env), "get_world_state"):
        state = env.get_world_state(inner)
        return _flat([state[agent] for agent in env.agents] if isinstance(state, Mapping) else state)
    return jnp.zeros(0)


def _information(game: JaxmarlGame) -> dict[str, Any]:
    def info(key):
        _, inner = game.env.reset(key)
        none = jnp.zeros(game.spec.agents, int)
        if isinstance(game.spec.action, Box):
            none = jnp.zeros((game.spec.agents, game.spec.action.width))
        return game.env.step_env(key, inner, dict(zip(game.env.agents, game._scale(none), strict=True)))[4]

    return jax.eval_shape(info, jax.random.key(0))


def _by_agent(env: Any, observation: Any) -> list[Any]:
    """One observation per agent, from a dict or from rows."""
    if isinstance(observation, Mapping) and all(agent in observation for agent in env.agents):
        return [observation[agent] for agent in env.agents]
    if isinstance(observation, Mapping) or len(observation) != len(env.agents):
        raise InputError("its observations are not one per agent")
    return list(observation)


def _flat(tree: PyTree[Array]) -> Float[Array, "feature"]:
    leaves = [jnp.ravel(leaf).astype(jnp.float32) for leaf in jax.tree.leaves(tree)]
    return leaves[0] if len(leaves) == 1 else jnp.concatenate(leaves)


def _stack(rows: list[Array], width: int) -> Array:
    return jnp.stack([row if row.size == width else jnp.pad(row, (0, width - row.size)) for row in rows])


# What each family calls an end, a move and a picture.


def _max_steps(env: Any) -> int | None:
    return getattr(env, "max_steps", None)


def _max_steps_late(env: Any) -> int:
    return env.max_steps + 1  # compared before the step is counted, so that one more is played


def _repeated(env: Any) -> int:
    return env.num_inner_steps * env.num_outer_steps


def _hanabi_limit(env: Any) -> int:
    """Every card is played or discarded once, a last round follows, and each hint needs a token won by a discard."""
    turns = int(env.deck_size) - env.num_agents * env.hand_size + env.num_agents + 1
    return 2 * turns + int(env.max_info_tokens) + 1


def _units(inner: Any) -> Any:
    return inner.state if hasattr(inner, "enemy_policy_state") else inner


def _battle_over(env: Any, before: Any, action: Array, after: Any) -> Bool[Array, ""]:
    alive = _units(after).unit_alive
    return ~alive[: env.num_allies].any() | ~alive[env.num_allies :].any()


def _told(env: Any, before: Any, action: Array, after: Any) -> Bool[Array, ""]:
    return action[before.agent_in_room] == env.game_actions["TELL"]


def _rules(env: Any) -> Rules:
    table = (
        (kinds.SimpleMPE, Rules(_max_steps_late, draw=pictures.particles)),
        (
            (kinds.SMAX, kinds.HeuristicEnemySMAX),
            Rules(
                _max_steps_late,
                _battle_over,
                lambda env, inner, legal: _units(inner).unit_alive[: len(env.agents)],
                pictures.battle,
            ),
        ),
        (kinds.Overcooked, Rules(_max_steps, draw=pictures.kitchen)),
        (kinds.SwitchRiddle, Rules(_max_steps, _told)),
        # Who has to wait may only pass, which is the last move.
        (kinds.Hanabi, Rules(_hanabi_limit, active=lambda env, inner, legal: ~legal[:, -1])),
        (kinds.JaxNav, Rules(_max_steps, active=lambda env, inner, legal: ~inner.done | (inner.ep_done & ~inner.term))),
        ((kinds.CoinGame, kinds.InTheGrid, kinds.InTheGrid_2p, kinds.InTheMatrix), Rules(_repeated)),
    )
    return next((rules for kind, rules in table if isinstance(env, kind)), Rules(_max_steps))
