"""MANSA: independent and central learners side by side, and a switch that says where the center is worth its price.

The agents learn twice, each for itself (IQL) and together (QMIX or VDN). A third learner, a DQN of one agent that sees the
whole state, earns the team's reward less a price for every step at which the center acts; a budget may limit its calls.
Each side learns from the steps it decided. Laws: at an infinite price it is IQL; with the switch held on it is QMIX.

Source: Mguni et al., "MANSA: learning fast and slow in multi-agent systems" (2023).
"""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, PRNGKeyArray

from interplay import games
from interplay.core import shards
from interplay.core.budget import Budget
from interplay.core.errors import InputError
from interplay.core.game import Spec
from interplay.core.method import Method, Metrics
from interplay.core.names import chosen
from interplay.core.trajectory import Replayed, Transitions
from interplay.methods.baselines import dqn, iql
from interplay.methods.baselines.dqn import Values
from interplay.methods.wiring import OffPolicy, recalled, remembered, repeated, summary
from interplay.nets import exploring, mixing, switched
from interplay.nets.switched import Fee, Switched
from interplay.nets.valued import Valued
from interplay.play import gathering, ring


@dataclasses.dataclass(frozen=True)
class Settings(iql.Settings):
    """MANSA's settings: IQL's, which its independent side runs, those of the center, and those of the switch."""

    game: str = "foraging(size=6, cooperative=True)"
    """game to play, as in `interplay list games`"""
    discount: float = 0.95
    """worth of a reward one step later, for both sides and the switch"""
    independent: str = "iql"
    """how agents learn that act apart: iql"""
    central: str = "qmix"
    """how agents learn that act as a team: qmix or vdn"""
    central_rate: float = 5e-4
    """Adam's learning rate for the central side"""
    mixed: int = 32
    """units in which QMIX mixes the agents' values"""
    hyper: int = 64
    """units per hidden layer of the networks that make the mixer's weights"""
    switch: str = "learned"
    """who decides on calls: learned, always, never or random (the control)"""
    price: float = 0.01
    """team reward that one call costs the switch; inf: nothing can be called"""
    budget: int = 0
    """calls that an episode allows; 0: no limit"""
    switch_rate: float = 5e-4
    """Adam's learning rate for the switch"""
    switch_epsilon: float = 0.05
    """chance that the switch decides at random in the end; it is 1 at first"""
    calls: str = "0.1"
    """chance of a call of the random switch: one number, or several for equal parts of training, blanks between"""
    overheard: bool = False
    """the independent side learns from the center's steps as well (True) or only from its own (False)"""


INDEPENDENT: dict[str, Callable[[Settings, Spec], Values]] = {"iql": lambda s, spec: dqn.values(s, spec)}
CENTRAL: dict[str, Callable[[Settings, Spec], Values]] = {
    "qmix": lambda s, spec: dqn.values(_of_center(s), spec, mixing.monotone(width=s.mixed, hidden=s.hyper)),
    "vdn": lambda s, spec: dqn.values(_of_center(s), spec, mixing.summed),
}
SWITCHES: dict[str, Callable[[Settings], switched.Decide]] = {
    "learned": lambda s: switched.learned,
    "always": lambda s: switched.always,
    "never": lambda s: switched.never,
    "random": lambda s: switched.at_random(chances(s.calls, s.steps)),
}


class Part(NamedTuple):
    """One of the three learners: which team it is, which steps are its own, and how it sees them."""

    name: str
    of: Callable[[Switched], Valued]
    values: Values
    own: Callable[[Transitions], Bool[Array, "time batch"]]
    seen: Callable[[Replayed], Replayed]


class Switching(OffPolicy):
    """An off-policy state of which team, target and learner have three parts; `marks` say which rows are whose."""

    marks: tuple[Array, ...]


