"""Robots whose joints belong to several agents (gymnasium-robotics' MA-MuJoCo): `mamujoco:HalfCheetah/2x3`.

The part after the slash says who owns which joints: `2x3` is two agents of three joints each.
"""

from typing import Any

import numpy as np

from interplay.core.errors import InputError
from interplay.games.adapters import spaces
from interplay.games.adapters.pettingzoo import ParallelGame


class RobotGame(ParallelGame):
    """A robot; its pictures come from the single-agent environment inside."""

    def draw(self) -> str:
        inside = self.env.unwrapped.single_agent_env
        if inside.render_mode != "rgb_array":
            return super().draw()
        return spaces.picture(np.asarray(inside.render()))


def make(rest: str, horizon: int | None = None, render: bool = False, **parameters: Any) -> RobotGame:
    """The robot and split called `ROBOT/SPLIT`; `parameters` such as `agent_obsk=1` go to MA-MuJoCo.

    Raises `InputError` for robots and splits that do not exist.

        >>> make("HalfCheetah/2x3").spec.agents
        2
    """
    spaces.quiet()
    from gymnasium_robotics import mamujoco_v1

    robot, slash, split = rest.partition("/")
    name = spaces.called("mamujoco", rest, {"horizon": horizon, **parameters})
    if not slash or not split:
        raise InputError(f"cannot read '{name}': write mamujoco:ROBOT/SPLIT, for example mamujoco:HalfCheetah/2x3")
    mode = {"render_mode": "rgb_array"} if render else {}
    maker = lambda **given: mamujoco_v1.parallel_env(robot, None if split == "None" else split, **mode, **given)
    try:
        with spaces.silent_mujoco():
            env = spaces.construct(maker, name, parameters)
    except Exception as wrong:  # unknown robots and splits surface as many kinds, from a bare Exception to KeyError
        if isinstance(wrong, (InputError, ModuleNotFoundError)):
            raise
        raise InputError(f"cannot make '{name}': {type(wrong).__name__}: {str(wrong).splitlines()[0]}") from None
    limit = getattr(getattr(env.unwrapped.single_agent_env, "spec", None), "max_episode_steps", None)
    return RobotGame(env, name, horizon or limit)
