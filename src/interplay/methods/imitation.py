"""The wiring of methods in which every agent learns from demonstrations, next to what the team itself plays.

Play, remember, draw from both, let some agents step. Who steps when is an argument: all from one batch (`at_once`,
independent learners) or one after another with new play in between (`in_turn`, MAMQL); with one agent they are the same.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.core import Tracer
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from interplay import games
from interplay.core import population
from interplay.core.budget import Budget
from interplay.core.errors import InputError
from interplay.core.game import Game
from interplay.core.keys import permutation
from interplay.core.method import Method, Metrics
from interplay.core.trajectory import Transitions
from interplay.methods.wiring import repeated, summary
from interplay.nets import exploring, mixing, views
from interplay.nets.rewarding import Rewarding, rewarding
from interplay.nets.valued import valued
from interplay.objectives import inverse
from interplay.play import demonstrations, ring, scan
from interplay.play.demonstrations import Demonstrations
from interplay.update.gradient import adam
from interplay.update.individual import Individual, individual


@dataclasses.dataclass(frozen=True)
class Settings:
    """What all of these methods have in common."""

    game: str = "gems"
    """game to play, as in `interplay list games`"""
    steps: int = 100_000
    """environment steps to train for"""
    demonstrations: str = ""
    """file of demonstrations, as `interplay demonstrate` writes it"""
    episodes: int = 0
    """demonstrated episodes to learn from, the first ones of the file; 0: all"""
    batch: int = 8
    """games played side by side"""
    length: int = 8
    """steps gathered from each game between two rounds of learning"""
    updates: int = 2
    """gradient steps of an agent in a round of learning"""
    sampled: int = 128
    """rows drawn for one gradient step, of the demonstrations and of the replay each"""
    capacity: int = 16_384
    """environment steps that the replay keeps"""
    width: int = 64
    """units per hidden layer"""
    depth: int = 2
    """hidden layers"""
    rate: float = 1e-3
    """Adam's learning rate"""
    max_norm: float = 10.0
    """gradients are clipped to this global norm"""
    discount: float = 0.9
    """worth of a reward one step later"""
    temperature: float = 0.2
    """T of the policies exp(Q / T): how sharply the demonstrators chose, in units of reward"""
    decay: float = 1e-5
    """weight of the sum of squared parameters in the loss"""


class Imitating(eqx.Module):
    """The state: who plays, how it is learning, what was played, where the games stand.

    `known` holds the fingerprint of the demonstrations as a name, so that a run never resumes with others.
    """

    team: Rewarding
    learner: PyTree
    ring: ring.Ring
    play: PyTree
    known: dict[str, Int[Array, ""]]


Learn = Callable[[Imitating, Int[Array, "some"], PRNGKeyArray], tuple[Imitating, Metrics]]
Others = Callable[[Rewarding, Transitions], Float[Array, "row agent"]]
Turns = Callable[[Learn, Callable, int], Callable[[Imitating, PRNGKeyArray], tuple[Imitating, Metrics]]]


def at_once(learn: Learn, play: Callable, agents: int):
    """Play; all agents step from the same batches, none seeing another's step before the next batch."""

    def step(state: Imitating, key: PRNGKeyArray):
        return _turn(learn, play, state, jnp.arange(agents), jax.random.fold_in(key, 0))

    return step


def in_turn(learn: Learn, play: Callable, agents: int):
    """In a new random order: play, and one agent steps, the others' values standing still."""

    def step(state: Imitating, key: PRNGKeyArray):
        order = permutation(jax.random.fold_in(key, agents), agents)
        arrays, rest = eqx.partition(state, eqx.is_array)

        def turn(arrays, slot):
            state = eqx.combine(arrays, rest)
            state, told = _turn(learn, play, state, order[slot][None], jax.random.fold_in(key, slot))
            return eqx.filter(state, eqx.is_array), told

        arrays, told = jax.lax.scan(turn, arrays, jnp.arange(agents))
        ended = jnp.maximum(told["episodes"].sum(), 1e-9)
        over = lambda name: jnp.nansum(told[name] * told["episodes"]) / jnp.where(ended >= 1, ended, jnp.nan)
        means = {name: value.mean() for name, value in told.items()}
        whole = {"return": over("return"), "length": over("length"), "episodes": told["episodes"].sum()}
        return eqx.combine(arrays, rest), {**means, **whole}

    return step


