"""Tables as teams: a strategy over information sets plays a tree game beside networks and people, and networks become tables.

A table has a row per information set and a column per move there, as solvers make it. Two known instances are the average
strategy of CFR, which sits in a `Mixture` with a trained team, and a trained team whose exploitability is wanted exactly.
"""

import dataclasses
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, Shaped, UInt32

from interplay.core.errors import InputError
from interplay.core.game import TimeStep
from interplay.core.team import DECENTRALIZED, Decision, Evaluation, Memory, Team, has_memory
from interplay.games.staged import Staged
from interplay.nets import distributions


class Finder(eqx.Module):
    """Finds the row that shows what is observed: two hashes of every row, sorted by the first.

    `twins` is the most rows that share their first hash, which all are then compared by the second.
    """

    hashes: UInt32[Array, "row 2"]
    row: Int[Array, "row"]
    odd: UInt32[Array, "2 feature"]
    twins: int = eqx.field(static=True)

    def __call__(self, observation: Float[Array, "feature"]) -> Int[Array, ""]:
        """The number of the row, −1 where no row shows this."""
        wanted = _hash(observation, self.odd)
        start = jnp.searchsorted(self.hashes[:, 0], wanted[0])
        places = jnp.minimum(start + jnp.arange(self.twins), len(self.row) - 1)
        same = (self.hashes[places] == wanted).all(1)
        return jnp.where(same.any(), self.row[places[jnp.argmax(same)]], -1)


def finder(known: Float[np.ndarray, "row feature"]) -> Finder:
    """A `Finder` of the rows of `known`. Raises `InputError` where two rows are alike.

    >>> int(finder(np.eye(5, dtype=np.float32))(jnp.eye(5)[3]))
    3
    """
    odd = np.random.default_rng(0).integers(0, 2**31, (2, known.shape[1]), np.uint32) * 2 + 1
    hashes = np.asarray(jax.vmap(lambda row: _hash(row, jnp.asarray(odd)))(jnp.asarray(known)))
    order = np.lexsort(hashes.T[::-1])
    if len(np.unique(hashes, axis=0)) < len(known):
        raise InputError("two information sets look alike to a table: give each features of its own")
    twins = int(np.unique(hashes[:, 0], return_counts=True)[1].max())
    return Finder(jnp.asarray(hashes[order]), jnp.asarray(order.astype(np.int32)), jnp.asarray(odd), twins)


class Tabular(Team):
    """Every agent plays the row of what it observes; where it observes nothing of the game, any legal move alike."""

    table: Float[Array, "row action"]
    find: Finder
    choose: Callable = eqx.field(static=True, default=distributions.sample)
    needs: str = eqx.field(static=True, default=DECENTRALIZED)

    def begin(self) -> Memory:
        return ()

    def act(self, memory: Memory, time_step: TimeStep, key: PRNGKeyArray) -> tuple[Memory, Decision]:
        agents = time_step.active.shape[0]
        policy = self.policy(time_step)
        action = jax.vmap(self.choose)(policy, jax.random.uniform(key, (agents,)))
        log_prob = jax.vmap(lambda policy, action: policy.log_prob(action))(policy, action)
        return memory, Decision(action, log_prob, jnp.zeros(agents))

    def evaluate(self, memory: Memory, time_step: TimeStep, decision: Decision) -> tuple[Memory, Evaluation]:
        policy = self.policy(time_step)
        log_prob = jax.vmap(lambda policy, action: policy.log_prob(action))(policy, decision.action)
        return memory, Evaluation(log_prob, jax.vmap(lambda p: p.entropy())(policy), jnp.zeros_like(log_prob))

    def policy(self, time_step: TimeStep) -> distributions.Categorical:
        """The distribution of every agent's action."""
        return jax.vmap(self._row)(time_step.observation, time_step.legal)

    def greedy(self) -> "Tabular":
        return dataclasses.replace(self, choose=distributions.mode)

    def _row(self, observation: Float[Array, "feature"], legal: Bool[Array, "action"]) -> distributions.Categorical:
        row = self.find(observation)
        chance = jnp.where(row < 0, 1.0, self.table[row])
        logits = jnp.where(
            chance > 0, jnp.log(jnp.maximum(chance, jnp.finfo(chance.dtype).tiny)), distributions.ILLEGAL
        )
        return distributions.Categorical(logits, legal)


