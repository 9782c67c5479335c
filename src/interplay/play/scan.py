"""Playing pure games, many at once, as one compiled program.

This is the only place where pure games are batched, where episodes are started again and where trajectories are recorded;
`play/host.py` is its twin for games in Python. Two users: the on-policy wiring, which gathers `steps`, and evaluation, which
plays whole `episodes`.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, PyTree

from interplay.core import shards
from interplay.core.errors import ONE_REWARD, InputError
from interplay.core.game import AnyGame, Game, TimeStep
from interplay.core.team import Evaluation, Memory, Team, has_memory, restart
from interplay.core.trajectory import Trajectory, Transitions
from interplay.play.finished import Finished


class Play(eqx.Module):
    """A batch of games in mid-episode; every leaf has the batch on its leading axis."""

    state: PyTree[Array]
    time_step: TimeStep
    memory: Memory
    started: Bool[Array, "batch"]
    total: Float[Array, "batch agent"]
    length: Int[Array, "batch"]


class Steps(eqx.Module):
    """Gathers `length` steps from each of `batch` games; see `steps`."""

    game: Game
    batch: int = eqx.field(static=True)
    length: int = eqx.field(static=True)
    compiled: bool = eqx.field(static=True, default=True)

    @property
    def cost(self) -> int:
        return self.batch * self.length

    def init(self, team: Team, key: PRNGKeyArray) -> Play:
        """Every game at the start of an episode."""
        state, time_step = jax.vmap(self.game.reset)(jax.random.split(key, self.batch))
        fresh = team.begin()
        memory = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (self.batch, *leaf.shape)), fresh)
        total = jnp.zeros((self.batch, self.game.spec.agents))
        return Play(state, time_step, memory, jnp.ones(self.batch, bool), total, jnp.zeros(self.batch, jnp.int32))

    def __call__(self, team: Team, play: Play, key: PRNGKeyArray) -> tuple[Play, Trajectory, Finished]:
        """Play on from `play`; see `core.trajectory.Trajectory` for what each row means."""
        before = play.memory
        keys, last_key = self._keys(shards.own(key), play.started.shape[0])
        play, (rows, finished) = jax.lax.scan(lambda play, keys: self._advance(team, play, keys), play, keys)
        done = rows["terminated"][-1] | rows["truncated"][-1]
        last = _values(team, play.memory, play.time_step, last_key)
        bootstrap = rows["bootstrap"].at[-1].set(jnp.where(done[:, None], rows["bootstrap"][-1], last))
        trajectory = Trajectory(**{**rows, "bootstrap": bootstrap}, memory=before)
        return play, trajectory, jax.tree.map(lambda leaf: leaf.sum(0), finished)

    def _keys(self, key: PRNGKeyArray, batch: int):
        """Keys of every step, (acting and stepping, one per game; restarting and valuing), and one for what comes last.

        `batch` is smaller than `self.batch` where the games are laid over devices. All are made by one call: each would
        be a program of its own to compile.
        """
        keys = jax.random.split(key, (self.length + 1, 2 * batch + 2))
        each = keys[:-1]
        return (each[:, :batch], each[:, batch:-2], each[:, -2], each[:, -1]), keys[-1, -1]

    def _advance(self, team: Team, play: Play, keys):
        after, decision, arrived, memory, finished = self._moved(team, play, keys)
        cut = arrived.truncated & ~arrived.terminated
        bootstrap = jax.lax.cond(
            cut.any(),
            lambda: jnp.where(cut[:, None], _values(team, memory, arrived, keys[-1]), 0.0),
            lambda: jnp.zeros_like(decision.value),
        )
        record = {
            "time_step": play.time_step,
            "decision": decision,
            "reward": arrived.reward,
            "terminated": arrived.terminated,
            "truncated": arrived.truncated,
            "bootstrap": bootstrap,
            "started": play.started,
        }
        return after, (record, finished)

    def _moved(self, team: Team, play: Play, keys):
        """One step of every game: where it stands then, what was decided, what that led to (and what the team remembered
        there), and what came of the episodes that ended, which have begun again."""
        act_keys, step_keys, reset_key, _ = keys
        memory, decision = jax.vmap(team.act)(play.memory, play.time_step, act_keys)
        state, arrived = jax.vmap(self.game.step)(play.state, decision.action, step_keys)
        done = arrived.terminated | arrived.truncated
        total = play.total + _scalar(arrived.reward)
        length = play.length + 1
        finished = Finished(
            total=jnp.where(done[:, None], total, 0.0).sum(0),
            episodes=done.sum().astype(jnp.float32),
            length=jnp.where(done, length, 0).sum().astype(jnp.float32),
        )
        state, time_step = self._restarted(done, state, arrived, reset_key)
        fresh = team.begin()
        begun = jax.vmap(lambda memory, done: restart(memory, fresh, done))(memory, done)
        total, length = jnp.where(done[:, None], 0.0, total), jnp.where(done, 0, length)
        return Play(state, time_step, begun, done, total, length), decision, arrived, memory, finished

    def _restarted(self, done, state, arrived: TimeStep, key: PRNGKeyArray):
        """Games that are over at a fresh start; nothing is computed in steps where none is."""

        def again():
            fresh = jax.vmap(self.game.reset)(jax.random.split(key, done.shape[0]))
            pick = lambda new, old: jnp.where(done.reshape(done.shape + (1,) * (old.ndim - 1)), new, old)
            return jax.tree.map(_keep_keys(pick), fresh, (state, arrived))

        return jax.lax.cond(done.any(), again, lambda: (state, arrived))


class Experience(Steps):
    """Gathers what a replay keeps; see `experience`."""

    def __call__(self, team: Team, play: Play, key: PRNGKeyArray) -> tuple[Play, Transitions, Finished]:  # type: ignore[override]
        """Play on from `play`; see `core.trajectory.Transitions` for what each row means."""

        def advance(play, keys):
            after, decision, arrived, _, finished = self._moved(team, play, keys)
            kept = decision.without_value()
            row = {"time_step": play.time_step, "decision": kept, "arrived": arrived, "started": play.started}
            return after, (row, finished)

        keys, _ = self._keys(shards.own(key), play.started.shape[0])
        play, (rows, finished) = jax.lax.scan(advance, play, keys)
        return play, Transitions(**rows), jax.tree.map(lambda leaf: leaf.sum(0), finished)

    def like(self, team: Team, play: Play) -> Transitions:
        """The shapes of what a call records; nothing is played."""
        return eqx.filter_eval_shape(lambda team, play: self(team, play, jax.random.key(0)), team, play)[1]


def steps(game: Game, batch: int, length: int) -> Steps:
    """A gatherer of `length` steps from each of `batch` games side by side.

    `gather.init(team, key)` starts the games, `gather(team, play, key)` returns where they stand afterwards, a
    `Trajectory` with axes "time batch", and what the episodes that ended came to. Raises `InputError` for games of several
    objectives, of which critics know only one.
    """
    if game.spec.objectives:
        raise InputError(ONE_REWARD.format(objectives=game.spec.objectives))
    return Steps(game, batch, length)


def experience(game: AnyGame, batch: int, length: int) -> Experience:
    """A gatherer like `steps` whose records are `Transitions`: every step with the one it led to.

    Raises `InputError` for games that are played in Python.
    """
    if not isinstance(game, Game):
        raise InputError(f"{type(game).__name__} is no Game: games in Python are played by play/host.py")
    return Experience(game, batch, length)


def reevaluate(team: Team, trajectory: Trajectory) -> Evaluation:
    """Every stored decision judged by `team` as it is now: `Evaluation` with axes "time batch".

    Teams without memory judge all rows at once; others play each sequence again from the memory it began with.
    """
    seen, decided = trajectory.time_step, trajectory.decision
    if not has_memory(team):
        empty = team.begin()
        judge = lambda time_step, decision: team.evaluate(empty, time_step, decision)[1]
        return jax.vmap(jax.vmap(judge))(seen, decided)
    judge = lambda memory, time_step, decision, started: team.evaluate_sequence(memory, time_step, decision, started)[1]
    return jax.vmap(judge, in_axes=(0, 1, 1, 1), out_axes=1)(trajectory.memory, seen, decided, trajectory.started)


def episodes(
    team: Team, game: Game, key: PRNGKeyArray, count: int
) -> tuple[Float[Array, "episode agent"], Int[Array, "episode"]]:
    """Undiscounted returns per agent and lengths of `count` whole episodes, played side by side to their ends.

    Objectives are added up; `vector_episodes` keeps them apart.
    """
    total, length = vector_episodes(team, game, key, count)
    return _scalar(total), length


def vector_episodes(
    team: Team, game: Game, key: PRNGKeyArray, count: int
) -> tuple[Float[Array, "episode agent *objective"], Int[Array, "episode"]]:
    """`episodes`, with the return of each objective of a game that has several."""
    start, key = jax.random.split(key)
    play = Steps(game, count, game.spec.horizon).init(team, start)
    act, advance = jax.vmap(team.act), jax.vmap(game.step)

    def step(carry, key):
        play, total, running = carry
        act_key, step_key = jax.random.split(key)
        memory, decision = act(play.memory, play.time_step, jax.random.split(act_key, count))
        state, arrived = advance(play.state, decision.action, jax.random.split(step_key, count))
        counts = running.reshape(running.shape + (1,) * (total.ndim - 1))
        total = total + jnp.where(counts, arrived.reward, 0.0)
        length = play.length + running
        running = running & ~(arrived.terminated | arrived.truncated)
        return (Play(state, arrived, memory, play.started, play.total, length), total, running), None

    keys = jax.random.split(key, game.spec.horizon)
    nothing = jnp.zeros_like(play.time_step.reward)
    (play, total, _), _ = jax.lax.scan(step, (play, nothing, jnp.ones(count, bool)), keys)
    return total, play.length


def record(team: Team, game: Game, key: PRNGKeyArray) -> tuple[list[Any], Float[Array, "time agent"]]:
    """One episode's states (for `game.draw`) and rewards, the opening state first with reward zero."""
    start, key = jax.random.split(key)
    state, time_step = eqx.filter_jit(game.reset)(start)
    memory, states, rewards = team.begin(), [state], [jnp.zeros(game.spec.agents)]
    act, advance = eqx.filter_jit(team.act), eqx.filter_jit(game.step)
    for step_key in jax.random.split(key, game.spec.horizon):
        act_key, game_key = jax.random.split(step_key)
        memory, decision = act(memory, time_step, act_key)
        state, time_step = advance(state, decision.action, game_key)
        states.append(state)
        rewards.append(_scalar(time_step.reward[None])[0])
        if time_step.terminated or time_step.truncated:
            break
    return states, jnp.stack(rewards)


def _values(team: Team, memory: Memory, time_step: TimeStep, key: PRNGKeyArray) -> Float[Array, "batch agent"]:
    keys = jax.random.split(key, time_step.terminated.shape[0])
    return jax.vmap(team.act)(memory, time_step, keys)[1].value


def _scalar(reward: Float[Array, "batch agent *objective"]) -> Float[Array, "batch agent"]:
    return reward.sum(tuple(range(2, reward.ndim)))


def _keep_keys(pick):
    """`pick` for plain arrays and for typed PRNG keys alike."""

    def choose(new, old):
        if jnp.issubdtype(old.dtype, jax.dtypes.prng_key):
            data = pick(jax.random.key_data(new), jax.random.key_data(old))
            return jax.random.wrap_key_data(data, impl=jax.random.key_impl(old))
        return pick(new, old)

    return choose