def imitation(
    s: Settings, loss: Callable, *, visited: Callable, turns: Turns, shown: Demonstrations | None,
    others: Others = inverse.as_played,
) -> Method:  # fmt: skip
    """A method whose agents lower `loss(values, parameters, expert rows, visited rows)`, each with a network of its own.

    `visited(drawn, state, key)` → transitions of play, `on_replay` or `on_demonstrations`. `shown` takes the place of the
    file that the settings name. `others(team, transitions)` → weights [row agent] of each agent's rows, by what the others
    did there. Raises `InputError` for a file that does not fit, and for games in Python.
    """
    game = games.make(s.game)
    shown = shown or loaded(s, game)
    gather, agents = scan.experience(game, s.batch, s.length), game.spec.agents
    replay = ring.uniform(ring.Room(s.capacity, s.batch, s.length, s.sampled))
    explore = exploring.boltzmann(exploring.linear(s.temperature, s.temperature, 0))
    steps: Individual = individual(_of_member(loss), adam(s.rate, s.max_norm))

    def init(key: PRNGKeyArray) -> Imitating:
        team_key, play_key = jax.random.split(key)
        seats = population.separate(agents)
        team = valued(game.spec, team_key, seats, mixing.apart, explore, view=views.local, width=s.width, depth=s.depth)
        play = gather.init(team, play_key)
        like = eqx.filter_eval_shape(gather, team, play, play_key)[1]
        team = rewarding(team, s.discount, s.temperature)
        return Imitating(team, steps.init(team.networks), replay.init(like), play, remembered(shown))

    def played(state: Imitating, key: PRNGKeyArray):
        play, rows, finished = gather(state.team, state.play, key)
        return dataclasses.replace(state, ring=replay.add(state.ring, rows), play=play), summary(finished)

    def learn(state: Imitating, who: Int[Array, "some"], key: PRNGKeyArray):
        def once(state: Imitating, key: PRNGKeyArray):
            first, second = jax.random.split(key)
            expert = shown.drawn(first, s.sampled)
            return _stepped(steps, others, state, who, (expert, visited(replay, expert, state.ring, second)))

        return repeated(once, state, key, jnp.asarray(s.updates))

    step = turns(learn, played, agents)
    rounds = agents if turns is in_turn else 1
    cost = Budget(steps=rounds * gather.cost, updates=s.updates * agents)
    return Method(init, step, lambda state: state.team, cost, game, True, None)


def on_replay(replay: ring.Replay, expert, kept: ring.Ring, key: PRNGKeyArray):
    """What the team itself visited, as if a time limit ended play.

    E[V(s) − γ V(s')] over visited rows holds every V down only where each s' is also the s of a row: the place where time
    ran out is not, and its value would rise without bound.
    """
    play = replay.draw(kept, key)[1].transitions
    arrived = dataclasses.replace(play.arrived, terminated=play.arrived.terminated | play.arrived.truncated)
    return dataclasses.replace(play, arrived=arrived)


def on_demonstrations(replay: ring.Replay, expert, kept: ring.Ring, key: PRNGKeyArray):
    """What the demonstrators visited: learning needs no play then."""
    return expert


def _of_member(loss: Callable):
    def judged(network: Any, expert: inverse.Rows, visited: inverse.Rows):
        values = jax.vmap(lambda seen: network((), seen)[1])
        return loss(values, eqx.filter(network, eqx.is_inexact_array), expert, visited)

    return judged


def _turn(learn: Learn, play: Callable, state: Imitating, who: Int[Array, "some"], key: PRNGKeyArray):
    play_key, learn_key = jax.random.split(key)
    state, told = play(state, play_key)
    state, metrics = learn(state, who, learn_key)
    return state, {**metrics, **told}


def _stepped(steps: Individual, others: Others, state: Imitating, who: Int[Array, "some"], play: tuple):
    """One gradient step of every agent in `who`, on rows of its own; no gradient reaches anybody else's network."""
    counts = [jax.lax.stop_gradient(others(state.team, part)) for part in play]

    def one(carry, agent):
        networks, learner = carry
        data = [
            inverse.weighed(inverse.rows_of(part, agent), count[:, agent])
            for part, count in zip(play, counts, strict=True)
        ]
        networks, learner, told = steps.update(networks, learner, agent, *data)
        return (eqx.filter(networks, eqx.is_array), learner), told

    (arrays, learner), told = jax.lax.scan(
        lambda carry, agent: one((eqx.combine(carry[0], state.team.networks), carry[1]), agent),
        (eqx.filter(state.team.networks, eqx.is_array), state.learner),
        who,
    )
    team = dataclasses.replace(state.team, networks=eqx.combine(arrays, state.team.networks))
    return dataclasses.replace(state, team=team, learner=learner), jax.tree.map(jnp.mean, told)


def loaded(s: Settings, game: Any) -> Demonstrations:
    """The demonstrations that the settings name. Raises `InputError` where they do not fit the game."""
    if not isinstance(game, Game):
        raise InputError(f"{s.game} is played in Python, and imitators play compiled games only: give one of those")
    if not s.demonstrations:
        raise InputError("what is to be learned from? give demonstrations=FILE, made by `interplay demonstrate RUN`")
    shown = demonstrations.load(s.demonstrations, s.game, game.spec)
    return shown.first(s.episodes) if s.episodes else shown


def remembered(shown: Demonstrations) -> dict[str, Int[Array, ""]]:
    """A part of the state that is named after the demonstrations: a checkpoint does not fit any others."""
    if any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(shown.rows)):
        return {}  # studies that trace the demonstrations themselves save nothing
    return {shown.fingerprint: jnp.asarray(shown.count, jnp.int32)}
