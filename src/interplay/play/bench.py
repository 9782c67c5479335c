"""Several Python games side by side, their answers checked and written into arrays with a batch axis.

`play/host.py` tells a bench which rows to reset or step; `play/workers.py` has the same two verbs over processes. All
that a game of somebody else may do wrong is caught here and named: which game, which agent, which step.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from interplay.core.errors import GameError, InputError
from interplay.core.game import Discrete, HostGame, Spec, TimeStep


class Rows(NamedTuple):
    """The fields of a `TimeStep` as numpy arrays with leading axes of one's choice; written in place."""

    observation: np.ndarray
    legal: np.ndarray
    active: np.ndarray
    shared: np.ndarray
    reward: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray

    def at(self, *place: Any) -> "Rows":
        """The rows at `place` along the leading axes, as views."""
        return Rows(*(field[(*place, ...)] for field in self))

    def copy_to(self, target: "Rows") -> None:
        """Write these rows over `target`."""
        for mine, theirs in zip(self, target, strict=True):
            theirs[...] = mine


def shapes(spec: Spec) -> dict[str, tuple[tuple[int, ...], Any]]:
    """The shape and the kind of number of each field of one unbatched step."""
    objectives = (spec.objectives,) if spec.objectives else ()
    return {
        "observation": ((spec.agents, spec.observation), np.float32),
        "legal": ((spec.agents, spec.action.width), bool),
        "active": ((spec.agents,), bool),
        "shared": ((spec.shared,), np.float32),
        "reward": ((spec.agents, *objectives), np.float32),
        "terminated": ((), bool),
        "truncated": ((), bool),
    }


def blank(spec: Spec, *lead: int) -> Rows:
    """Room for steps of games with this spec, all zero."""
    return Rows(**{name: np.zeros((*lead, *shape), kind) for name, (shape, kind) in shapes(spec).items()})


def action_room(spec: Spec, *lead: int) -> np.ndarray:
    """Room for joint actions: `[*lead, agent]` whole numbers, or `[*lead, agent, dimension]` real ones."""
    if isinstance(spec.action, Discrete):
        return np.zeros((*lead, spec.agents), np.int32)
    return np.zeros((*lead, spec.agents, spec.action.width), np.float32)


def title(game: HostGame) -> str:
    """What the user calls this game."""
    return str(getattr(game, "name", type(game).__name__))


class AnswerError(GameError):
    """An answer that cannot be used; `agent` is whom it concerns, where that is known."""

    def __init__(self, what: str, agent: str | None = None):
        super().__init__(what)
        self.agent = agent


class Bench:
    """Games in this process. `first` is the number of its first game among all the games of a run.

    `watch` is called with (game, step, mover) before a game is entered, so that somebody outside can tell where it
    hung; mover is the agent whose turn it is, −1 unless there is exactly one.
    """

    def __init__(self, make: Callable[[], HostGame], count: int, first: int = 0, watch: Callable | None = None):
        self.games = [make() for _ in range(count)]
        for game in self.games:
            if not isinstance(game, HostGame):
                raise InputError(f"{type(game).__name__} is no HostGame: games in pure JAX are played by play/scan.py")
        self.spec, self.title = self.games[0].spec, title(self.games[0])
        self.first, self.watch = first, watch
        self.steps, self.seeds, self._movers = [0] * count, [0] * count, [-1] * count
        self._shapes = [(name, shape) for name, (shape, _) in shapes(self.spec).items()]

    def reset(self, rows: Iterable[Any], seeds: Iterable[Any], out: Rows) -> None:
        """Start an episode of each game in `rows` and write what is seen into those rows of `out`."""
        for row, seed in zip(rows, seeds, strict=True):
            self.steps[row], self.seeds[row], self._movers[row] = 0, int(seed), -1
            self._enter(row, lambda game, seed=seed: game.reset(int(seed)), out)

    def step(self, rows: Iterable[Any], action: np.ndarray, out: Rows) -> None:
        """Step each game in `rows` with its row of `action` and write what comes of it into those rows of `out`."""
        for row in rows:
            self.steps[row] += 1
            self._enter(row, lambda game, row=row: game.step(action[row]), out)

    def _enter(self, row: Any, call: Callable[[HostGame], TimeStep], out: Rows) -> None:
        if self.watch is not None:
            self.watch(self.first + row, self.steps[row], self._movers[row])
        try:
            self._take(call(self.games[row]), row, out)
        except GameError as wrong:
            raise self._named(row, str(wrong), getattr(wrong, "agent", None)) from wrong
        except Exception as wrong:  # whatever somebody else's game raises is a fault of that game
            raise self._named(row, f"{type(wrong).__name__}: {wrong}", None) from wrong
        active = out.active[row]
        self._movers[row] = int(active.argmax()) if active.sum() == 1 else -1

    def _take(self, step: TimeStep, row: Any, out: Rows) -> None:
        """Write one game's answer into its row, if every field has its shape and is finite."""
        for (name, shape), room in zip(self._shapes, out, strict=True):
            value = np.asarray(getattr(step, name))
            if value.shape != shape:
                raise AnswerError(f"{name} has shape {value.shape}, expected {shape}")
            room[row] = value
        for name, room in (("observation", out.observation), ("reward", out.reward), ("shared", out.shared)):
            if not np.isfinite(room[row]).all():
                agent = None if name == "shared" else self.spec.names[int(np.argwhere(~np.isfinite(room[row]))[0][0])]
                raise AnswerError(f"{name} is not finite", agent)

    def _named(self, row: Any, what: str, agent: str | None) -> GameError:
        agent = agent or mover_name(self.spec, self._movers[row])
        place = located(self.title, self.first + row, self.steps[row], agent)
        return GameError(f"{place}: {what} (episode seed {self.seeds[row]})")

    def close(self) -> None:
        """Give back what the games hold."""
        for game in self.games:
            game.close()


def mover_name(spec: Spec, mover: int) -> str | None:
    """The agent whose turn it is, where there is exactly one: a fault in a game of turns can only be about that one."""
    return spec.names[mover] if mover >= 0 else None


def located(name: str, game: int, step: Any, agent: str | None) -> str:
    """Where something went wrong: `pettingzoo:… game 3, agent walker_0, step 17`."""
    return f"{name} game {game}, agent {agent}, step {step}" if agent else f"{name} game {game}, step {step}"
