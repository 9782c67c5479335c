"""Where rewards are: true and recovered ones on the same map, for every agent.

A state's mean over the agent's own actions is taken out first, as in `measure.recovery`: a reward is known only up to that.
What is left is put where the action leads: into a cell of a grid (gems), or at an action and a place of the lane
(intersection). Both tables may be exact, state by state, or what was seen of play (`witnessed`).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from interplay.core.game import Game, TimeStep
from interplay.games import gems
from interplay.games.gems import Gems
from interplay.games.intersection import Intersection
from interplay.measure import recovery
from interplay.nets.rewarding import Rewarding
from interplay.objectives import inverse
from interplay.play.scan import Steps

DRAWS = 8  # joint actions drawn at every step of play, for the mean over what the others do
Table = Float[Array, "agent state action"]
Cells = Float[np.ndarray, "row column"]


class Places(NamedTuple):
    """A map of `rows` × `columns`; `at(seen)` [agent action 2] tells where each action of each agent belongs on it.

    `names` are what rows and columns count, `words` tell how to read it.
    """

    rows: int
    columns: int
    names: tuple[str, str]
    words: str
    at: Callable[[TimeStep], Int[Array, "agent action 2"]]


class Compared(NamedTuple):
    """One agent's maps (NaN where no action led) and the correlation of the tables behind them."""

    true: Cells
    found: Cells
    correlation: float


class Witnessed(NamedTuple):
    """Steps of play with what each own action would have earned there on average, the others acting as they do.

    `weight` is 1 for steps before an episode's end, else 0. The axes are those of exact tables, steps in the place of states.
    """

    seen: TimeStep
    true: Table
    found: Table
    weight: Float[Array, "state"]


def places(game: Any) -> Places | None:
    """The map of a game, None for a game without one."""
    make = PLACES.get(type(game))
    return None if make is None else make(game)


def compared(true: Table, found: Table, seen: TimeStep, weight: Float[Array, "state"], on: Places) -> list[Compared]:
    """Two tables of rewards on the map of a game, agent by agent, states counted by `weight`.

    m(c) = Σ_(s,a → c) w(s) [r(s, a) − mean_b r(s, b)] / Σ_(s,a → c) w(s), over legal actions.
    """
    legal = jnp.swapaxes(seen.legal & seen.active[..., None], 0, 1)
    at = jnp.swapaxes(jax.vmap(on.at)(seen), 0, 1)

    def one(true, found, legal, at):
        draw = lambda table: _spread(table, legal, weight, at, on)
        return Compared(draw(true), draw(found), float(recovery.correlation(found, true, legal, weight)))

    return [one(*parts) for parts in zip(true, found, legal, at, strict=True)]


def witnessed(team: Rewarding, game: Game[Any], key: PRNGKeyArray, episodes: int) -> Witnessed:
    """`episodes` whole episodes of `team`, and at every step the true and the recovered reward of every own action.

    r_i(s, b) = 1/D Σ_d r_i(s, b, a^d_−i) over D = `DRAWS` joint actions a^d ∼ π(s), of which the first is played: the
    marginal reward from samples. Both tables are means over the same ones.

        >>> witnessed(team, game, jax.random.key(0), 128).true.shape  # doctest: +SKIP
        (2, 5760, 5)
    """
    seen, true, found, running = _played(team, game, key, episodes)
    flat = lambda leaf: leaf.reshape(-1, *leaf.shape[2:])
    by_agent = lambda table: jnp.moveaxis(flat(table), 1, 0)
    return Witnessed(jax.tree.map(flat, seen), by_agent(true), by_agent(found), flat(running).astype(jnp.float32))


@eqx.filter_jit
def _played(team: Rewarding, game: Game[Any], key: PRNGKeyArray, episodes: int):
    start, key = jax.random.split(key)
    play = Steps(game, episodes, game.spec.horizon).init(team, start)
    worth = jax.vmap(lambda *one: _marginal(team, game, *one))
    acts = jax.vmap(lambda seen, keys: jax.vmap(lambda key: team.act((), seen, key)[1].action)(keys))

    def step(carry, key):
        state, seen, running = carry
        act_key, step_key = jax.random.split(key)
        actions = acts(seen, jax.random.split(act_key, (episodes, DRAWS)))
        luck = jax.random.split(step_key, episodes)
        true, found = worth(state, seen, actions, luck)
        after, arrived = jax.vmap(game.step)(state, actions[:, 0], luck)
        return (after, arrived, running & ~(arrived.terminated | arrived.truncated)), (seen, true, found, running)

    begin = play.state, play.time_step, jnp.ones(episodes, bool)
    return jax.lax.scan(step, begin, jax.random.split(key, game.spec.horizon))[1]


def _marginal(team: Rewarding, game: Game[Any], state, seen: TimeStep, actions, key):
    """`_each_action`, the mean over joint actions "draw agent"."""
    each = jax.vmap(lambda action: _each_action(team, game, state, seen, action, key))(actions)
    return jax.tree.map(lambda table: table.mean(0), each)


def _each_action(team: Rewarding, game: Game[Any], state, seen: TimeStep, action, key):
    """True and recovered reward [agent action] where one agent does something else."""

    def one(agent, choice):
        joint = action.at[agent].set(choice)
        arrived = game.step(state, joint, key)[1]
        return arrived.reward[agent], inverse.rewards(team, seen, joint, arrived)[agent]

    choices = jnp.arange(game.spec.action.width, dtype=action.dtype)
    return jax.vmap(lambda agent: jax.vmap(lambda choice: one(agent, choice))(choices))(jnp.arange(game.spec.agents))


def _spread(
    table: Float[Array, "state action"], legal: Bool[Array, "state action"], weight, at: Int[Array, "state action 2"],
    on: Places,
) -> Cells:  # fmt: skip
    mass = np.asarray(weight[:, None] * legal, float).ravel()
    values = np.asarray(recovery.centered(table, legal), float).ravel()
    cells = np.clip(np.asarray(at[..., 0] * on.columns + at[..., 1]).ravel(), 0, on.rows * on.columns - 1)
    total = lambda amount: np.bincount(cells, amount, on.rows * on.columns)
    visits = total(mass)
    mean = np.where(visits > 0, total(mass * values) / np.maximum(visits, 1e-12), np.nan)
    return mean.reshape(on.rows, on.columns)


def _steps_into(game: Gems) -> Places:
    """The cell that a move leads to, were nobody in the way."""

    def at(seen: TimeStep):
        cell = seen.observation[:, : game.size**2].argmax(-1)  # the plane of one's own position
        return jnp.stack([cell // game.size, cell % game.size], -1)[:, None] + gems.MOVES

    return Places(game.size, game.size, ("row", "column"), "Cells are those that a move leads to.", at)


def _along_the_lane(game: Intersection) -> Places:
    """What a car does, at which place of its lane."""

    def at(seen: TimeStep):
        place = seen.observation[:, : game.far].argmax(-1)
        action = jnp.broadcast_to(jnp.arange(game.spec.action.width), seen.legal.shape)
        return jnp.stack([action, jnp.broadcast_to(place[:, None], action.shape)], -1)

    words = "Rows: brake, keep, accelerate; columns: the place along the lane from where it is done."
    return Places(game.spec.action.width, game.far, ("action", "place"), words, at)


PLACES: dict[type, Callable[[Any], Places]] = {Gems: _steps_into, Intersection: _along_the_lane}
