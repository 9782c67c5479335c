"""MANSA in tables: the switching problem small enough that every policy is worth a known number, and the best switch is known.

Independent agents learn q_i(s, a_i), the center Q(s, a_1 … a_n), the switch Q_G(calls left, s, call). `contextual` has states
in which agents must agree and states in which anybody does well alone; `corridor` puts them in a row, where a failure ends
the episode.

Source: Mguni et al., "MANSA: learning fast and slow in multi-agent systems" (2023): the switch's Bellman operator is
T v = max{M v, E_apart[r + γ v']} with M v = E_center[r + γ v'] − c, and it calls where the first is the larger.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from interplay.core.errors import InputError
from interplay.core.game import Discrete, Spec
from interplay.games.markov import MarkovGame, markov_game

CLIMBING = np.array([11.0, -30, 0, -30, 7, 6, 0, 0, 5])  # Claus and Boutilier (1998), joint actions in order
POINTS = 20  # of the curves
Chance = Float[Array, "left state"]


class Task(NamedTuple):
    """A team game with the states that end an episode, the states in which agents must agree, and the steps of an episode."""

    game: MarkovGame
    over: Bool[np.ndarray, "state"]
    hard: Bool[np.ndarray, "state"]
    horizon: int

    @property
    def spec(self) -> Spec:
        """What it looks like from outside, as games tell it."""
        agents, width = self.game.agents, max(self.game.actions)
        return Spec(agents=agents, observation=self.game.states, action=Discrete(width), horizon=self.horizon)


class Tables(eqx.Module):
    """What is learned; `switch` has a row per number of calls left, one row where there is no limit."""

    independent: Float[Array, "agent state action"]
    central: Float[Array, "state joint"]
    switch: Float[Array, "left state 2"]


@dataclasses.dataclass(frozen=True)
class Learning:
    """How tables learn."""

    steps: int = 40_000
    """steps of play; curiosity falls from 1 over the first half of them"""
    price: float = 0.5
    """reward that a call costs the switch"""
    budget: int | None = None
    """calls that an episode allows; None: no limit"""
    rate: float = 0.1
    """how far q_i and Q move to each new target"""
    switch_rate: float = 0.05
    """how far Q_G moves"""
    epsilon: float = 0.05
    """chance of a random action in the end"""
    switch_epsilon: float = 0.05
    """chance that the switch decides at random in the end"""
    noise: float = 0.5
    """deviation of the rewards that are seen"""
    overheard: bool = False
    """q_i learn from the center's steps as well"""


class Study(NamedTuple):
    """Per seed: greedy return as a share of the optimum and calls per step, both exact; the share of hard and of easy states
    with calls; the share of states in which the switch is the best one for its sides; calls along the way of learning."""

    share: Float[np.ndarray, "seed"]
    calls: Float[np.ndarray, "seed"]
    hard: Float[np.ndarray, "seed"]
    easy: Float[np.ndarray, "seed"]
    agreement: Float[np.ndarray, "seed"]
    curve: Float[np.ndarray, "seed point"]


Decide = Callable[[Float[Array, "2"], Any, Any, PRNGKeyArray], Array]


def learned(values: Float[Array, "2"], epsilon: Any, chance: Any, key: PRNGKeyArray) -> Array:
    """ε-greedy in the switch's own values."""
    explores, calls = jax.random.uniform(key, (2,))
    return jnp.where(explores < epsilon, calls < 0.5, values[1] > values[0])


def at_random(values: Float[Array, "2"], epsilon: Any, chance: Any, key: PRNGKeyArray) -> Array:
    """A call with the given chance, wherever the game stands."""
    return jax.random.uniform(key) < chance


def contextual(seed: int = 0, states: int = 10, hard: int = 2) -> Task:
    """Each step a state at random: `hard` climbing games, in the others u_1(a_1) + u_2(a_2) with u ~ U(0, 5).

    >>> contextual().game.states
    10
    """
    payoff = _payoffs(seed, states, np.arange(states) < hard)
    chance = np.full((states, 9, states), 1 / states)
    game = markov_game(chance, np.broadcast_to(payoff, (2, states, 9)), 0.0, (3, 3))
    return Task(game, np.zeros(states, bool), np.arange(states) < hard, 1)


def corridor(seed: int = 0, cells: int = 10, hard: tuple[int, ...] = (2, 4, 6, 8), discount: float = 0.99) -> Task:
    """The same in a row of `cells`, climbing games at the `hard` ones: whoever earns less than 0 there goes no further.

    >>> corridor().horizon
    10
    """
    marks = np.isin(np.arange(cells), hard)
    payoff = np.zeros((cells + 1, 9))
    payoff[:cells] = _payoffs(seed, cells, marks)
    chance = np.zeros((cells + 1, 9, cells + 1))
    for cell in range(cells):
        chance[cell, np.arange(9), np.where(payoff[cell] < 0, cells, cell + 1)] = 1.0
    chance[cells, :, cells] = 1.0
    game = markov_game(chance, np.broadcast_to(payoff, (2, cells + 1, 9)), discount, (3, 3), np.eye(cells + 1)[0])
    return Task(game, np.arange(cells + 1) == cells, np.append(marks, False), cells)


