"""Playing games that live in Python objects, many at once: the twin of `play/scan.py`, with the same records.

The team acts for the whole batch in one compiled call per step; the games step in Python, here or in worker processes.
What is saved of a game is the seed and the actions of its present episode: a new process starts that episode again and
replays it, so a run resumes exactly wherever the same seed and actions give the same episode.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from interplay.core.game import HostGame, Spec, TimeStep
from interplay.core.team import Decision, Memory, Team, restart
from interplay.core.trajectory import Trajectory, Transitions
from interplay.play.bench import Bench, Rows, action_room, blank
from interplay.play.finished import Finished
from interplay.play.resume import Books, Stage, word
from interplay.play.workers import Workers

LONGEST_LOG = 2000  # actions kept of an episode; a longer episode cannot be resumed in its middle and is begun anew
SIDE_BY_SIDE = 16  # games that `episodes` plays at once
PLAYS = 8  # plays whose games a gather keeps, one for each seed of a run
AFTERWARDS = 1 << 20  # added to the step in the random key of a bootstrap, out of reach of any step

Maker = Callable[[], HostGame]


class Play(eqx.Module):
    """A batch of Python games in mid-episode, as arrays; every leaf has the batch on its leading axis.

    `origin` and `episode` determine the seed of the present episode, `log` holds its first `length` actions.
    """

    time_step: TimeStep
    memory: Memory
    started: Bool[Array, "batch"]
    total: Float[Array, "batch agent"]
    length: Int[Array, "batch"]
    origin: Int[Array, "batch"]
    episode: Int[Array, "batch"]
    log: Array


class HostGather:
    """Gathers `length` steps from each of `batch` Python games; see `steps`.

    The games of several plays (one per seed of a run) are kept side by side: turning from one to the next is free.
    """

    compiled = False

    def __init__(self, make: Callable[[], Bench | Workers], batch: int, length: int):
        self._make, self.batch, self.length = make, batch, length
        self._spare: Stage | None = Stage(make)
        self._stages: dict[bytes, Stage] = {}
        self.spec: Spec = self._spare.bench.spec

    @property
    def cost(self) -> int:
        return self.batch * self.length

    def init(self, team: Team, key: PRNGKeyArray) -> Play:
        """Every game at the start of an episode; their seeds follow from `key`."""
        number = int(jax.random.bits(key, (), jnp.uint32))
        origin = np.array([word(number, row) for row in range(self.batch)], np.int32)
        log = action_room(self.spec, self.batch, min(self.spec.horizon, LONGEST_LOG))
        count, total = np.zeros(self.batch, np.int32), np.zeros((self.batch, self.spec.agents), np.float32)
        books = Books(np.ones(self.batch, bool), total, count, origin, count.copy(), log)
        seen, stage = blank(self.spec, self.batch), self._stage(books)
        stage.enter()
        stage.bench.reset(range(self.batch), books.seeds(range(self.batch)), seen)
        stage.leave(books)
        return _play(_begin(team, self.batch), seen, books)

    def __call__(self, team: Team, play: Play, key: PRNGKeyArray) -> tuple[Play, Trajectory, Finished]:
        """Play on from `play`; see `core.trajectory.Trajectory` for what each row means."""
        bootstrap = np.zeros((self.length, self.batch, self.spec.agents), np.float32)
        after, rows, finished = self._played(team, play, key, functools.partial(self._bootstrap, bootstrap, key))
        came = rows.arrived
        trajectory = Trajectory(
            rows.time_step, rows.decision, came.reward, came.terminated, came.truncated, jnp.asarray(bootstrap),
            rows.started, play.memory,
        )  # fmt: skip
        return after, trajectory, finished

    def _played(
        self, team: Team, play: Play, key: PRNGKeyArray, heard: Callable[[Callable, int, Rows], None]
    ) -> tuple[Play, Transitions, Finished]:
        """Where the games stand after `length` steps, all that happened, and what came of the episodes that ended.

        `heard(act, t, came)` hears of every step before episodes begin again; `act` knows what the team remembers there.
        """
        books = Books(*(np.array(getattr(play, name)) for name in Books._fields))
        seen, came = blank(self.spec, self.length + 1, self.batch), blank(self.spec, self.length, self.batch)
        _rows(play.time_step).copy_to(seen.at(0))
        started = np.zeros((self.length, self.batch), bool)
        act, memory, decisions, finished = actor(team), play.memory, [], _none(self.spec)
        stage = self._stage(books)
        stage.resume(books, seen.at(0))
        for t in range(self.length):
            started[t] = books.started
            memory, decision = act(memory, started[t], seen.at(t), key, _stamps(self.batch, t))
            decisions.append(decision)
            _write(books, action := _fed(decision, seen.active[t]))
            stage.bench.step(range(self.batch), action, seen.at(t + 1))
            seen.at(t + 1).copy_to(came.at(t))
            heard(functools.partial(act, memory), t, came)
            finished = _turn_over(stage.bench, books, came.at(t), seen.at(t + 1), finished)
        stage.leave(books)
        time_step, decision = _time_step(seen.at(slice(self.length))), jax.tree.map(_stack, *decisions)
        rows = Transitions(time_step, decision, _time_step(came), jnp.asarray(started))
        memory = restart(memory, _begin(team, self.batch), jnp.asarray(books.started))
        return _play(memory, seen.at(self.length), books), rows, Finished(*map(jnp.asarray, finished))

    def _bootstrap(self, bootstrap: np.ndarray, key: PRNGKeyArray, act: Callable, t: int, came: Rows) -> None:
        """The critic's value of steps that are not in the record: after truncations, and after the last row."""
        wanted = ~came.terminated[t] & (came.truncated[t] | (t == self.length - 1))
        if wanted.any():
            _, decision = act(np.zeros(self.batch, bool), came.at(t), key, _stamps(self.batch, AFTERWARDS + t))
            bootstrap[t, wanted] = np.asarray(decision.value)[wanted]

    def _stage(self, books: Books) -> Stage:
        """The games that play this play, the longest unused given up where there are too many."""
        name = books.origin.tobytes()
        stage = self._stages.pop(name, None) or self._spare or Stage(self._make)
        self._spare = None
        self._stages[name] = stage
        if len(self._stages) > PLAYS:
            self._stages.pop(next(iter(self._stages))).bench.close()
        return stage

    def close(self) -> None:
        """Stop worker processes and give back what the games hold."""
        for stage in [*self._stages.values(), *filter(None, [self._spare])]:
            stage.bench.close()
        self._stages, self._spare = {}, None


