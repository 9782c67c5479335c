"""What every team must do to be played and, if it can be trained, to be trained by gradients.

Illegal actions never have probability, the same key gives the same decision, memory keeps its form, and a stored
decision that is judged again by the same parameters has the very probability it was taken with.
"""

import dataclasses
from collections.abc import Callable, Iterator

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from interplay.check import host
from interplay.check.game import TOLERANCE
from interplay.check.record import legal_action
from interplay.check.words import differing, guarded, listed, not_arrays, reformed, refuse
from interplay.core.game import AnyGame, Discrete, HostGame, TimeStep
from interplay.core.team import CENTER, DECENTRALIZED, ORDER, Team
from interplay.nets import views
from interplay.nets.seated import Seated

LENGTH = 8  # steps of play that the team is shown
SAMPLES = 512  # decisions at each of them
EXACT = 1e-6  # how far the probability ratio of a decision judged again may be from 1
SIGMA = 6.0  # how unlikely a frequency has to be to be called wrong

Widen = Callable[[Team], Team | None]


def check_team(team: Team, game: AnyGame, widen: Widen | None = None) -> list[str]:
    """What is wrong with `team` on `game`, in sentences; an empty list where it does all that a team must do.

    `widen` makes the same team with one more agent at the end, or None where that cannot be; teams that are `Seated`
    need none. Checks shapes, memory, legality over many samples, that act and evaluate agree (probability ratio 1 to
    1e-6), that gradients are finite, that keys decide everything, that greedy is deterministic, and that an added
    inactive agent changes nothing for the others.

        >>> check_team(team, games.make("climbing"))  # doctest: +SKIP
        []
    """
    if not isinstance(team, Team):
        return [f"{type(team).__name__} is no team: subclass interplay.core.team.Team"]
    seen = shown(game)
    problems = list(_form(team, game, seen))
    if problems:
        return problems
    stages = {"act": _choices, "evaluate": _judgments, "evaluate_sequence": _sequences, "greedy": _greedy}
    for what, stage in stages.items():
        problems += guarded(what, lambda stage=stage: stage(team, game, seen))
    problems += guarded("a wider team", lambda: _padding(team, (widen or _one_more)(team), seen))
    return list(dict.fromkeys(problems))


def assert_team(team: Team, game: AnyGame, widen: Widen | None = None) -> None:
    """Raise `InputError` with everything that `check_team` finds."""
    refuse(type(team).__name__, check_team(team, game, widen))


def shown(game: AnyGame) -> TimeStep:
    """Some steps of random play, "time" first: what the team is tried on."""
    if isinstance(game, HostGame):
        steps = host.played(game, 0, LENGTH)[0][:LENGTH]
        return jax.tree.map(lambda *rows: jnp.stack(rows), *steps)

    def step(carry, key):
        state, seen = carry
        act_key, step_key = jax.random.split(key)
        return game.step(state, legal_action(game.spec, seen, act_key), step_key), seen

    start, key = jax.random.split(jax.random.key(0))
    length = min(LENGTH, game.spec.horizon)
    return jax.jit(lambda: jax.lax.scan(step, game.reset(start), jax.random.split(key, length))[1])()


def _form(team: Team, game: AnyGame, seen: TimeStep) -> Iterator[str]:
    """Shapes and dtypes of memory and decision, found without computing."""
    spec, first, key = game.spec, jax.tree.map(lambda leaf: leaf[0], seen), jax.random.key(0)
    if team.needs not in (DECENTRALIZED, CENTER, ORDER):
        yield f"team.needs is {team.needs!r}: set it to DECENTRALIZED, CENTER or ORDER from interplay.core.team"
    try:
        memory = team.begin()
        after, decision = eqx.filter_eval_shape(team.act, memory, first, key)
    except Exception as error:
        yield f"act cannot be compiled for {type(game).__name__}: {type(error).__name__}: {str(error).splitlines()[0]}"
        return
    if leaves := not_arrays(memory):
        yield f"begin returns {listed(leaves)}, which are no arrays: use jnp.asarray"
    elif changed := reformed(memory, after):
        yield f"act changes the form of the memory ({listed(changed)}): return what begin returns, with other numbers"
    box = () if isinstance(spec.action, Discrete) else (spec.action.width,)
    kind = jnp.integer if isinstance(spec.action, Discrete) else jnp.floating
    rows = (
        ("action", (spec.agents, *box), kind),
        ("log_prob", (spec.agents,), jnp.floating),
        ("value", (spec.agents,), jnp.floating),
    )
    for name, shape, kind in rows:
        leaf = getattr(decision, name)
        if leaf.shape != shape or not jnp.issubdtype(leaf.dtype, kind):
            got, wanted = f"{leaf.dtype}{list(leaf.shape)}", f"{kind.__name__}{list(shape)}"
            yield f"act: {name} is {got}, {type(game).__name__} wants {wanted}: one row per agent"


