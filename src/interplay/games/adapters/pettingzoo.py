"""PettingZoo in both directions: their environments as our games, our games as theirs.

`pettingzoo:sisl/multiwalker_v9`, `pettingzoo:mpe/simple_spread_v3` (the mpe2 package), `pettingzoo:classic/rps_v2` and
`pettingzoo:my.module/env_name` for any module with `parallel_env` or `env`. Where all agents move together a step of
ours is one of theirs; where agents take turns (AEC) a step is one turn and `active` marks whose it is.
"""

import pkgutil
import sys
import warnings
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import Any

import gymnasium.spaces
import jax
import numpy as np
from pettingzoo import AECEnv, ParallelEnv
from pettingzoo.utils.conversions import parallel_to_aec

from interplay.core.errors import InputError
from interplay.core.game import Discrete, Game, TimeStep
from interplay.games.adapters import spaces
from interplay.games.adapters.spaces import MASK, AgentError, Seat, SpaceGame

FAMILIES = {
    "mpe": "mpe2",
    **{name: f"pettingzoo.{name}" for name in ("atari", "butterfly", "classic", "sisl")},
}
HORIZON = 1000  # steps, for games that do not say how long they last
LIMITS = ("max_cycles", "max_episode_steps", "max_steps", "max_num_steps", "num_timesteps")


def _seats(env: Any, name: str) -> list[Seat]:
    agents = getattr(env, "possible_agents", None)
    if not agents:
        raise InputError(f"{name} does not say who may ever play: give it a list possible_agents")
    return [Seat(agent, env.observation_space(agent), env.action_space(agent)) for agent in agents]


def _limit(env: Any) -> int | None:
    """How many cycles the game says it lasts, if it or what it is built around says so."""
    inside = [env.unwrapped, getattr(env.unwrapped, "env", None)]
    values = [getattr(part, name, None) for part in inside for name in LIMITS]
    return next((int(value) for value in values if isinstance(value, (int, np.integer)) and value > 0), None)


def _state_size(env: Any, wanted: bool) -> int:
    """Numbers in `env.state()`; 0 where there is none, or it is a picture too wide to be worth keeping."""
    if not wanted:
        return 0
    space = getattr(env, "state_space", None)
    if space is not None and int(np.prod(getattr(space, "shape", None) or (0,))) > spaces.WIDEST_STATE:
        return 0
    try:
        env.reset(seed=0)
        size = int(np.size(env.state()))
    except Exception:  # a state is optional, and games say in many ways that they have none
        return 0
    return size if size <= spaces.WIDEST_STATE else 0


def _objectives(env: Any, name: str) -> int:
    """How long rewards are where the game says so, as MOMAland's do (`env.reward_space`); 0 where they are numbers."""
    if not hasattr(env, "reward_space"):
        return 0
    lengths = {int(np.prod(env.reward_space(agent).shape)) for agent in env.possible_agents}
    if len(lengths) > 1:
        raise InputError(
            f"{name} pays its agents in {sorted(lengths)} objectives: all must have as many, wrap the game"
        )
    return lengths.pop()


class _State(SpaceGame):
    """The part about the state, which both kinds of environment share."""

    def __init__(self, env: Any, name: str, horizon: int, state: bool):
        shared = _state_size(env, state)
        super().__init__(env, _seats(env, name), name, horizon, shared, objectives=_objectives(env, name))
        self._steps = 0

    def _state(self, over: bool) -> np.ndarray:
        if not self.spec.shared or over or not self.env.agents:  # where all have left some have no state to tell
            return np.zeros(self.spec.shared, np.float32)
        return np.asarray(self.env.state(), np.float32).ravel()

    def _known(self, agent: Any) -> Any:
        if agent not in self.index:
            raise AgentError(agent, "is not one of possible_agents")
        return agent