class HostExperience(HostGather):
    """Gathers what a replay keeps; see `experience`."""

    def __call__(self, team: Team, play: Play, key: PRNGKeyArray) -> tuple[Play, Transitions, Finished]:  # type: ignore[override]
        """Play on from `play`; see `core.trajectory.Transitions` for what each row means."""
        after, rows, finished = self._played(team, play, key, lambda act, t, came: None)
        return after, dataclasses.replace(rows, decision=rows.decision.without_value()), finished

    def like(self, team: Team, play: Play) -> Transitions:
        """The shapes of what a call records; nothing is played."""
        act, seen = actor(team), _rows(play.time_step)

        def recorded(key: PRNGKeyArray) -> Transitions:
            _, decision = act(play.memory, play.started, seen, key, _stamps(self.batch, 0))
            rows = (play.time_step, decision, play.time_step, play.started)
            return Transitions(*jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (self.length, *leaf.shape)), rows))

        return eqx.filter_eval_shape(recorded, jax.random.key(0))


def steps(make_game: Maker | str, batch: int, length: int, workers: int = 0, timeout: float = 60.0) -> HostGather:
    """A gatherer of `length` steps from each of `batch` Python games side by side.

    `make_game` is a name for `interplay.games.make` or a function that makes one game. `gather.init(team, key)` starts
    the games, `gather(team, play, key)` returns where they stand afterwards, a `Trajectory` with axes "time batch", and
    what the episodes that ended came to. With `workers` of 0 all games are stepped in this process, which suits games
    of a tenth of a millisecond a step but cannot notice one that hangs; otherwise in that many processes, and one that
    does not answer within `timeout` seconds is stopped. Episodes longer than 2000 steps begin anew on a resume. Raises
    `GameError` naming game, agent and step where a game raises, hangs or answers with wrong shapes or numbers that are
    not finite.

        >>> gather = steps("pettingzoo:mpe/simple_spread_v3", batch=4, length=25)  # doctest: +SKIP
    """
    return HostGather(_benches(make_game, batch, workers, timeout), batch, length)


