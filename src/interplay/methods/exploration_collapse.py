"""Exploration collapse: DQN on a lattice of hundreds of agents, who learn with one network, in groups, or each alone.

A diagnosis, not a new learner: does sharing a network make cooperation die as agents explore more? Networks see only what
the game shows (32 things), or are told in addition how far learning is, or which group or agent they act for. A `table` in
the network's place leaves nothing to entangle. Laws: values looked up in a table of all that can be seen (`lookup`) are
those of running the networks on every agent and draw; targets are those of `returns.bellman`.

Source: Weng and Lee, "How exploration breaks cooperation in shared-policy multi-agent reinforcement learning" (2026).
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree, UInt8

from interplay import games
from interplay.core import keys
from interplay.core.budget import Budget
from interplay.core.choosing import best, chosen
from interplay.core.errors import InputError
from interplay.core.method import Method, Metrics
from interplay.core.names import chosen as named
from interplay.core.population import Population, populate
from interplay.games.lattice import DEGREE, Lattice, State
from interplay.measure import failure
from interplay.nets import coded, exploring, mixing, views
from interplay.nets.coded import Read, View, Watching
from interplay.objectives.value import huber


@dataclasses.dataclass(frozen=True)
class Settings:
    """Settings of the lattice study; the defaults are those of the published script."""

    game: str = "lattice"
    """game to play: `lattice` and its parameters"""
    steps: int = 100_000
    """environment steps to play; shorter ones are another experiment, for regimes drift"""
    learning: float = 0.95
    """share of the steps in which there is learning and exploration falls; in the rest the team only plays"""
    groups: int = 1
    """networks, each for an equal random part of the agents: 1 is shared; 0: one for each agent"""
    told: str = "nothing"
    """what networks are told besides what the game shows: nothing, progress, group (of ten) or name"""
    learner: str = "network"
    """what learns: network, zero-head (a network that begins with values of zero) or table"""
    lookup: bool = True
    """look values up in a table of all that can be seen where that is short; the numbers are the same"""
    length: int = 100
    """steps played in one update of the log, a multiple of `every`"""
    every: int = 4
    """steps played between two gradient steps"""
    sampled: int = 256
    """draws from the replay for one gradient step of each network"""
    kept: int = 100
    """steps of all agents that the replay keeps, a multiple of `every`"""
    n_step: int = 5
    """rewards summed before values take over; 1 where the replay ends sooner"""
    width: int = 96
    """units per hidden layer"""
    depth: int = 1
    """hidden layers"""
    rate: float = 1e-4
    """Adam's learning rate"""
    decay: float = 1e-4
    """weight decay, as a share of the learning rate"""
    max_norm: float = 0.5
    """gradients of each network are clipped to this norm"""
    discount: float = 0.99
    """worth of a reward one step later"""
    follow: int = 500
    """gradient steps after which the target becomes a copy of the network"""
    temperature: float = 0.727
    """of the Boltzmann policy at first, in units of value; the source's B is 0.75 times this plus 0.025"""
    final_temperature: float = 0.1
    """of the Boltzmann policy in the end"""


LEARNERS = {"network": lambda network: network, "zero-head": coded.silenced, "table": lambda network: network}
TOLD_GROUPS = 10
LONGEST_TABLE = 1024  # beyond, running the networks is faster than keeping a table of all that can be seen


class Learning(eqx.Module):
    """The state: who plays and what follows it, how learning is going, where the game stands, what was seen of late.

    What agents saw at step t lies in row (t − 1) modulo the rows of `seen`. As it tells what everybody around did, and so
    the reward, it is all that the replay needs.
    """

    team: Watching
    target: PyTree
    optimizer: PyTree
    world: State
    seen: UInt8[Array, "time agent"]


class Draws(NamedTuple):
    """What is learned from: who saw which code when and did what, what it earned until it saw `last` at `then`, and γ to
    the number of steps between."""

    who: Int[Array, "group draw"]
    code: UInt8[Array, "group draw"]
    when: Int[Array, "group draw"]
    action: UInt8[Array, "group draw"]
    earned: Float[Array, "group draw"]
    last: UInt8[Array, "group draw"]
    then: Int[Array, "group draw"]
    worth: Float[Array, "group draw"]