class ParallelGame(_State):
    """A PettingZoo `ParallelEnv` as a game; agents that have died or not yet come are inactive."""

    def __init__(self, env: ParallelEnv, name: str = "pettingzoo", horizon: int | None = None, state: bool = True):
        super().__init__(env, name, horizon or _limit(env) or HORIZON, state)

    def reset(self, seed: int) -> TimeStep:
        self._steps = 0
        views, infos = self.env.reset(seed=int(seed))
        views = {agent: self._view(agent, views) for agent in self.env.agents}
        return self._seen(views, infos, spaces.outcome(self.nothing(), False, False))

    def step(self, action: np.ndarray) -> TimeStep:
        self._steps += 1
        alive = list(self.env.agents)
        moves = {agent: self.writers[self.index[agent]].write(action[self.index[agent]]) for agent in alive}
        views, gained, ended, cut, infos = self.env.step(moves)
        reward = self.nothing()
        for agent, amount in gained.items():
            reward[self.index[self._known(agent)]] = amount
        ends = [agent for agent in alive if ended.get(agent, False)]
        cuts = [agent for agent in alive if cut.get(agent, False) and agent not in ends]
        stay = [agent for agent in self.env.agents if agent not in ends and agent not in cuts]
        over, late = not stay, self._steps >= self.spec.horizon
        truncated = bool((over and cuts) or (late and not over))
        # Whoever ran out of time with the game still has a future worth valuing, so is shown once more.
        shown = [] if over and not truncated else stay + (cuts if over else [])
        views = {agent: self._view(agent, views) for agent in shown}
        return self._seen(views, infos, spaces.outcome(reward, over and not truncated, truncated))

    def _view(self, agent: Any, views: dict) -> Any:
        if self._known(agent) not in views:
            raise AgentError(agent, "is alive but was given no observation")
        return views[agent]

    def _seen(self, views: dict, infos: dict, came: dict) -> TimeStep:
        masks = {agent: infos.get(agent, {}).get(MASK) for agent in views}
        return self.seen(views, masks, self._state(bool(came["terminated"])), came)


class TurnGame(_State):
    """A PettingZoo `AECEnv` as a game of turns.

    A reward reaches an agent as it does in PettingZoo: at its next turn, or at its death, all that came since its last
    turn. The horizon counts turns. An episode cut by our own horizon loses what waiting agents had not yet received.
    """

    def __init__(self, env: AECEnv, name: str = "pettingzoo", horizon: int | None = None, state: bool = True):
        limit = (_limit(env) or 0) * len(getattr(env, "possible_agents", ()))
        super().__init__(env, name, horizon or limit or HORIZON, state)

    def reset(self, seed: int) -> TimeStep:
        self._steps = 0
        self.env.reset(seed=int(seed))
        return self._arrive()

    def step(self, action: np.ndarray) -> TimeStep:
        self._steps += 1
        position = self.index[self.env.agent_selection]
        self.env.step(self.writers[position].write(action[position]))
        return self._arrive()

    def _arrive(self) -> TimeStep:
        """Bury the dead, hand out the rewards that are due, and show the next agent what it sees."""
        env, reward, cuts = self.env, self.nothing(), {}
        while env.agents:
            agent = self._known(env.agent_selection)
            view, gained, ended, cut, info = env.last()
            reward[self.index[agent]] += gained
            if not (ended or cut):
                came = spaces.outcome(reward, False, self._steps >= self.spec.horizon)
                return self.seen({agent: view}, {agent: info.get(MASK)}, self._state(False), came)
            if cut and not ended:
                cuts[agent] = view
            env.step(None)
        return self.seen(cuts, {}, np.zeros(self.spec.shared, np.float32), spaces.outcome(reward, not cuts, bool(cuts)))


def make(rest: str, **parameters: Any) -> ParallelGame | TurnGame:
    """The environment FAMILY/NAME or MODULE/NAME; agents move together where the module offers `parallel_env`.

    Four parameters are ours: `horizon` ends episodes sooner, `render=True` lets the game draw, `state=False` leaves out
    `env.state()`, `turns=True` prefers `env` to `parallel_env`; all others go to the environment. Raises `InputError`
    for unknown names and parameters.

        >>> make("mpe/simple_spread_v3", N=2).spec.agents
        2
    """
    spaces.quiet()
    name = spaces.called("pettingzoo", rest, {key: value for key, value in parameters.items() if key != "render"})
    return built(lambda turns: _maker(rest, name, turns), name, parameters)