def experience(
    make_game: Maker | str, batch: int, length: int, workers: int = 0, timeout: float = 60.0
) -> HostExperience:
    """A gatherer like `steps` whose records are `Transitions`: every step with the one it led to."""
    return HostExperience(_benches(make_game, batch, workers, timeout), batch, length)


def episodes(
    team: Team, make_game: Maker | str, key: PRNGKeyArray, count: int
) -> tuple[Float[Array, "episode agent"], Int[Array, "episode"]]:
    """Undiscounted returns per agent and lengths of `count` whole episodes; episode i depends on `key` and i alone.

    Objectives are added up; `vector_episodes` keeps them apart.
    """
    returns, lengths = vector_episodes(team, make_game, key, count)
    return returns.sum(tuple(range(2, returns.ndim))), lengths


def vector_episodes(
    team: Team, make_game: Maker | str, key: PRNGKeyArray, count: int
) -> tuple[Float[Array, "episode agent *objective"], Int[Array, "episode"]]:
    """`episodes`, with the return of each objective of a game that has several."""
    batch = min(count, SIDE_BY_SIDE)
    bench = Bench(_maker(make_game), batch)
    act, number = actor(team), int(jax.random.bits(key, (), jnp.uint32))
    playing, started, memory = np.arange(batch), np.ones(batch, bool), _begin(team, batch)
    seen = blank(bench.spec, batch)
    returns, lengths = np.zeros((count, *seen.reward.shape[1:]), np.float32), np.zeros(count, np.int32)
    bench.reset(range(batch), [word(number, episode) for episode in playing.tolist()], seen)
    while (rows := np.flatnonzero(playing < count)).size:
        stamps = np.stack([playing, lengths[np.minimum(playing, count - 1)]], 1).astype(np.int32)
        memory, decision = act(memory, started, _copied(seen), key, stamps)
        bench.step(rows, _fed(decision, seen.active), seen)
        returns[playing[rows]] += seen.reward[rows]
        lengths[playing[rows]] += 1
        started = (seen.terminated | seen.truncated) & (playing < count)
        ended = np.flatnonzero(started)
        playing[ended] += batch  # every game has its share, so that short episodes are not counted more often
        fresh = ended[playing[ended] < count]
        bench.reset(fresh, [word(number, episode) for episode in playing[fresh].tolist()], seen)
    bench.close()
    return jnp.asarray(returns), jnp.asarray(lengths)


def record(team: Team, game: HostGame, seed: int) -> tuple[list[str], Float[Array, "time agent"]]:
    """One episode's pictures (SVG) and rewards, the opening picture first with reward zero; `game` must draw."""
    bench = Bench(lambda: game, 1)
    act, key = actor(team), jax.random.key(seed)
    seen, memory, started = blank(bench.spec, 1), _begin(team, 1), np.ones(1, bool)
    bench.reset([0], [seed], seen)
    frames, rewards = [game.draw()], [np.zeros(bench.spec.agents, np.float32)]
    while not (seen.terminated[0] or seen.truncated[0]):
        memory, decision = act(memory, started, _copied(seen), key, _stamps(1, len(frames)))
        started = np.zeros(1, bool)
        bench.step([0], _fed(decision, seen.active), seen)
        frames.append(game.draw())
        rewards.append(seen.reward[0].reshape(bench.spec.agents, -1).sum(1))
    return frames, jnp.asarray(np.stack(rewards))


