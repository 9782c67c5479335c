"""MOMAland in both directions: their games of several objectives as ours, ours as theirs.

`momaland:moitem_gathering_v0`, `momaland:mobeach_v0(num_agents=10)`: names as MOMAland has them. They are PettingZoo games
whose rewards are vectors, so all else is as in `pettingzoo.py`; rewards keep their objectives (`spec.objectives`).

Source: Felten et al., "MOMAland: a set of benchmarks for multi-objective multi-agent reinforcement learning" (2024).
"""

import importlib
import pkgutil
from typing import Any

import gymnasium.spaces
import momaland.envs
import numpy as np
from momaland.utils.conversions import mo_parallel_to_aec
from momaland.utils.env import MOParallelEnv
from pettingzoo import AECEnv

from interplay.core.errors import InputError
from interplay.core.game import Game
from interplay.games.adapters import pettingzoo, spaces
from interplay.games.adapters.pettingzoo import ParallelGame, ParallelView, TurnGame


def names() -> dict[str, str]:
    """The games that are installed, with the modules they are in."""
    found = pkgutil.walk_packages(momaland.envs.__path__, "momaland.envs.")
    paths = [entry.name for entry in found if not entry.ispkg and "_v" in entry.name.rpartition(".")[2]]
    return {path.rpartition(".")[2]: path for path in paths}


def make(rest: str, **parameters: Any) -> ParallelGame | TurnGame:
    """The MOMAland game called `rest`; agents move together where the game can be played so.

    Parameters are those of `pettingzoo.make`: `horizon`, `render`, `state` and `turns` are ours, all others the game's.
    Raises `InputError` for unknown names and parameters.

        >>> make("moitem_gathering_v0").spec.objectives  # doctest: +SKIP
        3
    """
    spaces.quiet()
    name = spaces.called("momaland", rest, {key: value for key, value in parameters.items() if key != "render"})
    known = names()
    if rest not in known:
        raise InputError(f"no environment is called '{name}': {pettingzoo.offering('MOMAland', rest, known)}")
    find = lambda turns: pettingzoo.offered(importlib.import_module(known[rest]), name, turns)
    return pettingzoo.built(find, name, parameters)


class VectorView(ParallelView, MOParallelEnv):
    """One of our games of several objectives as a MOMAland parallel environment; see `ParallelView` for the rest."""

    def __init__(self, game: Game, seed: int = 0, render_mode: str | None = None):
        if not game.spec.objectives:
            raise InputError(f"{type(game).__name__} pays one number: export it with adapters.pettingzoo.to_parallel")
        super().__init__(game, seed, render_mode)
        room = lambda: gymnasium.spaces.Box(-np.inf, np.inf, (game.spec.objectives,), np.float32)
        self.reward_spaces = {agent: room() for agent in self.possible_agents}

    def reward_space(self, agent: str) -> gymnasium.spaces.Space:
        return self.reward_spaces[agent]


def to_parallel(game: Game, seed: int = 0, render_mode: str | None = None) -> VectorView:
    """`game` as a MOMAland parallel environment, compiled on the CPU. Raises `InputError` for games of one reward."""
    return VectorView(game, seed, render_mode)


def to_aec(game: Game, seed: int = 0, render_mode: str | None = None) -> AECEnv:
    """`game` as a MOMAland environment in which agents are asked one after another and then move together."""
    return mo_parallel_to_aec(VectorView(game, seed, render_mode))