def built(find: Callable[[bool], Any], name: str, parameters: dict[str, Any]) -> ParallelGame | TurnGame:
    """The game that `find(turns)` makes, called `name`, with the four parameters of `make` among those given."""
    own = {key: parameters.pop(key) for key in ("horizon", "state") if key in parameters}
    if parameters.pop("render", False):
        parameters["render_mode"] = "rgb_array"
    turns = parameters.pop("turns", False)
    with warnings.catch_warnings():
        # PettingZoo asks for its registry, which has no place for the user's own modules; and Box2D crashes the process
        # where its deprecation warnings are errors.
        warnings.simplefilter("ignore", DeprecationWarning)
        env = spaces.construct(find(turns), name, parameters)
    return (ParallelGame if hasattr(env, "step") and not hasattr(env, "last") else TurnGame)(env, name, **own)


def _maker(rest: str, name: str, turns: bool) -> Any:
    """The function that makes environments, found in a module or as an attribute of one."""
    family, slash, last = rest.partition("/")
    package = FAMILIES.get(family, family.replace("/", "."))
    if "" not in sys.path:
        sys.path.insert(0, "")  # a module beside the shell one types in
    found = spaces.module(f"{package}.{last.replace('/', '.')}" if slash else package)
    if found is None and slash:
        found = getattr(spaces.module(package), last, None)
    if found is None:
        raise InputError(f"no environment is called '{name}': {_nearest(package, family, last)}")
    return found if callable(found) else offered(found, name, turns)


def offered(found: Any, name: str, turns: bool) -> Any:
    """The function by which a module makes environments, `env` before `parallel_env` where `turns` are wanted."""
    order = ("env", "parallel_env") if turns else ("parallel_env", "env")
    makers = [getattr(found, key) for key in order if hasattr(found, key)]
    if not makers:
        raise InputError(f"'{name}': module {found.__name__} has neither parallel_env nor env: define one of them")
    return makers[0]


def _nearest(package: str, family: str, last: str) -> str:
    parent = spaces.module(package)
    if parent is None:
        return f"no module {package}; write FAMILY/NAME with one of {', '.join(FAMILIES)}, or MODULE/NAME of your own"
    known = [entry.name for entry in pkgutil.iter_modules(getattr(parent, "__path__", ())) if "_v" in entry.name]
    return offering(family, last, known)


def offering(family: str, name: str, known: Iterable[str]) -> str:
    """What a family of games has that is called like `name`, or all of it.

    >>> offering("classic", "tictacto_v3", ["chess_v6", "tictactoe_v3"])
    'classic has tictactoe_v3'
    """
    near = get_close_matches(name, list(known), n=3) or sorted(known)
    return f"{family} has {', '.join(near)}" if near else f"{family} has no {name}"


