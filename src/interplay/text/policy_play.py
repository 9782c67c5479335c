"""Policies in play, compiled once per game: their genes are arrays, so that many of them walk many episodes side by side.

What an agent does follows from where everything is: distances past walls come from a table, and the cells that a beam would
sweep from another, both made once per map. Two users: the search of `methods.policy_synthesis`, the study of given policies.

Source: Gallego, "Cooperation and Exploitation in LLM Policy Synthesis for Sequential Social Dilemmas" (2026), section on
environments.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from interplay.core.errors import InputError
from interplay.core.game import Game
from interplay.games import grid, grid_views
from interplay.games.grid import CLEAN, FIRE, STAND, TURN_LEFT, TURN_RIGHT, Bodies, Rules
from interplay.measure import social
from interplay.text import policies
from interplay.text.policies import Policy

FAR = 1e6  # steps where there is no way
NORTH_SOUTH_WEST_EAST = np.array([grid.NORTH, grid.SOUTH, grid.WEST, grid.EAST])  # ways of equal length in this order
WALK = np.array([grid.FORWARD, grid.RIGHT, grid.BACKWARD, grid.LEFT])  # by the turn from facing to where to go
Decide = Callable[[Any, Float[Any, "plan gene"]], Int[Array, "agent"]]
Watch = Callable[[Policy, PRNGKeyArray], tuple[list[Any], Float[np.ndarray, "step agent"]]]


class Scores(NamedTuple):
    """What a policy comes to in self-play: the return of an agent, and the social metrics; numbers, or arrays "*lane seed"."""

    reward: Any
    efficiency: Any
    equality: Any
    shifted_equality: Any
    sustainability: Any
    peace: Any


@dataclass(frozen=True, eq=False)
class Terrain:
    """What policies look up of a map: open cells are numbered in reading order."""

    number: Int[np.ndarray, "row column"]  # of each cell, among the open ones
    distance: Float[np.ndarray, "cell cell"]
    neighbors: Int[np.ndarray, "cell 4"]  # north, south, west, east; the cell itself where there is a wall
    open: Bool[np.ndarray, "cell 4"]
    sweeps: Bool[np.ndarray, "cell facing cell"]  # whether a beam from there would sweep the cell
    apples: Int[np.ndarray, "apple"]
    river: Int[np.ndarray, "river"]
    bank: Int[np.ndarray, "spot"]  # from where a beam can reach the river


@functools.lru_cache(maxsize=16)
def terrain(rules: Rules) -> Terrain:
    """The tables of a map, made once."""
    chart = rules.chart
    places = chart.places(".APHR")
    number = np.where(chart.walls, 0, chart.slots(".APHR").reshape(chart.shape))
    ahead = places[:, None] + np.array(grid_views.STEPS)
    free = ~chart.walls[ahead[..., 0], ahead[..., 1]]
    itself = np.arange(len(places))[:, None]
    sweeps = _sweeps(rules, places)
    apples, river = (number[tuple(chart.places(marks).T)] for marks in ("A", "HR"))
    return Terrain(
        number=number,
        distance=np.where(chart.distance < 0, FAR, chart.distance).astype(np.float32),
        neighbors=np.where(free, number[ahead[..., 0], ahead[..., 1]], itself),
        open=free,
        sweeps=sweeps,
        apples=apples,
        river=river,
        bank=np.flatnonzero(sweeps[:, :, river].any((1, 2))),
    )


def _sweeps(rules: Rules, places: Int[np.ndarray, "cell 2"]) -> Bool[np.ndarray, "cell facing cell"]:
    def area(position, facing):
        none = jnp.zeros(1, jnp.int32)
        return grid.swept(rules, Bodies(position[None], facing[None], none, none, none + CLEAN), CLEAN)

    facings = jnp.arange(4, dtype=jnp.int32)
    every = jax.vmap(jax.vmap(area, (None, 0)), (0, None))
    with jax.ensure_compile_time_eval():
        return np.asarray(jax.jit(every)(jnp.asarray(places, jnp.int32), facings))[:, :, places[:, 0], places[:, 1]]


def decider(game: Game) -> Decide:
    """`decide(state, genes)`: what each agent does where all follow the policy of `genes`.

    Raises `InputError` for games that are not of this family.
    """
    rules = rules_of(game)
    land, agents = terrain(rules), game.spec.agents
    zone, home = _zones(land, rules, agents)

    def decide(state, genes):
        genes = jnp.asarray(genes)
        ripe, waste = scene(state)
        bodies = state.bodies
        cell = jnp.asarray(land.number)[bodies.position[:, 0], bodies.position[:, 1]]
        foul = waste.mean() if waste.size else jnp.zeros(())
        apart = _apart(land, cell, bodies)
        follow = _followed(genes, foul, ripe.mean(), apart, agents)
        chosen = dict(zip(policies.GENES, genes[follow].T, strict=True))
        away = jnp.asarray(land.distance[:, land.apples])[cell]
        eats = _eats(land, chosen, cell, bodies, (away, ripe, zone, home))
        action = eats
        if waste.size:
            turn = _turns(land, chosen, cell, foul, state.step)
            able, cleans = _cleans(land, chosen, cell, bodies, waste)
            action = jnp.where(turn & able, cleans, eats)
        return jnp.where(_fires(land, chosen, cell, bodies, (apart, away, ripe)), FIRE, action).astype(jnp.int32)

    return decide


def rules_of(game: Game) -> Rules:
    """The rules of a grid game. Raises `InputError` for other games."""
    if not isinstance(rules := getattr(game, "rules", None), Rules):
        raise InputError("policies of this kind play gathering, cleanup and harvest: give one of these games")
    return rules


def scene(state: Any) -> tuple[Bool[Array, "apple"], Bool[Array, "river"]]:
    """Which apples are ripe and which cells of the river are foul (none where there is no river)."""
    ripe = state.unripe == 0 if hasattr(state, "unripe") else state.ripe
    return ripe, getattr(state, "waste", jnp.zeros(0, bool))


def _zones(land, rules, agents):
    """Of each apple the agent to whose zone it belongs, in stripes along the longer side; the middle cell of each zone."""
    places = rules.chart.places("A")
    tall = rules.chart.shape[0] >= rules.chart.shape[1]
    order = np.lexsort(places.T if not tall else places.T[::-1])
    zone = np.empty(len(places), int)
    zone[order] = np.arange(len(places)) * agents // max(len(places), 1)
    inner = land.distance[np.ix_(land.apples, land.apples)]
    home = np.zeros(agents, int)
    for agent in range(agents):
        own = np.flatnonzero(zone == agent)
        own = own if len(own) else np.arange(len(places))
        home[agent] = land.apples[own[inner[np.ix_(own, own)].sum(1).argmin()]] if len(own) else 0
    return zone, home


def _apart(land, cell, bodies):
    """Steps between agents that are in the game [agent, agent]; far from oneself."""
    steps = jnp.asarray(land.distance)[cell[:, None], cell]
    absent = np.eye(len(cell), dtype=bool) | (bodies.timeout > 0)
    return jnp.where(absent, FAR, steps)


def _followed(genes, foul, ripe, apart, agents):
    """The plan that each agent follows: the first whose condition holds for it."""
    variable, below, bound, modulus = (genes[:, policies.GENES.index(name)] for name in policies.GENES[:4])
    everyone = lambda value: jnp.broadcast_to(value, (agents, len(genes)))
    number = jnp.arange(agents, dtype=jnp.float32)[:, None] % modulus
    values = jnp.stack([everyone(foul), everyone(ripe), number, everyone(apart.min(1)[:, None])])
    value = jnp.take_along_axis(values, variable.astype(jnp.int32)[None, None], axis=0)[0]
    return jnp.argmax((value < bound) == (below > 0), axis=1)


def _turns(land, chosen, cell, foul, step):
    """Whether it is each agent's turn to clean."""
    agents = len(cell)
    number = jnp.arange(agents)
    quota = jnp.where(foul >= chosen["above"], chosen["more"], chosen["cleaners"]).astype(jnp.int32)
    far = jnp.asarray(land.distance[:, land.river].min(1))[cell]
    ahead = (far < far[:, None]) | ((far == far[:, None]) & (number < number[:, None]))
    shift = quota * (step // jnp.maximum(chosen["period"].astype(jnp.int32), 1))
    ranks = jnp.stack([number, ahead.sum(1), (number - shift) % agents])
    who = chosen["who"].astype(jnp.int32)
    return jnp.take_along_axis(ranks, who[None], axis=0)[0] < quota


def _cleans(land, chosen, cell, bodies, waste):
    """Whether there is anything worth cleaning, and the action: clean, turn to where most is, or walk to where it is."""
    beams = land.sweeps[:, :, land.river][land.bank]
    cleared = jnp.asarray(beams, jnp.float32) @ waste.astype(jnp.float32)
    slot = np.full(len(land.number.reshape(-1)), len(land.bank))
    slot[land.bank] = np.arange(len(land.bank))
    here = jnp.concatenate([cleared, jnp.zeros((1, 4))])[jnp.asarray(slot)[cell]]
    trigger = chosen["trigger"]
    worth = cleared.max(1) >= trigger[:, None]
    step, found = _step(land, cell, jnp.asarray(land.distance[:, land.bank]), worth)
    turn = (jnp.argmax(here, axis=1) - bodies.facing) % 4
    sweep = jnp.where(turn == 3, TURN_LEFT, TURN_RIGHT)
    ready = here[np.arange(len(cell)), bodies.facing] >= trigger
    action = jnp.where(here.max(1) >= trigger, sweep, _walk(bodies, step))
    return found, jnp.where(ready, CLEAN, action)


def _eats(land, chosen, cell, bodies, apples):
    """The way to the nearest of one's apples, else what one does when idle."""
    away, ripe, zone, home = apples
    number = np.arange(len(cell))
    up = (bodies.timeout == 0)[:, None]
    owner = jnp.argmin(jnp.where(up, away, FAR), axis=0)  # the lowest number among equals
    rule = chosen["apples"][:, None]
    own = (rule == 0) | ((rule == 1) & (zone == number[:, None])) | ((rule == 2) & (owner == number[:, None]))
    step, found = _step(land, cell, jnp.asarray(land.distance[:, land.apples]), own & ripe)
    back, _ = _step(land, cell, jnp.asarray(land.distance[:, home]), np.eye(len(cell), dtype=bool))
    idle = jnp.where(chosen["idle"] == 1, _walk(bodies, back), STAND)
    return jnp.where(found, _walk(bodies, step), idle)


def _fires(land, chosen, cell, bodies, seen):
    """Whether a rival is in one's beam to whom the rule applies."""
    apart, away, ripe = seen
    hit = jnp.asarray(land.sweeps)[cell, bodies.facing][:, cell] & (apart < FAR)
    reach = (away <= chosen["within"][:, None]) & ripe
    mine = away[None] <= chosen["within"][:, None, None]
    rule, both = chosen["fire"][:, None], jnp.any(reach[:, None] & mine, axis=-1)
    applies = ((rule == 1) & (apart <= chosen["within"][:, None])) | ((rule == 2) & both)
    return jnp.any(hit & applies, axis=1)


def _step(land, cell, distance, targets):
    """The first step of a shortest way to the nearest of one's targets (4: one stands on it), and whether there is a way.

    `distance` is [cell, target] and `targets` [agent, target].
    """
    ways = jnp.asarray(land.neighbors)[cell]
    there = jnp.where(targets[:, None], distance[ways], FAR).min(-1)
    there = jnp.where(jnp.asarray(land.open)[cell], there, FAR)
    here = jnp.where(targets, distance[cell], FAR).min(-1)
    return jnp.where(here == 0, 4, jnp.argmin(there, axis=1)), here < FAR


def _walk(bodies, step):
    """The action that takes an agent a step in a direction; STAND for 4."""
    towards = jnp.asarray(np.append(NORTH_SOUTH_WEST_EAST, 0))[step]
    return jnp.where(step == 4, STAND, jnp.asarray(WALK)[(towards - bodies.facing) % 4])


def episode(game: Game, decide: Decide, genes: Float[Any, "plan gene"], key: PRNGKeyArray, steps: int) -> Scores:
    """One episode of self-play: `reward` is the mean return of an agent."""
    reward, active = _played(game, decide, genes, (key, steps), lambda state, seen: grid.able(state.bodies))
    return Scores(reward.sum(0).mean(), *social.metrics(reward, active))


def watcher(game: Game, steps: int) -> Watch:
    """The same episodes to look at: `watch(policy, key)` is the state before every step and the rewards [step, agent].

    >>> from interplay import games
    >>> watch = watcher(games.make("gathering(map='garden', agents=2)"), steps=3)
    >>> states, reward = watch(policies.REFERENCES["greedy"], jax.random.key(0))
    >>> [int(state.step) for state in states], reward.shape
    ([0, 1, 2], (3, 2))
    """
    decide = decider(game)
    run = jax.jit(lambda genes, key: _played(game, decide, genes, (key, steps), lambda state, seen: state))

    def watch(policy: Policy, key: PRNGKeyArray) -> tuple[list[Any], Float[np.ndarray, "step agent"]]:
        reward, states = jax.device_get(run(policies.genes(policy), key))
        return [jax.tree.map(lambda leaf, at=at: leaf[at], states) for at in range(steps)], reward

    return watch


def _played(game: Game, decide: Decide, genes: Any, run: tuple[PRNGKeyArray, int], look: Callable[[Any, Any], Any]):
    """Rewards [step, agent] of an episode, `run` its key and steps, and what `look(state before, seen after)` gives."""
    start, rest = jax.random.split(run[0])
    state, _ = game.reset(start)

    def step(state, key):
        after, seen = game.step(state, decide(state, genes), key)
        return after, (seen.reward, look(state, seen))

    return jax.lax.scan(step, state, jax.random.split(rest, run[1]))[1]


class Evaluator:
    """Scores of policies on a game, `lanes` of them side by side, each on the same `seeds` episodes; compiled once.

    >>> from interplay import games
    >>> look = Evaluator(games.make("gathering(map='garden', agents=2)"), steps=20, seeds=1, lanes=1)
    >>> look([policies.REFERENCES["greedy"]])[0].peace
    2.0
    """

    def __init__(self, game: Game, *, steps: int, seeds: int, lanes: int, key: int = 0):
        if min(steps, seeds, lanes) < 1:
            raise InputError("steps, seeds and lanes are 1 or more")
        decide = decider(game)
        one = lambda genes, key: episode(game, decide, genes, key, steps)
        every = jax.vmap(jax.vmap(one, (None, 0)), (0, None))
        self.keys = jax.random.split(jax.random.key(key), seeds)
        self.lanes = lanes
        self._run = jax.jit(every)

    def episodes(self, some: Sequence[Policy]) -> Scores:
        """Scores [policy, seed]."""
        rows = np.stack([policies.genes(policy) for policy in some])
        fill = -len(rows) % self.lanes
        rows = np.concatenate([rows, np.repeat(rows[-1:], fill, axis=0)])
        parts = [
            jax.device_get(self._run(rows[at : at + self.lanes], self.keys)) for at in range(0, len(rows), self.lanes)
        ]
        return jax.tree.map(lambda *part: np.concatenate(part)[: len(some)], *parts)

    def __call__(self, some: Sequence[Policy]) -> list[Scores]:
        """The means over seeds, policy by policy."""
        table = self.episodes(some)
        return [Scores(*(float(values[at].mean()) for values in table)) for at in range(len(some))]
