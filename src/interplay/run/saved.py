"""A finished (or unfinished) run, loaded: its teams act, are evaluated and are drawn."""

from pathlib import Path
from typing import Any

import jax
import numpy as np

from interplay.core.errors import InputError
from interplay.core.game import AnyGame, Game, TimeStep
from interplay.core.team import Decision, Team
from interplay.measure import returns, stats
from interplay.play import host, scan
from interplay.run import devices, folder, loop, state, training
from interplay.run.folder import Run

EVALUATION_KEY = 0x5EED  # evaluation never sees the episodes of training


class Saved:
    """A run's newest good checkpoint. Teams are loaded when asked for."""

    def __init__(self, run: Run, layout: devices.Layout, directory: Path):
        self.run, self._layout, self.directory = run, layout, directory
        self._states: Any = None

    @property
    def game(self) -> AnyGame:
        """The game the run was trained on."""
        return self._layout.method.game

    @property
    def seeds(self) -> tuple[int, ...]:
        return self._layout.seeds

    @property
    def execution(self) -> str:
        """What the team needs at run time: decentralized, center or order."""
        return self._layout.needs()

    def team(self, seed: int | None = None) -> Team:
        """The team of one seed (the first where none is named)."""
        seed = self.seeds[0] if seed is None else seed
        if seed not in self.seeds:
            raise InputError(f"{self.run.path} has seeds {self.seeds[0]} to {self.seeds[-1]}: seed {seed} is not one")
        if self._states is None:
            self._states = loop.restored(self._layout, self.directory)
        return self._layout.team(self._states, self.seeds.index(seed))

    def act(self, time_step: TimeStep, memory: Any = None, *, seed: int | None = None, key=None) -> tuple[Any, Decision]:
        """Act once: (memory for the next call, decision). Greedy without a `key`, sampled with one."""
        team = self.team(seed)
        memory = team.begin() if memory is None else memory
        return (team.greedy() if key is None else team).act(memory, time_step, jax.random.key(0) if key is None else key)

    def part(self, path: str, like: Any, *, seed: int | None = None, member: int | None = None) -> Any:
        """One part of the saved state by its path, for example one agent's network out of a population.

        >>> saved.part("team/actors/members", one_actor, member=2)  # doctest: +SKIP
        """
        place = self.seeds.index(self.seeds[0] if seed is None else seed)
        index = (place,) if member is None else (place, member)
        return state.restore_path(self.directory, like, path, index)

    def evaluate(self, episodes: int = 128, greedy: bool = True) -> dict[str, Any]:
        """Play `episodes` fresh episodes per seed; the interval is over seeds, or over episodes where there is one seed."""
        played = []
        for seed in self.seeds:
            team = self.team(seed)
            key = jax.random.fold_in(jax.random.key(EVALUATION_KEY), seed)
            played.append(returns.play(team.greedy() if greedy else team, self.game, key, episodes))
        per_seed = [result.mean for result in played]
        spread = per_seed if len(per_seed) > 1 else played[0].returns.mean(1)
        agents = np.mean([result.returns.mean(0) for result in played], axis=0)
        return {
            "return": stats.interval(spread).as_dict(),
            "over": "seeds" if len(per_seed) > 1 else "episodes",
            "episodes": episodes,
            "mode": "greedy" if greedy else "sampled",
            "execution": self.execution,
            "length": float(np.mean([result.lengths.mean() for result in played])),
            "per_seed": per_seed,
            "per_agent": agents.tolist(),
        }

    def replay(self, seed: int | None = None, greedy: bool = True, number: int = 0) -> dict[str, Any]:
        """One fresh episode as pictures and rewards: what replays/*.json holds."""
        seed = self.seeds[0] if seed is None else seed
        team = self.team(seed).greedy() if greedy else self.team(seed)
        try:
            frames, rewards = _record(team, self.game, number)
        except NotImplementedError as missing:
            raise InputError(str(missing)) from None
        total = float(np.asarray(rewards).sum(0).mean())
        mode = "greedy" if greedy else "sampled"
        return {
            "game": self.run.settings["game"],
            "seed": seed,
            "mode": mode,
            "frames": frames,
            "rewards": np.asarray(rewards).tolist(),
            "return": total,
            "caption": f"{self.run.settings['method']} on {self.run.settings['game']}, seed {seed}, {mode} actions",
        }


def load(path: Path | str) -> Saved:
    """Open a run's newest good checkpoint. Raises `InputError` where there is no run or no checkpoint.

    >>> team = load("runs/ippo-spread-0001").team()  # doctest: +SKIP
    """
    devices.prepare()
    run = folder.open_run(path)
    return Saved(run, training.layout_of(run), state.latest(run.checkpoints))


def write_evaluation(saved: Saved, result: dict[str, Any]) -> Path:
    """Keep an evaluation in the run folder, where the report finds it."""
    path = saved.run.path / "evaluation.json"
    folder.write_json_atomic(path, result)
    return path


def write_replay(saved: Saved, replay: dict[str, Any]) -> Path:
    """Keep a replay in the run folder, where the report finds it."""
    saved.run.replays.mkdir(exist_ok=True)
    path = saved.run.replays / f"seed-{replay['seed']}-{replay['mode']}.json"
    folder.write_json_atomic(path, replay)
    return path


def _record(team: Team, game: AnyGame, number: int) -> tuple[list[str], Any]:
    if not isinstance(game, Game):
        return host.record(team, game.again(), number)
    states, rewards = scan.record(team, game, jax.random.fold_in(jax.random.key(EVALUATION_KEY), number))
    return [game.draw(one) for one in states], rewards