def study(tasks: list[Task], learning: Learning, decide: Decide = learned, chance: Any = 0.0, key: Any = None) -> Study:
    """Learn every task in tables, all side by side, one seed each; then the greedy team is judged exactly.

    `chance` is [seed, point] along the way for `at_random` (broadcast where it is a number), whose team calls with the chance
    of the last point when it is judged. Raises `InputError` for a budget below 0.
    """
    if learning.budget is not None and learning.budget < 0:
        raise InputError(f"budget is {learning.budget}: give 0 or more calls, or None for no limit")
    games = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(task.game for task in tasks))
    keys = jax.random.split(jax.random.key(0) if key is None else key, len(tasks))
    chance = jnp.broadcast_to(jnp.asarray(chance, jnp.float32), (len(tasks), POINTS))
    over, hard = tasks[0].over, tasks[0].hard
    one = lambda game, chance, key: _one(game, over, tasks[0].horizon, learning, decide, chance, key)
    share, calls, wanted, agreement, curve = map(np.asarray, eqx.filter_jit(eqx.filter_vmap(one))(games, chance, keys))
    easy = ~hard & ~over
    return Study(share, calls, wanted[:, hard].mean(1), wanted[:, easy].mean(1), agreement, curve)


def _one(game: MarkovGame, over, horizon: int, learning: Learning, decide: Decide, chance, key: PRNGKeyArray):
    tables, curve = train(game, over, learning, decide, chance, key)
    apart, joint = greedy(game, tables)
    best = best_switch(game, apart, joint, learning)
    wanted = (tables.switch[..., 1] > tables.switch[..., 0]).astype(jnp.float32)
    agreement = (wanted == best)[:, ~over].mean() if decide is learned else jnp.nan
    if decide is at_random:
        wanted = jnp.broadcast_to(chance[-1], wanted.shape)
    earned, calls = worth(game, apart, joint, payable(wanted, learning), horizon)
    return earned / optimum(game, horizon), calls, wanted[-1], agreement, curve