def actor(team: Team) -> Callable[..., tuple[Memory, Decision]]:
    """`team.act` for a whole batch as one compiled call: (memory, started, seen, key, stamps) → (memory, decision).

    Memory starts afresh in rows that open an episode. `stamps[row]` is two numbers that with `key` make the row's key.
    The team is taken apart once, because taking it apart in each call would take longer than acting.
    """
    arrays, rest = eqx.partition(team, eqx.is_array)
    leaves, structure = jax.tree.flatten(arrays)
    constants, shape = jax.tree.flatten(rest)
    program = _program(structure, tuple(constants), shape)
    return functools.partial(program, leaves)


@functools.lru_cache(maxsize=8)
def _program(structure: Any, constants: tuple, shape: Any) -> Callable:
    def act(leaves, memory, started, seen: Rows, key, stamps):
        team = eqx.combine(jax.tree.unflatten(structure, leaves), jax.tree.unflatten(shape, constants))
        fresh = team.begin()
        memory = jax.vmap(lambda memory, started: restart(memory, fresh, started))(memory, started)
        keys = jax.vmap(lambda stamp: jax.random.fold_in(jax.random.fold_in(key, stamp[0]), stamp[1]))(stamps)
        return jax.vmap(team.act)(memory, TimeStep(**seen._asdict()), keys)

    return jax.jit(act)


def _benches(make_game: Maker | str, batch: int, workers: int, timeout: float) -> Callable[[], Bench | Workers]:
    """What makes the games of one play, here or in processes of their own."""
    make = _maker(make_game)
    if workers:
        return functools.partial(Workers, make, batch, workers, timeout)
    return functools.partial(Bench, make, batch)


def _maker(make_game: Maker | str) -> Maker:
    from interplay import games

    return functools.partial(games.make, make_game) if isinstance(make_game, str) else make_game


def _begin(team: Team, batch: int) -> Memory:
    return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (batch, *jnp.shape(leaf))), team.begin())


def _fed(decision: Decision, active: np.ndarray) -> np.ndarray:
    """The joint actions that games get: zero for agents that are not to move."""
    action = np.asarray(decision.action)
    return np.where(active.reshape(active.shape + (1,) * (action.ndim - 2)), action, 0).astype(action.dtype)


def _stamps(batch: int, t: int) -> np.ndarray:
    return np.stack([np.arange(batch, dtype=np.int32), np.full(batch, t, np.int32)], 1)


def _none(spec: Spec) -> Finished:
    return Finished(np.zeros(spec.agents, np.float32), np.float32(0), np.float32(0))  # type: ignore[arg-type]


def _write(books: Books, action: np.ndarray) -> None:
    """Keep the joint actions that the games are about to get, as long as there is room."""
    kept = np.flatnonzero(books.length < books.log.shape[1])
    books.log[kept, books.length[kept]] = action[kept]


def _turn_over(bench: Bench | Workers, books: Books, came: Rows, seen: Rows, finished: Finished) -> Finished:
    """Add up what came of the step, and begin anew where an episode ended."""
    books.total[:] += came.reward.sum(tuple(range(2, came.reward.ndim)))
    books.length[:] += 1
    books.started[:] = came.terminated | came.truncated
    ended = np.flatnonzero(books.started)
    if not len(ended):
        return finished
    sums = books.total[ended].sum(0), np.float32(len(ended)), np.float32(books.length[ended].sum())
    books.turn(ended)
    bench.reset(ended, books.seeds(ended), seen)
    return Finished(*(old + new for old, new in zip(finished, sums, strict=True)))


def _rows(step: TimeStep) -> Rows:
    return Rows(*(np.asarray(getattr(step, name)) for name in Rows._fields))


def _time_step(rows: Rows) -> TimeStep:
    return TimeStep(**{name: jnp.array(field) for name, field in rows._asdict().items()})


def _play(memory: Memory, seen: Rows, books: Books) -> Play:
    return Play(_time_step(seen), memory, **{name: jnp.array(field) for name, field in books._asdict().items()})


def _copied(rows: Rows) -> Rows:
    return Rows(*(field.copy() for field in rows))  # compiled code may read the very memory that games write next


def _stack(*leaves: Any) -> Array:
    if jnp.issubdtype(leaves[0].dtype, jax.dtypes.prng_key):
        return jnp.stack(leaves)
    return jnp.asarray(np.stack(leaves))  # much quicker than stacking so many small arrays on the device