def build(s: Settings) -> Method:
    game = games.make(s.game)
    fee, parts = Fee(s.price, s.budget), _parts(s, game.spec)
    decide = chosen(SWITCHES, "switch", s.switch)(s)
    gather = gathering.experience(game, s.batch, s.length, workers=s.workers, timeout=s.timeout)
    replay, marks = dqn.replay(s, game.spec), _marks(s, parts)
    draws = tuple(_drawing(part, replay, mark) for part, mark in zip(parts, marks or (None,) * len(parts), strict=True))

    def init(key: PRNGKeyArray) -> Switching:
        team_key, play_key = jax.random.split(key)
        keys = (team_key, team_key, jax.random.fold_in(team_key, 1))
        sides: list[Any] = [part.values.make(key) for part, key in zip(parts, keys, strict=True)]
        team = Switched(*sides, fee=fee, decide=decide)
        play = gather.init(team, play_key)
        kept = replay.init(gather.like(team, play))
        learners = tuple(part.values.learner.init(part.of(team)) for part in parts)
        none = tuple(mark.init(kept) for mark in marks)
        return Switching(team, team, learners, jnp.zeros((), jnp.int32), kept, play, none)

    def learn(state: Switching, key: PRNGKeyArray) -> tuple[Switching, Metrics]:
        draw_key, learn_key = jax.random.split(key)
        count, told, fresh = state.updates + 1, {}, []
        for index, part in enumerate(parts):
            replayed = draws[index](state, draw_key)
            team, target, learner = part.of(state.team), part.of(state.target), state.learner[index]
            batch = recalled(team, replayed, part.values.credit(team, target, replayed), replay.learned)
            team, learner, metrics = part.values.learner.update(team, learner, batch, learn_key)
            fresh.append((team, part.values.follow(target, team, count), learner))
            told |= {f"{part.name}_{name}": metrics[name] for name in ("td_loss", "value", "gradient_norm")}
        teams, targets, learners = zip(*fresh, strict=True)
        team, target = Switched(*teams, fee=fee, decide=decide), Switched(*targets, fee=fee, decide=decide)
        return Switching(team, target, learners, count, state.ring, state.play, state.marks), told

    @eqx.filter_jit
    def remember(state: Switching, played, key: PRNGKeyArray) -> tuple[Switching, Metrics]:
        play, rows, finished = played
        told = {"exploration": state.team.exploration, **calls(state.team, rows), **summary(finished)}
        marked = tuple(mark.add(old, state.ring, rows) for mark, old in zip(marks, state.marks, strict=True))
        kept, team = replay.add(state.ring, rows), state.team.after(gather.cost)
        state = Switching(team, state.target, state.learner, state.updates, kept, play, marked)
        state, metrics = repeated(learn, state, key, jnp.where(replay.ready(kept), s.updates, 0))
        return state, {**metrics, **told}

    def step(state: Switching, key: PRNGKeyArray) -> tuple[Switching, Metrics]:
        play_key, learn_key = jax.random.split(key)
        return remember(state, gather(state.team, state.play, play_key), learn_key)

    def batched(state: Switching) -> Switching:
        lanes = remembered(state)
        return eqx.tree_at(lambda state: state.marks, lanes, jax.tree.map(lambda _: True, state.marks))

    cost = Budget(steps=gather.cost, updates=len(parts) * s.updates)
    return Method(init, step, lambda state: state.team, cost, game, gather.compiled, batched)


def _parts(s: Settings, spec: Spec) -> tuple[Part, ...]:
    """The independent side, the central side and the switch. Raises `InputError` where there is no center to call."""
    if s.central not in CENTRAL and s.central in ("", "none", *INDEPENDENT):
        raise InputError(f"central is '{s.central}', and a switch needs a center to call: set central to qmix or vdn")
    if s.priority:
        raise InputError(f"priority is {s.priority}, but three learners share a replay and err apart: leave it at 0")
    fee = Fee(s.price, s.budget)
    of_switch = dataclasses.replace(s, rate=s.switch_rate, epsilon=s.switch_epsilon, share=True, memory=0)
    everything = lambda rows: jnp.ones_like(rows.started)
    called = lambda rows: rows.decision.extra["call"] == switched.CALL
    alone = everything if s.overheard else lambda rows: ~called(rows)
    same = lambda replayed: replayed
    independent = chosen(INDEPENDENT, "independent", s.independent)(s, spec)
    central = chosen(CENTRAL, "central", s.central)(s, spec)
    return (
        Part("independent", lambda team: team.independent, independent, alone, same),
        Part("central", lambda team: team.central, central, called, same),
        Part("switch", lambda team: team.switch, dqn.values(of_switch, fee.spec(spec)), everything, fee.replayed),
    )


def _of_center(s: Settings) -> Settings:
    return dataclasses.replace(s, rate=s.central_rate)


def _drawing(part: Part, replay: ring.Replay, mark: ring.Marks | None) -> Callable[[Switching, PRNGKeyArray], Replayed]:
    """Draws as the learner sees them, of which only its own steps count."""
    number = {"independent": 0, "central": 1, "switch": 2}[part.name]

    def draw(state: Switching, key: PRNGKeyArray) -> Replayed:
        drawn = mark.draw(state.ring, state.marks[number], key) if mark else replay.draw(state.ring, key)
        play = drawn[1].transitions
        return part.seen(Replayed(play, drawn[1].weight * part.own(play)))

    return draw


def _marks(s: Settings, parts: tuple[Part, ...]) -> tuple[ring.Marks, ...]:
    """Marks on each learner's own steps; none where whole episodes or several steps are drawn, of which some rows count."""
    if s.memory or s.n_step > 1:
        return ()
    room = ring.Room(s.capacity, s.batch, s.length, s.sampled, s.warmup)
    return tuple(ring.marked(room, part.own) for part in parts)


def calls(team: Switched, rows: Transitions) -> Metrics:
    """How often the center was called, how often the switch as it is would have called, and what it expects to gain by it."""
    extra = rows.decision.extra
    values = jax.vmap(jax.vmap(team.wanted))(rows.time_step, extra["left"])
    gain = jnp.where(jnp.isfinite(values[..., 1]), values[..., 1] - values[..., 0], 0.0)
    means = {"calls": extra["call"], "calls_wanted": gain > 0, "switch_gain": gain}
    return {name: shards.mean(jnp.mean(value, dtype=jnp.float32)) for name, value in means.items()}


def chances(words: str, steps: int) -> exploring.Schedule:
    """A chance for each of as many equal parts of training as `words` has numbers. Raises `InputError` for other words.

    >>> float(chances("0.5 0.1", 100)(jnp.array(70)))
    0.10000000149011612
    """
    try:
        levels = [float(word) for word in words.split()]
    except ValueError:
        levels = []
    if not levels or not all(0 <= level <= 1 for level in levels):
        raise InputError(f"calls is '{words}': give one chance from 0 to 1, or several with blanks between")
    parts = jnp.array(levels)
    return lambda count: parts[jnp.minimum(count * len(levels) // steps, len(levels) - 1)]