def train(game: MarkovGame, over, learning: Learning, decide: Decide, chance, key: PRNGKeyArray):
    """(tables after `learning.steps` of play, share of steps with a call at `POINTS` points of the way)."""
    layers, agents = (learning.budget or 0) + 1, game.agents
    tables = Tables(
        jnp.zeros((agents, game.states, max(game.actions))),
        jnp.zeros(game.reward.shape[1:]),
        jnp.zeros((layers, game.states, 2)),
    )
    start = lambda key: jax.random.categorical(key, jnp.log(game.start))

    def step(carry, row):
        tables, state, left = carry
        time, key = row
        keys = jax.random.split(key, 5)
        curious = lambda end: jnp.maximum(end, 1 - time / (0.5 * learning.steps) * (1 - end))
        epsilon = curious(learning.epsilon)
        call = decide(
            tables.switch[left, state],
            curious(learning.switch_epsilon),
            chance[time * POINTS // learning.steps],
            keys[0],
        )
        call &= _may(left, learning)
        action = _action(game, tables, state, call, epsilon, keys[1])
        joint = (action * np.array([np.prod(game.actions[i + 1 :], dtype=int) for i in range(agents)])).sum()
        arrived = jax.random.categorical(keys[2], jnp.log(game.transition[state, joint]))
        reward = game.reward[:, state, joint].mean() + learning.noise * jax.random.normal(keys[3])
        after = left - call if learning.budget else left
        tables = _learn(tables, game.discount, learning, (state, action, joint, call, reward, arrived))
        again = jnp.asarray(over)[arrived]
        carry = tables, jnp.where(again, start(keys[4]), arrived), jnp.where(again, layers - 1, after)
        return carry, call.astype(jnp.float32)

    first, keys = start(key), jax.random.split(key, learning.steps)
    carry = (tables, first, jnp.asarray(layers - 1))
    (tables, _, _), called = jax.lax.scan(step, carry, (jnp.arange(learning.steps), keys))
    return tables, called[: learning.steps // POINTS * POINTS].reshape(POINTS, -1).mean(1)


def _may(left, learning: Learning):
    return jnp.array(True) if learning.budget is None else left > 0


def _action(game: MarkovGame, tables: Tables, state, call, epsilon, key: PRNGKeyArray) -> Int[Array, "agent"]:
    """What the side in charge does, every agent curious by itself."""
    explores, draws = jax.random.uniform(key, (2, game.agents))
    drawn = jnp.floor(draws * jnp.array(game.actions)).astype(jnp.int32)
    own = tables.independent[:, state].argmax(-1)
    joint = jnp.asarray(game.joint)[tables.central[state].argmax()]
    return jnp.where(explores < epsilon, drawn, jnp.where(call, joint, own)).astype(jnp.int32)


def _learn(tables: Tables, discount: float, learning: Learning, step) -> Tables:
    """Q ← Q + rate (r + γ max Q' − Q) for the side in charge and, less the price of a call, for the switch.

    What a step leads to does not depend on the calls left, so that it teaches the switch at every number of them.
    """
    state, action, joint, call, reward, arrived = step
    agents, left = jnp.arange(len(action)), jnp.arange(len(tables.switch))
    own = tables.independent[agents, state, action]
    mine = learning.rate * (~call | learning.overheard)
    center = learning.rate * call
    after = left if learning.budget is None else left - call
    ahead = tables.switch[after, arrived]
    ahead = jnp.where(_may(after, learning), ahead.max(-1), ahead[:, 0])
    error = reward - learning.price * call + discount * ahead - tables.switch[:, state, call.astype(int)]
    moved = learning.switch_rate * (_may(left, learning) | ~call)
    return Tables(
        tables.independent.at[agents, state, action].add(
            mine * (reward + discount * tables.independent[:, arrived].max(-1) - own)
        ),
        tables.central.at[state, joint].add(
            center * (reward + discount * tables.central[arrived].max() - tables.central[state, joint])
        ),
        tables.switch.at[:, state, call.astype(int)].add(moved * error),
    )


def greedy(game: MarkovGame, tables: Tables) -> tuple[Int[Array, "state"], Int[Array, "state"]]:
    """The joint actions of the independent side and of the center, by number."""
    own = tables.independent.argmax(-1)
    apart = (jnp.asarray(game.joint)[:, :, None] == own).all(1).argmax(0)
    return apart, tables.central.argmax(-1)


def payable(chance: Chance, learning: Learning) -> Chance:
    """Chances of a call with nothing left to call with where the budget is spent."""
    return chance if learning.budget is None else chance.at[0].set(0.0)


def worth(game: MarkovGame, apart, joint, chance: Chance, horizon: int) -> tuple[Array, Array]:
    """(undiscounted return of an episode, calls per step) where the center acts with `chance[left, s]`; exact."""
    one = lambda action: (jnp.take_along_axis(game.transition, action[:, None, None], 1)[:, 0], _paid(game, action))
    (move, earn), (move_called, earn_called) = one(apart), one(joint)
    layers = len(chance)

    def step(mass, _):
        alone, called = mass * (1 - chance), mass * chance
        told = (alone * earn).sum() + (called * earn_called).sum(), called.sum()
        spent = called @ move_called
        spent = jnp.concatenate([spent[1:], jnp.zeros_like(spent[:1])]) if layers > 1 else spent
        return alone @ move + spent, told

    begin = jnp.zeros_like(chance).at[-1].set(game.start)
    earned, called = jax.lax.scan(step, begin, None, horizon)[1]
    return earned.sum(), called.sum() / horizon


def optimum(game: MarkovGame, horizon: int) -> Array:
    """The best undiscounted return of `horizon` steps: V ← max_a r + P V."""
    team = game.reward.mean(0)
    turn = lambda value, _: ((team + game.transition @ value).max(-1), None)
    return game.start @ jax.lax.scan(turn, jnp.zeros(game.states), None, horizon)[0]


def best_switch(game: MarkovGame, apart, joint, learning: Learning, sweeps: int = 2000) -> Chance:
    """1 where the best switch for these two sides calls: where M v > E_apart[r + γ v'], v the fixed point of T.

    With a budget, v is a row per number of calls left and M v looks at one call less.
    """
    one = lambda action: (jnp.take_along_axis(game.transition, action[:, None, None], 1)[:, 0], _paid(game, action))
    (move, earn), (move_called, earn_called) = one(apart), one(joint)
    layers = (learning.budget or 0) + 1
    less = (lambda value: jnp.concatenate([value[:1], value[:-1]])) if layers > 1 else (lambda value: value)
    can = jnp.ones((layers, 1), bool) if learning.budget is None else (jnp.arange(layers) > 0)[:, None]

    def sides(value):
        alone = earn + game.discount * value @ move.T
        called = earn_called - learning.price + game.discount * less(value) @ move_called.T
        return alone, jnp.where(can, called, -jnp.inf)

    turn = lambda value, _: (jnp.maximum(*sides(value)), None)
    value = jax.lax.scan(turn, jnp.zeros((layers, game.states)), None, sweeps if game.discount else 1)[0]
    alone, called = sides(value)
    return (called > alone).astype(jnp.float32)


def _paid(game: MarkovGame, action: Int[Array, "state"]) -> Float[Array, "state"]:
    return jnp.take_along_axis(game.reward.mean(0), action[:, None], 1)[:, 0]


def _payoffs(seed: int, states: int, hard: np.ndarray) -> np.ndarray:
    """[state, joint]: the climbing game at the hard states, sums of what each agent's action is worth at the others."""
    worth = np.asarray(jax.random.uniform(jax.random.key(seed), (states, 2, 3), maxval=5.0))
    sums = (worth[:, 0, :, None] + worth[:, 1, None, :]).reshape(states, 9)
    return np.where(hard[:, None], CLIMBING, sums)
