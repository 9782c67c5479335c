"""The table that language models share with everybody else: the game's steps, and what those do who do not speak.

A guest is a `Team` of the library that plays one seat as it would in any mixture. Two known instances are a trained run, opened
from its folder, and a solved strategy of a tree game.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from interplay.core.errors import InputError
from interplay.core.game import AnyGame, Game, HostGame, TimeStep
from interplay.core.team import Team
from interplay.games.staged import Staged

START, PLAY, GUESTS = range(3)  # streams of luck: the game's before the first step and in each, and the guests'
Chosen = Mapping[int, int]


class At(NamedTuple):
    """Where an episode is: the game's state, the guests' memories, and the seed of all its luck."""

    state: Any
    memory: Any
    seed: int


@runtime_checkable
class Table(Protocol):
    """A game that is stepped by hand; what guests do is added to what those who speak have chosen."""

    def begin(self, seed: int) -> tuple[At, TimeStep]:
        """A fresh episode, determined by `seed`."""
        ...

    def step(self, at: At, seen: TimeStep, chosen: Chosen, number: int) -> tuple[At, TimeStep]:
        """Step `number`: agents in `chosen` do that, guests what they would, and whoever has no move anything."""
        ...

    def shown(self, at: At) -> Any:
        """The state that the game's wording reads."""
        ...


class Guests:
    """Teams on seats of their own; each decides for all agents, as if its likes sat there, and only its own row counts."""

    def __init__(self, seats: Mapping[int, Team]):
        self.seats = dict(seats)
        self._teams = list({id(team): team for team in self.seats.values()}.values())
        self._act = [_lucky(team.act, GUESTS) for team in self._teams]

    def begin(self) -> list[Any]:
        return [team.begin() for team in self._teams]

    def act(self, at: At, seen: TimeStep, number: int) -> tuple[list[Any], Chosen]:
        """New memories, and what every guest does. All draw from one key, as in `measure.crossplay.Mixture`."""
        pairs = [act(at.seed, number, own, seen) for act, own in zip(self._act, at.memory, strict=True)]
        action = {id(team): np.asarray(made.action) for team, (_, made) in zip(self._teams, pairs, strict=True)}
        return [own for own, _ in pairs], {seat: int(action[id(team)][seat]) for seat, team in self.seats.items()}


class Compiled:
    """The table of a pure game, stepped by compiled functions."""

    def __init__(self, game: Game, guests: Guests):
        self._agents, self._guests = game.spec.agents, guests
        self._reset, self._step = _lucky(game.reset, START), _lucky(game.step, PLAY)

    def begin(self, seed: int) -> tuple[At, TimeStep]:
        state, seen = jax.device_get(self._reset(seed, 0))
        return At(state, self._guests.begin(), seed), seen

    def step(self, at: At, seen: TimeStep, chosen: Chosen, number: int) -> tuple[At, TimeStep]:
        memory, guests = self._guests.act(at, seen, number)
        action = _joint(self._agents, chosen, guests)
        state, seen = jax.device_get(self._step(at.seed, number, at.state, action))
        return At(state, memory, at.seed), seen

    def shown(self, at: At) -> Any:
        return at.state


class Hosted:
    """The table of a game that lives in Python objects: one for each episode."""

    def __init__(self, game: HostGame, guests: Guests):
        self._game, self._guests = game, guests

    def begin(self, seed: int) -> tuple[At, TimeStep]:
        game = self._game.again()
        return At(game, self._guests.begin(), seed), game.reset(seed)

    def step(self, at: At, seen: TimeStep, chosen: Chosen, number: int) -> tuple[At, TimeStep]:
        memory, guests = self._guests.act(at, seen, number)
        seen = at.state.step(_joint(self._game.spec.agents, chosen, guests))
        if seen.terminated or seen.truncated:
            at.state.close()
        return At(at.state, memory, at.seed), seen

    def shown(self, at: At) -> Any:
        return None


def table(game: AnyGame, seats: Mapping[int, Team]) -> Table:
    """The table of a game with guests on some of its seats."""
    return Compiled(game, Guests(seats)) if isinstance(game, Game) else Hosted(game, Guests(seats))


def guests(others: Mapping[Any, Any], game: AnyGame, name: str) -> dict[int, Team]:
    """The team on every seat of `others`, opened where it is a folder.

    Raises `InputError` for a seat that does not exist, and for a team or a strategy of another game.
    """
    for seat in others:
        if not isinstance(seat, int) or not 0 <= seat < game.spec.agents:
            raise InputError(f"game:{name} has seats 0 to {game.spec.agents - 1}: others names {seat!r}")
    opened = {str(who): _opened(Path(who), game, name) for who in others.values() if not isinstance(who, Team)}
    return {seat: who if isinstance(who, Team) else opened[str(who)] for seat, who in others.items()}


def _opened(path: Path, game: AnyGame, name: str) -> Team:
    from interplay.run import saved, strategies

    if (path / strategies.KIND).is_dir() or (path / "manifest.json").exists():
        return _solved(path, game, name)
    run = saved.load(path)
    if run.spoken:
        raise InputError(f"{path} was trained to speak: name who reads arrays, and let it speak on a seat of its own")
    theirs, ours = run.game.spec, game.spec
    for what in ("agents", "observation", "action"):
        if getattr(theirs, what) != getattr(ours, what):
            raise InputError(f"{path} was trained on {run.run.settings['game']}, not on {name}: their {what} differ")
    return run.team()


def _solved(path: Path, game: AnyGame, name: str) -> Team:
    """A solved strategy as a team of this very game, however that is told."""
    from interplay.games import pairing, tree
    from interplay.nets import tabular
    from interplay.run import strategies

    if not isinstance(game, Staged):
        raise InputError(f"{path} is a strategy of a tree game, and {name} is none: name a run that was trained on it")
    kept = strategies.load(path)
    return tabular.tabular(game, pairing.carried(kept.tree, kept.strategy, tree.build(game.record.game)))


def _lucky(function: Callable[..., Any], stream: int) -> Callable[..., Any]:
    """A compiled function of a seed, the number of the step and arguments, whose key comes from seed, number and `stream`."""

    @eqx.filter_jit
    def drawn(seed: Any, number: Any, *arguments: Any) -> Any:
        key = jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), number), stream)
        return function(*jax.tree.map(jnp.asarray, arguments), key)

    return lambda seed, number, *arguments: drawn(np.uint32(seed), np.uint32(number), *arguments)


def _joint(agents: int, chosen: Chosen, guests: Chosen) -> np.ndarray:
    action = np.zeros(agents, np.int32)
    for agent, choice in {**chosen, **guests}.items():
        action[agent] = choice
    return action