def tabular(game: Staged, strategy: Shaped[np.ndarray | Array, "information action"]) -> Tabular:
    """The team that plays a table of `game`'s tree: row of the information set, column of the move.

    π(a | o) = σ(I(o), k(a)), I the information set that shows o and k(a) the place of a among its moves. Raises `InputError`
    for a table of another shape, or with rows that are no distributions over legal moves.

        >>> from interplay.games import staged
        >>> game = staged.make("kuhn")
        >>> tabular(game, np.full((12, 2), 0.5)).table.shape
        (12, 2)
    """
    strategy = np.asarray(strategy, np.float64)
    width = (game.column >= 0).sum(1)
    shape = (len(width), int(width.max()))
    if strategy.shape != shape:
        raise InputError(
            f"a strategy of {game.record.game.name} has shape {shape}, this one {strategy.shape}: solve again"
        )
    beyond = np.arange(shape[1]) >= width[:, None]
    sums = strategy.sum(1)
    if not (np.all(strategy >= 0) and np.all(np.abs(sums - 1) < 1e-3) and not strategy[beyond].any()):
        row = int(np.argmax((strategy < 0).any(1) | ~(np.abs(sums - 1) < 1e-3) | (strategy * beyond).any(1)))
        raise InputError(f"row {row} of the strategy is no distribution over its {width[row]} moves: {strategy[row]}")
    chosen = np.take_along_axis(strategy, np.maximum(game.column, 0), 1)
    table = np.where(game.column >= 0, chosen / sums[:, None], 0.0)
    return Tabular(table=jnp.asarray(table.astype(np.float32)), find=finder(game.known))


def table(team: Team, game: Staged) -> Float[np.ndarray, "information action"]:
    """The table that a team plays: σ(I, k) = π(a_k | o(I)), to be judged by `measure.exploit` exactly.

    Raises `InputError` for teams with memory, whose play is more than a table of what is seen now.

        >>> table(ippo_team, staged.make("leduc"))  # doctest: +SKIP
    """
    if has_memory(team) or team.needs != DECENTRALIZED:
        raise InputError("only teams without memory whose agents act alone are tables: train one with memory=0")
    rows = np.arange(len(game.column))
    chance = np.asarray(_chances(team, game, jnp.asarray(rows)))
    owner = game.record.sets.player
    moves = np.argsort(np.where(game.column < 0, game.spec.action.width, game.column), axis=1, kind="stable")
    wide = int((game.column >= 0).sum(1).max())
    found = np.take_along_axis(chance[rows, :, owner], moves, 1)[:, :wide]
    found = np.where(np.arange(wide) < (game.column >= 0).sum(1)[:, None], found, 0.0)
    return found / found.sum(1, keepdims=True)


@eqx.filter_jit
def _chances(team: Team, game: Staged, rows: Int[Array, "row"]) -> Float[Array, "row action agent"]:
    def of_row(seen: TimeStep):
        decision = team.act(team.begin(), seen, jax.random.key(0))[1]
        instead = lambda move: dataclasses.replace(decision, action=jnp.full_like(decision.action, move))
        judge = lambda move: team.evaluate(team.begin(), seen, instead(move))[1].log_prob
        return jnp.exp(jax.vmap(judge)(jnp.arange(game.spec.action.width)))

    return jax.vmap(of_row)(game.seen(rows))


def _hash(observation: Float[Array, "feature"], odd: UInt32[Array, "2 feature"]) -> UInt32[Array, "2"]:
    """Σ_i odd_i · bits_i modulo 2³², bits stirred first: floats of few digits have their lowest bits all zero."""
    bits = jax.lax.bitcast_convert_type(observation.astype(jnp.float32), jnp.uint32)
    stirred = (bits ^ (bits >> 15)) * jnp.uint32(0x9E3779B1)
    return ((stirred ^ (stirred >> 13)) * odd).sum(1, dtype=jnp.uint32)