@eqx.filter_jit
def _samples(team: Team, seen: TimeStep):
    """Memories before each step, and many decisions at each: axes "time sample"."""

    def step(memory, row):
        time_step, key = row
        keys = jax.random.split(key, SAMPLES)
        after, decision = jax.vmap(team.act, in_axes=(None, None, 0))(memory, time_step, keys)
        return jax.tree.map(lambda leaf: leaf[0], after), (memory, decision)

    keys = jax.random.split(jax.random.key(1), seen.terminated.shape[0])
    return jax.lax.scan(step, team.begin(), (seen, keys))[1]


def _choices(team: Team, game: AnyGame, seen: TimeStep) -> Iterator[str]:
    """Legality, frequencies, and that keys decide everything."""
    _, decision = _samples(team, seen)
    if changed := differing(decision, _samples(team, seen)[1]):
        yield f"act decides differently on the same key ({listed(changed)}): draw all random numbers from the key"
    action, log_prob = np.asarray(decision.action), np.asarray(decision.log_prob)
    legal, active = np.asarray(seen.legal), np.asarray(seen.active)
    if np.any(~np.isfinite(log_prob) & active[:, None]):
        yield "log_prob is not finite for an action that was taken: an action taken has probability above zero"
    if not isinstance(game.spec.action, Discrete):
        if np.any((action != 0) & ~legal[:, None]):
            yield "actions are not zero in dimensions that an agent does not have: multiply them by legal"
        return
    allowed = np.take_along_axis(
        np.broadcast_to(legal[:, None], (*action.shape, legal.shape[-1])), action[..., None], -1
    )[..., 0]
    if np.any(~allowed & active[:, None]):
        yield "an illegal action was chosen: give those probability zero (nets.distributions.Categorical does)"
    elif not decision.extra:  # otherwise log_prob depends on what else was drawn
        yield from _frequencies(action, log_prob, active)


def _frequencies(action: np.ndarray, log_prob: np.ndarray, active: np.ndarray) -> Iterator[str]:
    count = action.shape[1]
    for t, agent in np.argwhere(active):
        for choice in np.unique(action[t, :, agent]):
            picked = action[t, :, agent] == choice
            said = float(np.exp(log_prob[t, picked, agent][0]))
            often, slack = picked.mean(), SIGMA * np.sqrt(max(said * (1 - said), 1 / count) / count)
            if abs(often - said) > slack:
                yield f"agent {agent} takes action {choice} with frequency {often:.3f} but log_prob says {said:.3f}"
                return


def _judgments(team: Team, game: AnyGame, seen: TimeStep) -> Iterator[str]:
    """Stored decisions judged again by the same parameters, and the gradient of that."""
    if type(team).evaluate is Team.evaluate:
        return
    memory, decision = _samples(team, seen)
    few = jax.tree.map(lambda leaf: leaf[:, :16], decision)
    acted = np.asarray(seen.active)[:, None] & np.ones(few.log_prob.shape, bool)
    slope, (after, again) = _judged(team, memory, seen, few, acted)
    if changed := reformed(memory, jax.tree.map(lambda leaf: leaf[:, 0], after)):
        yield f"evaluate changes the form of the memory ({listed(changed)}): return what begin returns"
    gap = np.abs(np.asarray(again.log_prob - few.log_prob))
    if np.any(acted & ~(gap <= EXACT * np.maximum(1, np.abs(few.log_prob)))):
        yield (
            f"a stored decision judged again has another log_prob (by up to {gap[acted].max():.2g}), so the first "
            "update would not start from a ratio of 1: keep everything random that shaped it in decision.extra"
        )
    if not np.allclose(again.value, few.value, **TOLERANCE):
        yield "evaluate gives another value than act for the same step: both must use the same critic and scale"
    if not np.all(np.isfinite(again.entropy) | ~acted):
        yield "entropy is not finite: leave actions of probability zero out of the sum"
    if not all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(slope)):
        yield "the gradient of log_prob, entropy and value is not finite: mask before a logarithm or root, not after"


