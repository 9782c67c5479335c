"""The wiring of language teams with a critic: talk, judge every token, learn in several steps from the same dialogues.

Token PPO, Turn-PPO, S-PPO and ST-PPO are settings of it. Dialogues may be those of weights some updates old (`delay`), as
where sampling and learning run apart; importance ratios are then against those weights.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, PRNGKeyArray

from interplay.core.budget import Budget
from interplay.core.errors import InputError
from interplay.core.method import Method
from interplay.lm import clipping
from interplay.lm.clipping import Pair, Steps, improved, unscaled
from interplay.lm.critic import Critic, Judge, judged
from interplay.lm.model import Weights
from interplay.lm.together import here
from interplay.lm.transcript import Transcript, joined
from interplay.lm.update import started
from interplay.methods import language as given
from interplay.methods.dialogue import (
    ALWAYS,
    Dialogues,
    LanguageTeam,
    Practice,
    Talking,
    measured,
    said_by,
    seeds,
    warmed,
)
from interplay.methods.language import LanguageSettings

FACTORS = {
    "one": clipping.unchanged,
    "bias": clipping.by_bias,
    "shuffled": clipping.shuffled,
    "average": clipping.average,
}
GUARDS = {"limited": clipping.limited, "literal": clipping.literal}


class Acting(NamedTuple):
    """The state: actors with their critics, the latest weights that dialogues may be played by, oldest first."""

    pairs: tuple[Pair, ...]
    past: tuple[tuple[Weights, ...], ...]
    imitation: Any
    updates: Any


class Stage(NamedTuple):
    """Who speaks about what, who judges it and how, and how all of them learn."""

    game: Dialogues
    critic: Critic
    judge: Judge
    steps: Steps


def criticized(s: LanguageSettings, *, steps: Steps, judge: Judge, delay: int = 0) -> Method:
    """Talk about `tasks` × `group` as weights `delay` updates old do, judge and learn every member's dialogues.

    Processes that torchrun started each play a share. Raises `InputError` where scene and model do not fit, before anything is
    learned.
    """
    if min(s.tasks, s.group) < 1 or delay < 0:
        raise InputError(f"{s.tasks} tasks of {s.group} attempts, {delay} updates old: give 1 or more, and 0 or more")
    if s.staleness or s.in_flight:
        raise InputError("this method's words are stale by `delay`: set delay=…, and leave staleness and in_flight out")
    game = Dialogues(s, lambda turns: turns.reward, here())
    model = game.model
    members = max(given.seats_of(s, game.scene).values()) + 1
    critic = Critic(model.codec, members, given.size_of(s, game.scene))
    stage = Stage(game, critic, judge, steps)

    def init(key: PRNGKeyArray) -> Acting:
        random = [np.random.default_rng([*seeds(key), seat]) for seat in range(members)]
        pairs = tuple(Pair(started(model.fresh(one)), started(critic.fresh(one)), unscaled()) for one in random)
        return Acting(pairs, (_weights(pairs),) * delay, np.zeros((), np.float32), np.zeros((), np.int32))

    def step(state: Acting, key: PRNGKeyArray):
        words = seeds(key)
        if int(state.updates) == 0:
            state = _warmed(game, state, s, words)
        line = (*state.past, _weights(state.pairs))
        game.load(line[0])
        practice = game.practice(words, s, int(state.updates) - delay)
        pairs, told = _learned(stage, state.pairs, practice, words)
        told |= measured(practice, game) | {"imitation": float(state.imitation)}
        after = Acting(pairs, line[1:], state.imitation, np.int32(state.updates + 1))
        game.among.agreed(jax.tree.leaves(after))
        return after, {name: jnp.float32(value) for name, value in told.items()}

    team = lambda state: LanguageTeam(members=_weights(state.pairs), temperature=s.temperature)
    cost = Budget(steps=s.tasks * s.group, updates=steps.actor.passes * steps.actor.minibatches)
    return Method(init, step, team, cost, game, compiled=False, together=True)


def _warmed(game: Dialogues, state: Acting, s: LanguageSettings, words: tuple[int, ...]) -> Acting:
    """Actors that have imitated the scene's script, now and in the past."""
    talking = Talking(tuple(pair.actor for pair in state.pairs), state.imitation, state.updates)
    talking = warmed(game, talking, s, words, joined)
    pairs = tuple(pair._replace(actor=actor) for actor, pair in zip(talking.members, state.pairs, strict=True))
    return Acting(pairs, (_weights(pairs),) * len(state.past), talking.imitation, state.updates)


def _learned(stage: Stage, pairs: Sequence[Pair], practice: Practice, words: tuple[int, ...]):
    """Every pair after its update; metrics are means over members, weighed by their tokens.

    All dialogues are judged while those who played them are loaded, before anybody learns.
    """
    model, among, played = stage.game.model, stage.game.among, practice.played
    rewards = earned(played)
    lessons, told, after = [], [], []
    for seat, pair in enumerate(pairs):
        stage.critic.load(seat, pair.critic.weights)
        mine = said_by(played, practice.turns, rewards, seat, chains=joined)
        found, metrics = judged(model, stage.critic, seat, mine, stage.judge, among)
        lessons.append(found)
        told.append(metrics)
    for seat, pair in enumerate(pairs):
        random = np.random.default_rng([*words, 2, seat])
        pair, metrics = improved(
            (model, stage.critic), seat, pair, lessons[seat], steps=stage.steps, random=random, among=among
        )
        after.append(pair)
        told[seat] |= metrics
    mass = np.array(among.added(*(sum(len(one.value) for one in found) for found in lessons)))
    share = mass / max(mass.sum(), 1.0)
    names = {name for one in told for name in one} | set(ALWAYS)
    return tuple(after), {name: float(share @ [one.get(name, 0.0) for one in told]) for name in sorted(names)}


def earned(played: Sequence[Transcript]) -> Float[np.ndarray, "turn"]:
    """What each turn earns: what it was given itself and, where it is the last of its sequence, the episode's outcome."""
    rewards = []
    for transcript in played:
        own = np.array([call.bonus for call in transcript.calls])
        for chain in transcript.chains():
            last = transcript.calls[chain[-1]]
            own[chain[-1]] += transcript.reward(last) - last.bonus
        rewards.append(own)
    return np.concatenate([np.zeros(0), *rewards])


def _weights(pairs: Sequence[Pair]) -> tuple[Weights, ...]:
    return tuple(pair.actor.weights for pair in pairs)
