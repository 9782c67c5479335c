"""A finished (or unfinished) run, loaded: its teams act, are evaluated and are drawn."""

from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import PRNGKeyArray

from interplay import games
from interplay.core.errors import InputError
from interplay.core.game import AnyGame, Game, SpokenGame, TimeStep
from interplay.core.team import Decision, Team
from interplay.measure import crossplay, returns, stats
from interplay.play import host, scan
from interplay.run import devices, folder, loop, spoken, state, training
from interplay.run.folder import Run

EVALUATION_KEY = 0x5EED  # evaluation never sees the episodes of training


class Saved:
    """A run's newest good checkpoint; `notes` tell of newer ones that are damaged. Teams are loaded when asked for."""

    def __init__(self, run: Run, layout: devices.Layout, directory: Path, notes: tuple[str, ...] = ()):
        self.run, self._layout, self.directory, self.notes = run, layout, directory, notes
        self._states: Any = None

    @property
    def game(self) -> AnyGame:
        """The game the run was trained on."""
        return self._layout.method.game

    @property
    def spoken(self) -> bool:
        """Whether its agents are language models, who have names and talk."""
        return isinstance(self.game, SpokenGame)

    @property
    def seeds(self) -> tuple[int, ...]:
        return self._layout.seeds

    @property
    def execution(self) -> str:
        """What the team needs at run time: decentralized, center or order."""
        return self._layout.needs()

    def team(self, seed: int | None = None) -> Team:
        """The team of one seed (the first where none is named)."""
        place = self._place(seed)
        if self._states is None:
            self._states = loop.restored(self._layout, self.directory)
        return self._layout.team(self._states, place)

    def act(
        self, time_step: TimeStep, memory: Any = None, *, seed: int | None = None, key: PRNGKeyArray | None = None
    ) -> tuple[Any, Decision]:
        """Act once: (memory for the next call, decision). Greedy without a `key`, sampled with one."""
        team = self.team(seed) if key is not None else self.team(seed).greedy()
        memory = team.begin() if memory is None else memory
        return team.act(memory, time_step, jax.random.key(0) if key is None else key)

    def part(self, path: str, like: Any, *, seed: int | None = None, member: int | None = None) -> Any:
        """One part of the saved state by its path, for example one agent's network out of a population.

        >>> saved.part("team/actors/members", one_actor, member=2)  # doctest: +SKIP
        """
        index = (self._place(seed),) if member is None else (self._place(seed), member)
        return state.restore_path(self.directory, like, path, index)

    def _place(self, seed: int | None) -> int:
        if seed is not None and seed not in self.seeds:
            raise InputError(f"{self.run.path} has seeds {self.seeds[0]} to {self.seeds[-1]}: seed {seed} is not one")
        return 0 if seed is None else self.seeds.index(seed)

    def evaluate(self, episodes: int = 128, greedy: bool = True) -> dict[str, Any]:
        """Play `episodes` fresh episodes per seed; the interval is over seeds, or over episodes of a single seed."""
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

    def crossplay(self, episodes: int = 128, greedy: bool = True, side: tuple[int, ...] = (0,)) -> dict[str, Any]:
        """How the seeds' teams fare with each other: in row i, column j agents `side` come from seed i, the others from j.

        Mean returns over agents and `episodes` fresh episodes; `self_play` is the mean of the diagonal, `cross_play` of
        the rest (None where there is one seed).
        """
        teams = [self.team(seed) for seed in self.seeds]
        return {"seeds": list(self.seeds), **self._paired(teams, episodes, greedy, side)}

    def seat_by_seat(self, episodes: int = 128, greedy: bool = True) -> dict[str, Any]:
        """`crossplay`, and under `by_agent` the same for every agent in turn: that agent of seed i, all others of seed j.

        Who fares worst with partners it was not trained with has the lowest `cross_play`.
        """
        spec, teams = self.game.spec, [self.team(seed) for seed in self.seeds]
        names = spec.names or [f"agent_{agent}" for agent in range(spec.agents)]
        told = {name: self._paired(teams, episodes, greedy, (agent,)) for agent, name in enumerate(names)}
        apart = {name: {part: one[part] for part in ("crossplay", "cross_play")} for name, one in told.items()}
        return {"seeds": list(self.seeds), **told[names[0]], "by_agent": apart}

    def pool(
        self, episodes: int = 128, greedy: bool = True, side: tuple[int, ...] = (0,), seed: int | None = None
    ) -> dict[str, Any]:
        """How the checkpoints that the run has kept fare with each other, as `crossplay` for one seed, oldest first.

        `steps` says when each was made; `interplay train --keep` how many there are.
        """
        place = self._place(seed)
        kept, _ = state.all_good(self.run.checkpoints)
        teams = [self._layout.team(loop.restored(self._layout, directory), place) for directory in kept]
        steps = [state.step_of(directory) for directory in kept]
        return {"steps": steps, "seed": self.seeds[place], **self._paired(teams, episodes, greedy, side)}

    def _paired(self, teams: list[Team], episodes: int, greedy: bool, side: tuple[int, ...]) -> dict[str, Any]:
        """Mean returns of every pair of teams, its mean on the diagonal and off it."""
        teams = [team.greedy() for team in teams] if greedy else teams
        table = crossplay.matrix(teams, self.game, jax.random.key(EVALUATION_KEY), episodes, side).mean(-1)
        apart = table[~np.eye(len(teams), dtype=bool)]
        return {
            "crossplay": table.tolist(),
            "self_play": float(np.diag(table).mean()),
            "cross_play": float(apart.mean()) if apart.size else None,
            "episodes": episodes,
            "mode": "greedy" if greedy else "sampled",
        }

    def replay(self, seed: int | None = None, greedy: bool = True, number: int = 0) -> dict[str, Any]:
        """One fresh episode as pictures and rewards: what replays/*.json holds."""
        seed = self.seeds[0] if seed is None else seed
        team = self.team(seed).greedy() if greedy else self.team(seed)
        mode = "greedy" if greedy else "sampled"
        if isinstance(self.game, SpokenGame):
            return spoken.replay(self.run, self.game, team, seed, mode, number)
        try:
            frames, rewards = _record(team, self._drawable(), number)
        except NotImplementedError as missing:
            raise InputError(str(missing)) from None
        total = float(np.asarray(rewards).sum(0).mean())
        return {
            "game": self.run.settings["game"],
            "seed": seed,
            "mode": mode,
            "frames": frames,
            "rewards": np.asarray(rewards).tolist(),
            "return": total,
            "caption": f"{self.run.settings['method']} on {self.run.settings['game']}",
        }

    def _drawable(self) -> AnyGame:
        """The game, or where others' games draw only if asked to when they are made, another one like it that does."""
        adapter = self.run.settings["game"].partition(":")[0]
        if isinstance(self.game, Game) or adapter not in games.ADAPTERS:
            return self.game
        return games.make(self.run.settings["game"], render=True)