def build(s: Settings) -> Method:
    game, seats = _lattice(s), assigned(s)
    members = np.argsort(seats, kind="stable").reshape(seats.max() + 1, -1)  # [group, place]: the agents of each
    view, learning = _view(s, game.spec.agents), round(s.learning * s.steps)
    reader = _reader(s, view)
    learn, optimizer = learner(s, reader)
    explore = exploring.boltzmann(exploring.linear(s.temperature, s.final_temperature, learning))

    def init(key: PRNGKeyArray) -> Learning:
        first, second = jax.random.split(key)
        networks, (world, _) = populate(_maker(s, view), len(members), first), game.reset(second)
        team = Watching(
            networks=networks,
            mixer=mixing.Apart(),
            steps=jnp.zeros((), jnp.int32),
            spec=game.spec,
            seats=tuple(map(int, seats)),
            view=views.local,
            explore=explore,
            watch=view,
        )
        seen = jnp.zeros((s.kept + s.every, len(seats)), jnp.uint8).at[-1].set(game.codes(world.action))
        return Learning(team, networks.members, optimizer.init(networks.members), world, seen)

    def play(state: Learning, key: PRNGKeyArray) -> Learning:
        """`every` steps of the game, written over the oldest."""
        read = reader(state.team.networks.members)

        def once(world: State, row):
            when, threshold = row
            lead = in_order(read(jnp.asarray(members), game.codes(world.action)[members], when, led), members)
            world, _ = game.step(world, acted(lead, explore.schedule(when), threshold), key)
            return world, world.action

        threshold = jax.scipy.special.logit(keys.uniform(key, (s.every, len(seats))))
        world, actions = jax.lax.scan(once, state.world, (state.team.steps + jnp.arange(s.every), threshold))
        rows = jax.vmap(game.codes)(actions)
        place = state.team.steps % len(state.seen)
        seen = jax.lax.dynamic_update_slice_in_dim(state.seen, rows, place, axis=0)
        return dataclasses.replace(state, team=state.team.after(s.every), world=world, seen=seen)

    def block(state: Learning, luck) -> tuple[Learning, Metrics]:
        key, chance = luck
        state = play(state, key)
        now, before = state.team.steps, (state.team.networks.members, state.target, state.optimizer)
        draws = drawn(s, game, members, state.seen, now, chance)
        changed = lambda: learn(*before, draws, now // s.every)
        (networks, target, optimizing), loss = jax.lax.cond(now <= learning, changed, lambda: (before, jnp.zeros(())))
        team = dataclasses.replace(state.team, networks=Population(networks))
        row = jax.lax.dynamic_slice_in_dim(state.seen, (now - s.every) % len(state.seen), s.every)
        told = {
            "loss": loss,
            "reward": game.payoff[row].mean(),
            "cooperation": failure.cooperation(row >> DEGREE).mean(),
        }
        return dataclasses.replace(state, team=team, target=target, optimizer=optimizing), told

    def step(state: Learning, key: PRNGKeyArray) -> tuple[Learning, Metrics]:
        first, second = jax.random.split(key)
        blocks = (
            s.length // s.every
        )  # chances are drawn ahead: fused into what uses them they would be drawn several times
        luck = (jax.random.split(first, blocks), keys.uniform(second, (blocks, 2, len(members), s.sampled)))
        state, rows = jax.lax.scan(block, state, luck)
        told = jax.tree.map(jnp.mean, rows)
        total = told.pop("reward") * s.length  # games do not end here: this is what `length` steps earn
        read = reader(state.team.networks.members)
        values = read(jnp.asarray(members), game.codes(state.world.action)[members], state.team.steps)
        return state, {"return": total, **told, **probed(values, state)}

    cost = Budget(steps=s.length, updates=s.length // s.every)
    return Method(init, step, lambda state: state.team, cost, game)


def learner(s: Settings, reader: Callable[[PyTree], Read]) -> tuple[Any, Any]:
    """Double Q learning by every network on draws of its own, with an optimizer and a target of its own.

    AdamW on E[huber(Q(s, a) − y)], gradients clipped network by network; targets are copied every `follow` updates. Returns
    `learn(members, target, state, draws, count)` → ((members, target, state), mean loss), and the optimizer.
    """
    one = optax.flatten(optax.chain(optax.clip_by_global_norm(s.max_norm), optax.adamw(s.rate, weight_decay=s.decay)))
    optimizer = optax.GradientTransformation(jax.vmap(one.init), jax.vmap(one.update))

    def learn(members: PyTree, target: PyTree, state: PyTree, draws: Draws, count: Int[Array, ""]):
        def loss(members: PyTree):
            read = reader(members)
            wanted = targets(read, reader(target), draws)
            error = chosen(read(draws.who, draws.code, draws.when), draws.action) - jax.lax.stop_gradient(wanted)
            each = huber(1.0)(error).mean(-1)
            return each.sum(), each.mean()

        slope, told = jax.grad(loss, has_aux=True)(members)
        updates, state = optimizer.update(slope, state, members)
        members = optax.apply_updates(members, updates)
        target = jax.tree.map(lambda new, old: jnp.where(count % s.follow == 0, new, old), members, target)
        return (members, target, state), told

    return learn, optimizer


def targets(online: Read, target: Read, draws: Draws) -> Float[Array, "group draw"]:
    """y = Σ_{k<n} γ^k r_{t+k} + γ^n Q_target(s_{t+n}, argmax_a Q(s_{t+n}, a)); among equals, the first a."""
    ahead = online(draws.who, draws.last, draws.then)
    action = best(ahead, jnp.ones(ahead.shape, bool))
    return draws.earned + draws.worth * chosen(target(draws.who, draws.last, draws.then), action)


def drawn(
    s: Settings,
    game: Lattice,
    members: np.ndarray,
    seen: Array,
    now: Int[Array, ""],
    chance: Float[Array, "2 group draw"],
) -> Draws:
    """A row for every `chance`, any step that is kept and any agent of the group equally often.

    Rows reach `n_step` steps ahead where that was seen, else one.
    """
    groups, each = members.shape
    when = now - 1 - jnp.floor(chance[0] * jnp.minimum(now, s.kept)).astype(jnp.int32)
    place = jnp.floor(chance[1] * each).astype(jnp.int32)
    who = jnp.asarray(members)[np.arange(groups)[:, None], place]
    reach = jnp.where(when + s.n_step <= now, s.n_step, 1)
    ahead = np.arange(s.n_step + 1)[:, None, None]
    code = seen.ravel().at[(when + ahead - 1) % len(seen) * seen.shape[1] + who].get(mode="promise_in_bounds")
    earned = jnp.where(ahead[:-1] < reach, s.discount ** ahead[:-1] * game.payoff[code[1:]], 0.0).sum(0)
    last = jnp.where(reach == s.n_step, code[-1], code[1])
    return Draws(who, code[0], when, code[1] >> DEGREE, earned, last, when + reach, s.discount**reach)


def led(values: Float[Array, "*rows action"]) -> Float[Array, "*rows"]:
    """Q₀ − Q₁: by how much cooperation is worth more."""
    return values[..., 0] - values[..., 1]


def acted(lead: Float[Array, "agent"], temperature: Array, threshold: Float[Array, "agent"]) -> Int[Array, "agent"]:
    """The Boltzmann policy's choice by inverse transform, 0 if u < σ((Q₀ − Q₁) / τ), from `threshold` = log u / (1 − u)."""
    return (lead <= temperature * threshold).astype(jnp.int32)


def in_order(rows: Float[Array, "group place"], members: np.ndarray) -> Float[Array, "agent"]:
    """Rows of groups as rows of agents."""
    flat, order = rows.ravel(), members.ravel()
    return flat if (order == np.arange(len(order))).all() else flat[np.argsort(order)]


def probed(values: Float[Array, "group place action"], state: Learning) -> Metrics:
    """What agents think where they stand, how sure they are, and whether they repeat themselves."""
    temperature = state.team.exploration
    chance = jax.nn.log_softmax(values / temperature)
    action = jnp.roll(state.seen, -(state.team.steps % len(state.seen)), axis=0) >> DEGREE
    return {
        "exploration": temperature,
        "entropy": -(jnp.exp(chance) * chance).sum(-1).mean(),
        "value_gap": failure.value_gap(values),
        "repeats_1": failure.repetition(action, 1),
        "repeats_2": failure.repetition(action, 2),
    }


def assigned(s: Settings) -> Int[np.ndarray, "agent"]:
    """Which network each agent uses: equal groups at random, the same for all seeds. Raises `InputError` for unequal ones."""
    agents = _lattice(s).spec.agents
    return _groups(agents, s.groups or agents)


def _groups(agents: int, groups: int) -> Int[np.ndarray, "agent"]:
    if agents % groups:
        raise InputError(f"{agents} agents do not make {groups} equal groups: give a number that divides {agents}")
    return np.arange(agents) if groups == agents else np.random.default_rng(0).permutation(agents) % groups


def _lattice(s: Settings) -> Lattice:
    game = games.make(s.game)
    if not isinstance(game, Lattice):
        raise InputError(f"exploration-collapse is a study of the lattice, and {s.game} is another game: give lattice")
    if s.length % s.every or s.kept % s.every:
        raise InputError(f"length is {s.length} and kept is {s.kept}: give multiples of every, which is {s.every}")
    if s.learner == "table" and s.told != "nothing":
        raise InputError(f"a table cannot be told its {s.told}: give told=nothing, or learner=network")
    return game


def _view(s: Settings, agents: int) -> View:
    choices = {
        "nothing": lambda: coded.nothing(agents),
        "progress": lambda: coded.progress(agents, s.steps, round(s.learning * s.steps)),
        "group": lambda: coded.group(_groups(agents, TOLD_GROUPS)),
        "name": lambda: coded.name(agents),
    }
    return named(choices, "told", s.told)()


def _reader(s: Settings, view: View) -> Callable[[PyTree], Read]:
    short = len(view.members) * coded.CODES <= LONGEST_TABLE
    how = coded.run if not (s.lookup and short) else coded.looked_up_at if view.timed else coded.looked_up
    return functools.partial(how, view)


def _maker(s: Settings, view: View) -> Callable[[PRNGKeyArray], Any]:
    change = named(LEARNERS, "learner", s.learner)
    if s.learner == "table":
        return lambda key: coded.Table(jnp.zeros((coded.CODES, 2)))
    return lambda key: change(coded.uniform(coded.BITS + view.width, 2, s.width, s.depth, key))