@eqx.filter_jit
def _judged(team: Team, memory, seen: TimeStep, decision, acted):
    """The gradient of all that `evaluate` says, and what it says: memory after, evaluation."""
    each = lambda team: jax.vmap(lambda m, s, d: jax.vmap(lambda d: team.evaluate(m, s, d))(d))(memory, seen, decision)

    def loss(team):
        after, again = each(team)
        return (jnp.where(acted, again.log_prob + again.entropy, 0) + again.value).sum(), (after, again)

    return eqx.filter_grad(loss, has_aux=True)(team)


def _sequences(team: Team, game: AnyGame, seen: TimeStep) -> Iterator[str]:
    """The team's own `evaluate_sequence` against judging step by step, with an episode beginning in the middle."""
    if type(team).evaluate_sequence is Team.evaluate_sequence or type(team).evaluate is Team.evaluate:
        return
    decision = jax.tree.map(lambda leaf: leaf[:, 0], _samples(team, seen)[1])
    started = np.arange(seen.terminated.shape[0]) == seen.terminated.shape[0] // 2
    row = jax.tree.map(lambda leaf: leaf + 0.1 if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf, team.begin())
    both = [
        jax.jit(lambda judge=judge: judge(team, row, seen, decision, jnp.asarray(started)))()
        for judge in (type(team).evaluate_sequence, Team.evaluate_sequence)
    ]
    if changed := differing(*both, **TOLERANCE):
        yield (
            f"evaluate_sequence differs from evaluate step by step ({listed(changed)}): start memory afresh at "
            "the rows that are `started`, before judging them"
        )


def _greedy(team: Team, game: AnyGame, seen: TimeStep) -> Iterator[str]:
    greedy = team.greedy()
    if greedy is team:
        return
    _, decision = _samples(greedy, seen)
    action = np.asarray(decision.action)
    if np.any(
        (action != action[:, :1]) & np.asarray(seen.active).reshape(len(action), 1, -1, *(1,) * (action.ndim - 3))
    ):
        yield "greedy() still decides at random: take the most likely action, or return the team itself"


def _one_more(team: Team) -> Team | None:
    """A `Seated` team with one more agent on the last agent's seat, where its critics' view stays as wide."""
    if type(team) is not Seated:
        return None
    spec = team.spec
    longer = {name: (*getattr(spec, name), getattr(spec, name)[-1]) for name in ("observation_sizes", "action_sizes")}
    wide = dataclasses.replace(spec, agents=spec.agents + 1, names=(*spec.names, "added"), **longer)
    if views.width(team.view, wide) != views.width(team.view, spec):
        return None
    seats = {name: (*getattr(team, name), getattr(team, name)[-1]) for name in ("seats", "critic_seats")}
    return dataclasses.replace(team, spec=wide, **seats)


def _padding(team: Team, wide: Team | None, seen: TimeStep) -> Iterator[str]:
    """An added agent that is never active, has no legal action and sees zeros, changes nothing for the others."""
    if wide is None:
        return
    agents = seen.active.shape[1]
    more = lambda leaf: jnp.concatenate([leaf, jnp.zeros_like(leaf[:, :1])], axis=1)
    rows = {name: more(getattr(seen, name)) for name in ("observation", "legal", "active", "reward")}
    padded = dataclasses.replace(seen, **rows)
    narrow, broad = _samples(team, seen)[1], _samples(wide, padded)[1]
    for name in ("action", "log_prob", "value"):
        if differing(getattr(narrow, name), getattr(broad, name)[:, :, :agents], **TOLERANCE):
            yield f"an added inactive agent changes the others' {name}: keep inactive agents out of sums and draws"