class ParallelView(ParallelEnv):
    """One of our games as a PettingZoo `ParallelEnv`.

    All agents stay until the episode ends; what waiting or dead agents do is ignored, they see zeros, and their
    `info["active"]` is False. Legal choices are in `info["action_mask"]`. `render()` gives the picture as a string if
    `render_mode` is "svg".
    """

    # a plain class attribute, because that is what PettingZoo looks for
    metadata = {"name": "interplay", "render_modes": ["svg"], "is_parallelizable": True}  # noqa: RUF012

    def __init__(self, game: Game, seed: int = 0, render_mode: str | None = None):
        self.game, self.render_mode = game, render_mode
        self.metadata = {**type(self).metadata, "name": type(game).__name__.lower()}
        spec = game.spec
        self.possible_agents = list(spec.names)
        self.agents: list[str] = []
        views, moves = map(_open_box, spec.observation_sizes), (_moves(spec.action, size) for size in spec.action_sizes)
        self.observation_spaces = dict(zip(spec.names, views, strict=True))
        self.action_spaces = dict(zip(spec.names, moves, strict=True))
        self.state_space = _open_box(spec.shared or sum(spec.observation_sizes))
        self._device = jax.local_devices(backend="cpu")[0]
        self._key = self._begin(seed)
        self._reset, self._step = jax.jit(game.reset), jax.jit(game.step)
        self._split = jax.jit(jax.random.split)
        self._state: Any = None
        self._last: Any = None

    def _begin(self, seed: int) -> jax.Array:
        with jax.default_device(self._device):
            return jax.random.key(seed)

    def _next_key(self) -> jax.Array:
        self._key, key = self._split(self._key)
        return key

    def observation_space(self, agent: str) -> gymnasium.spaces.Space:
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> gymnasium.spaces.Space:
        return self.action_spaces[agent]

    def reset(self, seed: int | None = None, options: dict | None = None) -> tuple[dict, dict]:
        if seed is not None:
            self._key = self._begin(seed)
        with jax.default_device(self._device):
            self._state, step = self._reset(self._next_key())
        self._last = jax.tree.map(np.asarray, step)
        self.agents = list(self.possible_agents)
        return self._views(), self._infos()

    def step(self, actions: dict) -> tuple[dict, dict, dict, dict, dict]:
        with jax.default_device(self._device):
            self._state, step = self._step(self._state, self._joint(actions), self._next_key())
        self._last = jax.tree.map(np.asarray, step)
        ended = bool(self._last.terminated)
        cut = bool(self._last.truncated) and not ended
        reward = self._last.reward
        rewards = {name: reward[i] if reward.ndim > 1 else float(reward[i]) for i, name in enumerate(self.agents)}
        result = self._views(), rewards, self._all(ended), self._all(cut), self._infos()
        if ended or cut:
            self.agents = []
        return result

    def _joint(self, actions: dict) -> np.ndarray:
        spec = self.game.spec
        discrete = isinstance(spec.action, Discrete)
        joint = np.zeros(spec.agents, np.int32) if discrete else np.zeros((spec.agents, spec.action.width), np.float32)
        for position, name in enumerate(spec.names):
            if actions.get(name) is None:
                continue
            if discrete:
                joint[position] = actions[name]
            else:
                joint[position, : spec.action_sizes[position]] = actions[name]
        return joint

    def _all(self, value: bool) -> dict:
        return dict.fromkeys(self.agents, value)

    def _views(self) -> dict:
        sizes, seen = self.game.spec.observation_sizes, self._last.observation
        return {name: seen[i, : sizes[i]].copy() for i, name in enumerate(self.agents)}

    def _infos(self) -> dict:
        sizes, last = self.game.spec.action_sizes, self._last
        infos = {name: {"active": bool(last.active[i])} for i, name in enumerate(self.agents)}
        if isinstance(self.game.spec.action, Discrete):
            for i, name in enumerate(self.agents):
                infos[name][MASK] = last.legal[i, : sizes[i]].astype(np.int8)
        return infos

    def state(self) -> np.ndarray:
        if self.game.spec.shared:
            return self._last.shared
        sizes = self.game.spec.observation_sizes
        return np.concatenate([row[:size] for row, size in zip(self._last.observation, sizes, strict=True)])

    def render(self) -> str | None:
        return self.game.draw(self._state) if self.render_mode == "svg" else None

    def close(self) -> None:
        self._state = None


def _open_box(size: int) -> gymnasium.spaces.Box:
    return gymnasium.spaces.Box(-np.inf, np.inf, (size,), np.float32)


def _moves(kind: Any, size: int) -> gymnasium.spaces.Space:
    if isinstance(kind, Discrete):
        return gymnasium.spaces.Discrete(size)
    return gymnasium.spaces.Box(kind.low, kind.high, (size,), np.float32)


def to_parallel(game: Game, seed: int = 0, render_mode: str | None = None) -> ParallelView:
    """`game` as a PettingZoo parallel environment, compiled on the CPU; `seed` is used until `reset` is given one."""
    return ParallelView(game, seed, render_mode)


def to_aec(game: Game, seed: int = 0, render_mode: str | None = None) -> AECEnv:
    """`game` as a PettingZoo environment in which agents are asked one after another and then move together."""
    return parallel_to_aec(ParallelView(game, seed, render_mode))