def load(path: Path | str) -> Saved:
    """Open a run's newest good checkpoint. Raises `InputError` where there is no run or no checkpoint.

    >>> team = load("runs/ippo-spread-0001").team()  # doctest: +SKIP
    """
    run = folder.open_run(path)
    devices.prepare()
    good, notes = state.find_good(run.checkpoints)
    if good is None:
        raise state.CheckpointError("; ".join([f"{run.path} has no checkpoint to use: train it first", *notes]))
    layout = devices.plain(training.method_of(run), training.seeds_of(run))
    return Saved(run, layout, good, tuple(notes))


def write_evaluation(saved: Saved, result: dict[str, Any]) -> Path:
    """Keep an evaluation in the run folder, where the report finds it."""
    path = saved.run.path / "evaluation.json"
    folder.write_json_atomic(path, result)
    return path


def write_replay(saved: Saved, replay: dict[str, Any]) -> Path:
    """Keep a replay in the run folder, where the report finds it."""
    return spoken.written(saved.run, replay)


def _record(team: Team, game: AnyGame, number: int) -> tuple[list[str], Any]:
    if not isinstance(game, Game):
        return host.record(team, game, number)
    states, rewards = scan.record(team, game, jax.random.fold_in(jax.random.key(EVALUATION_KEY), number))
    return [game.draw(one) for one in states], rewards
