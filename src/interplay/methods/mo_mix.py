"""MO-MIX: a team with several objectives that is told how much each counts, and learns all compromises at once.

Agents see the preference w and know a value for each objective; every objective has a monotone mixer of its own (parallel
tracks). Preferences are drawn where the front of compromises found so far has its widest gaps (the exploration guide), and
half of what is replayed is seen as if another preference had held. Law: with one objective it is QMIX.

Source: Hu et al., "MO-MIX: multi-objective multi-agent cooperative decision-making with deep reinforcement learning" (2023).
"""

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from interplay import games
from interplay.core.budget import Budget
from interplay.core.errors import InputError
from interplay.core.game import AnyGame, Spec
from interplay.core.method import Method, Metrics
from interplay.core.preferences import simplex
from interplay.core.trajectory import Replayed
from interplay.measure import pareto
from interplay.methods.baselines import dqn, qmix
from interplay.methods.wiring import OffPolicy, mean_error, recalled, remembered, repeated, summary
from interplay.nets import mixing, preferred
from interplay.nets.preferred import Guided, Preferences, Preferring, Uniform
from interplay.play import gathering


@dataclasses.dataclass(frozen=True)
class Settings(qmix.Settings):
    """QMIX's settings, those of the exploration guide, and how much of what is replayed gets another preference."""

    game: str = "treasures"
    """game to play, one with several objectives"""
    guided: float = 0.5
    """share of episodes whose preference comes from a gap in the front found so far; 0: no guide"""
    parts: int = 20
    """steps in which the guide divides a weight: it looks at all preferences in steps of 1 / parts"""
    looks: int = 1
    """preferences that the guide looks at in one update, by greedy episodes that count as steps of the game"""
    trials: int = 1
    """episodes that it plays for each; 1 is enough where a game has no chance in it"""
    relabeled: float = 0.5
    """share of draws from the replay that are seen under another preference, drawn uniformly"""
    reference: float = dataclasses.field(default=0.0, metadata={"signed": True})
    """return in every objective from which the logged hypervolume is measured"""


def build(s: Settings, mixer: mixing.Making | None = None) -> Method:
    return playing(games.make(s.game), s, mixer or mixing.tracks(width=s.mixed, hidden=s.hyper))


def playing(game: AnyGame, s: Settings, mixer: mixing.Making) -> Method:
    """The method for a game that is there already."""
    start = preferences(s, game.spec)
    gather = gathering.experience(game, s.batch, s.length, workers=s.workers, timeout=s.timeout)
    replay = dqn.replay(s, game.spec)
    values = dqn.values(s, preferred.spec(game.spec), mixer, utility=preferred.utility)

    def init(key: PRNGKeyArray) -> OffPolicy:
        team_key, play_key = jax.random.split(key)
        team = Preferring(team=values.make(team_key), preferences=start)
        play = gather.init(team, play_key)
        kept = replay.init(gather.like(team, play))
        return OffPolicy(team, team.team, values.learner.init(team.team), jnp.zeros((), jnp.int32), kept, play)

    def learn(state: OffPolicy, key: PRNGKeyArray) -> tuple[OffPolicy, Metrics]:
        draw_key, learn_key = jax.random.split(key)
        drawn, replayed = replay.draw(state.ring, draw_key)
        replayed = preferred.replayed(replayed, relabeled(s.relabeled, replayed, jax.random.fold_in(draw_key, 1)))
        team: Preferring = state.team
        batch = recalled(team.team, replayed, values.credit(team.team, state.target, replayed), replay.learned)
        inner, optimizer, metrics = values.learner.update(team.team, state.learner, batch, learn_key)
        ring, count = replay.rate(state.ring, drawn, mean_error(batch.credit)), state.updates + 1
        team = dataclasses.replace(team, team=inner)
        return OffPolicy(team, values.follow(state.target, inner, count), optimizer, count, ring, state.play), metrics

    @eqx.filter_jit
    def remember(state: OffPolicy, played, key: PRNGKeyArray) -> tuple[OffPolicy, Metrics]:
        play, rows, finished = played
        told = {"exploration": state.team.exploration, **summary(finished)}
        ring, team = replay.add(state.ring, rows), state.team.after(cost.steps)
        state = OffPolicy(team, state.target, state.learner, state.updates, ring, play)
        state, metrics = repeated(learn, state, key, jnp.where(replay.ready(ring), s.updates, 0))
        return state, {**metrics, **told}

    def step(state: OffPolicy, key: PRNGKeyArray) -> tuple[OffPolicy, Metrics]:
        play_key, learn_key = jax.random.split(key)
        state, told = remember(state, gather(state.team, state.play, play_key), learn_key)
        team = looked(state.team, game, jax.random.fold_in(key, 1), s)
        return dataclasses.replace(state, team=team), {**told, **known(team.preferences, s)}

    looking = s.looks * s.trials * game.spec.horizon if isinstance(start, Guided) else 0
    cost = Budget(steps=gather.cost + looking, updates=s.updates)
    return Method(init, step, lambda state: state.team, cost, game, gather.compiled, remembered)


def preferences(s: Settings, spec: Spec) -> Preferences:
    """Where preferences come from at first. Raises `InputError` for games without objectives and settings out of range."""
    if not spec.objectives:
        raise InputError(
            f"'{s.game}' has one reward and no objectives to choose among: use qmix, or a game with several"
        )
    for name, value in (("guided", s.guided), ("relabeled", s.relabeled)):
        if not 0 <= value <= 1:
            raise InputError(f"{name} is {value}: give a share from 0 to 1")
    if not s.guided or spec.objectives == 1:
        return Uniform(spec.objectives)
    if min(s.parts, s.looks, s.trials) < 1:
        raise InputError(f"the guide has parts={s.parts}, looks={s.looks}, trials={s.trials}: give 1 or more of each")
    weights = jnp.asarray(simplex(spec.objectives, s.parts), jnp.float32)
    if s.looks > len(weights):
        raise InputError(
            f"looks is {s.looks}, and there are {len(weights)} preferences to look at: give at most as many"
        )
    return Guided(weights, jnp.zeros_like(weights), jnp.zeros((), jnp.int32), s.guided)


def relabeled(share: float, replayed: Replayed, key: PRNGKeyArray) -> Float[Array, "time draw objective"]:
    """The preferences that were played for, and in a `share` of the draws others: what was learned for one serves all."""
    kept = replayed.transitions.decision.extra["preference"]
    draws, objectives = kept.shape[1:]
    coin_key, other_key = jax.random.split(key)
    other = jax.vmap(Uniform(objectives))(jax.random.split(other_key, draws))
    return jnp.where(jax.random.uniform(coin_key, (draws, 1)) < share, other, kept)


def looked(team: Preferring, game: Any, key: PRNGKeyArray, s: Settings) -> Preferring:
    """The team after its guide, if it has one, has seen what greedy play for its next preferences comes to."""
    guide = team.preferences
    if not isinstance(guide, Guided):
        return team
    which = guide.seen(s.looks)
    returns = pareto.returns_under(team.greedy(), game, guide.weights[which], key, s.trials)
    return dataclasses.replace(team, preferences=guide.told(which, returns))


def known(guide: Preferences, s: Settings) -> Metrics:
    """How many points the front found so far has and, of two objectives, what area it covers."""
    if not isinstance(guide, Guided):
        return {}
    told = {"front": pareto.nondominated(guide.found).sum().astype(jnp.float32)}
    if guide.found.shape[1] == 2:
        told["hypervolume"] = pareto.hypervolume(guide.found, jnp.full(2, s.reference))
    return told
