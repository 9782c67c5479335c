"""Gymnasium games as games of one agent: `gymnasium:CartPole-v1`, `gymnasium:Pendulum-v1(g=9.0)`.

One agent is the smallest team, so everything that trains teams can be tried on problems whose answers are known.
"""

import contextlib
from typing import Any

import gymnasium
import numpy as np

from interplay.core.errors import InputError
from interplay.core.game import TimeStep
from interplay.games.adapters import spaces
from interplay.games.adapters.spaces import MASK, Seat, SpaceGame

AGENT = "agent_0"
HORIZON = 1000  # steps, for games that do not say how long they last


class SoloGame(SpaceGame):
    """A Gymnasium environment as a game of one agent."""

    def __init__(self, env: gymnasium.Env, name: str, horizon: int | None = None):
        longest = getattr(env.spec, "max_episode_steps", None)
        seat = Seat(AGENT, env.observation_space, env.action_space)
        super().__init__(env, [seat], name, horizon or longest or HORIZON, shared=0)
        self._steps = 0

    def reset(self, seed: int) -> TimeStep:
        self._steps = 0
        observation, info = self.env.reset(seed=int(seed))
        return self._seen(observation, info, 0.0, False, False)

    def step(self, action: np.ndarray) -> TimeStep:
        self._steps += 1
        observation, reward, terminated, truncated, info = self.env.step(self.writers[0].write(action[0]))
        truncated = (truncated or self._steps >= self.spec.horizon) and not terminated
        return self._seen(observation, info, reward, bool(terminated), truncated)

    def _seen(self, observation: Any, info: dict, reward: Any, terminated: bool, truncated: bool) -> TimeStep:
        views = {} if terminated else {AGENT: observation}
        came = spaces.outcome([float(reward)], terminated, truncated)
        return self.seen(views, {AGENT: info.get(MASK)}, np.zeros(0, np.float32), came)


def make(rest: str, horizon: int | None = None, render: bool = False, **parameters: Any) -> SoloGame:
    """The Gymnasium environment registered as `rest`; `parameters` go to its constructor.

    `horizon` ends episodes sooner (default: the environment's own limit, else 1000 steps); `render=True` lets it draw.
    Raises `InputError` for names that are not registered.

        >>> make("CartPole-v1").spec.action
        Discrete(count=2)
    """
    spaces.quiet()
    name = spaces.called("gymnasium", rest, {"horizon": horizon, **parameters})
    mode = {"render_mode": "rgb_array"} if render else {}
    try:
        maker = lambda **given: gymnasium.make(rest, disable_env_checker=True, **mode, **given)
        robot = "mujoco" in str(getattr(gymnasium.registry.get(rest), "entry_point", ""))
        with spaces.silent_mujoco() if robot else contextlib.nullcontext():
            return SoloGame(spaces.construct(maker, name, parameters), name, horizon)
    except gymnasium.error.DependencyNotInstalled as missing:
        raise InputError(f"'{name}' needs a package that is not installed: {missing}") from None
    except gymnasium.error.Error as wrong:
        raise InputError(f"cannot make '{name}': {str(wrong).splitlines()[0]}") from None
