"""Laws of exploration collapse: looking up is running, targets are `bellman`'s, chances are the Boltzmann policy's.

Every law is held on play and draws of a small lattice of 6 × 6 with separate groups where there are any.
"""

import dataclasses
import functools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay import check
from interplay.core.errors import InputError
from interplay.core.team import Decision
from interplay.core.trajectory import Replayed, Transitions
from interplay.credit import returns
from interplay.games.lattice import lattice
from interplay.methods import exploration_collapse as collapse
from interplay.nets import distributions, exploring
from interplay.run import devices

GAME = "interplay.games.lattice:lattice(rows=6,columns=5)"
TINY: dict[str, Any] = {
    "game": GAME,
    "steps": 80,
    "length": 8,
    "kept": 12,
    "sampled": 16,
    "width": 8,
    "follow": 2,
    "rate": 1e-2,
}


def settings(**changes):
    return collapse.Settings(**{**TINY, **changes})


@functools.cache
def after(s, updates=4, seed=0):
    """The state and the last metrics of a few updates; laws that need the same one share it."""
    method = collapse.build(s)
    state, step = jax.jit(method.init)(jax.random.key(seed)), jax.jit(method.step)
    for update in range(updates):
        state, told = step(state, jax.random.key(update))
    return state, told


def equal(first, second, tolerance=0.0):
    for a, b in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize(
    "changes",
    [{}, {"groups": 3}, {"told": "group", "groups": 1}, {"told": "progress"}, {"learner": "table", "groups": 0}],
)
def test_looking_values_up_is_running_the_networks(changes):
    fast, slow = (after(settings(lookup=lookup, **changes)) for lookup in (True, False))
    np.testing.assert_array_equal(fast[0].seen, slow[0].seen)  # the same actions, on the same draws
    equal(fast[0].team.networks, slow[0].team.networks, 1e-5)
    equal(fast[0].target, slow[0].target, 1e-5)
    equal(fast[1], slow[1], 1e-4)
    fresh = collapse.build(settings(**changes)).init(jax.random.key(0))
    moved = [
        np.abs(a - b).max() for a, b in zip(jax.tree.leaves(fresh.target), jax.tree.leaves(fast[0].target), strict=True)
    ]
    assert max(moved) > 1e-3  # something was learned and followed


def test_the_team_acts_as_the_fast_path_does():
    state, _ = after(settings(groups=3))
    game, team = lattice(6, 5), state.team
    _, seen = game.step(state.world, state.world.action.astype(int), jax.random.key(0))
    key = jax.random.key(5)
    _, decision = team.act((), seen, key)
    noise = distributions.noise(game.spec.action, key, 30)
    values = team.values((), seen)[1]
    fast = collapse.acted(collapse.led(values), team.exploration, jax.scipy.special.logit(noise))
    np.testing.assert_array_equal(decision.action, fast)
    members = np.argsort(collapse.assigned(settings(groups=3)), kind="stable").reshape(3, -1)
    read = collapse._reader(settings(), team.watch)(team.networks.members)
    rows = read(jnp.asarray(members), game.codes(state.world.action)[members], team.steps, collapse.led)
    np.testing.assert_allclose(collapse.in_order(rows, members), collapse.led(values), rtol=1e-5, atol=1e-6)
    assert 0 < float(fast.mean()) < 1


def test_chances_are_those_of_the_boltzmann_policy():
    values, noise = jnp.array([[0.3, -0.2]]), (jnp.arange(2000) + 0.5) / 2000
    fast = jax.vmap(
        lambda u: collapse.acted(collapse.led(values), jnp.float32(0.4), jax.scipy.special.logit(u[None]))[0]
    )(noise)
    policy = exploring.boltzmann(exploring.linear(0.4, 0.4, 0))(values[0], jnp.ones(2, bool), jnp.zeros((), int))
    np.testing.assert_allclose(1 - fast.mean(), np.exp(policy.log_probs[0]), atol=1e-3)


def test_targets_are_those_of_bellman():
    s = settings()
    state, _ = after(s)
    game, members = lattice(6, 5), np.arange(30)[None]
    chance = jax.random.uniform(jax.random.key(3), (2, 1, 40))
    chance = chance.at[0].set(0.3 + 0.7 * chance[0])  # nothing so late that fewer steps are known
    draws = collapse.drawn(s, game, members, state.seen, state.team.steps, chance)
    reader = collapse._reader(s, state.team.watch)
    ours = collapse.targets(reader(state.team.networks.members), reader(state.target), draws)
    wanted = theirs(s, game, state, draws)
    np.testing.assert_allclose(ours[0], wanted, rtol=1e-5, atol=1e-6)
    assert np.ptp(wanted) > 0.1


def theirs(s, game, state, draws):
    """The targets of `returns.bellman` for the same windows, from what the ring says of whole steps."""
    start, who = np.asarray(draws.when[0]), np.asarray(draws.who[0])
    place = lambda ahead: state.seen[(start + ahead - 1) % len(state.seen)]  # draw agent

    def at(ahead) -> Any:
        code = place(ahead)
        draw = jax.vmap(lambda code: game.step(state.world, (code >> 4).astype(int), jax.random.key(0))[1])
        return draw(code)

    steps = [at(ahead) for ahead in range(s.n_step + 1)]
    stack = lambda rows: jax.tree.map(lambda *leaf: jnp.stack(leaf), *rows)
    seen, arrived = stack(steps[:-1]), stack(steps[1:])
    never = jnp.zeros(arrived.terminated.shape, bool)
    seen, arrived = (dataclasses.replace(one, terminated=never, truncated=never) for one in (seen, arrived))
    action = arrived.observation[..., 4].astype(jnp.int32)
    blank = jnp.zeros(action.shape)
    play = Transitions(seen, Decision(action, blank, blank), arrived, never)
    target = dataclasses.replace(
        state.team, networks=eqx.tree_at(lambda n: n.members, state.team.networks, state.target)
    )
    credit = returns.bellman(s.discount, returns.n_step(s.n_step))
    found = jax.jit(lambda team, target, replayed: credit(team, target, replayed))(
        state.team, target, Replayed(play, jnp.ones(never.shape))
    )
    return np.asarray(found.target)[0, np.arange(len(who)), who]


def test_draws_tell_what_happened_and_reach_as_far_as_is_known():
    s = settings(n_step=5, sampled=400)
    state, _ = after(s, updates=3)
    game, now = lattice(6, 5), int(state.team.steps)
    chance = jax.random.uniform(jax.random.key(1), (2, 1, 400))
    draws = collapse.drawn(s, game, np.arange(30)[None], state.seen, jnp.int32(now), chance)
    when, then = np.asarray(draws.when), np.asarray(draws.then)
    assert when.min() == now - s.kept
    assert when.max() == now - 1
    np.testing.assert_array_equal(then - when, np.where(when + 5 <= now, 5, 1))
    seen = lambda step, who: np.asarray(state.seen)[(step - 1) % len(state.seen), who]
    who = np.asarray(draws.who)
    np.testing.assert_array_equal(draws.code, seen(when, who))
    np.testing.assert_array_equal(draws.last, seen(then, who))
    np.testing.assert_array_equal(draws.action, seen(when + 1, who) >> 4)
    payoff = np.asarray(game.payoff)
    for row in range(20):
        steps = range(1, then[0, row] - when[0, row] + 1)
        total = sum(0.99 ** (k - 1) * payoff[seen(when[0, row] + k, who[0, row])] for k in steps)
        np.testing.assert_allclose(draws.earned[0, row], total, rtol=1e-5)


def test_groups_learn_nothing_from_one_another():
    """What one group draws changes its network alone."""
    s = settings(groups=3)
    state, _ = after(s)
    game = lattice(6, 5)
    members = np.argsort(collapse.assigned(s), kind="stable").reshape(3, -1)
    learn, _ = collapse.learner(s, collapse._reader(s, state.team.watch))
    chance = jax.random.uniform(jax.random.key(1), (2, 3, 16))
    learned = lambda chance: learn(
        state.team.networks.members, state.target, state.optimizer,
        collapse.drawn(s, game, members, state.seen, state.team.steps, chance), jnp.int32(1),
    )[0][0]  # fmt: skip
    first, second = learned(chance), learned(chance.at[:, 0].set(0.5))
    apart = [
        np.abs(a - b).reshape(3, -1).max(1)
        for a, b in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True)
    ]
    moved = np.max(apart, 0)
    assert moved[0] > 1e-5
    np.testing.assert_array_equal(moved[1:], 0)


def test_learning_stops_and_exploration_ends():
    s = settings(steps=16, learning=0.5)
    (early, _), (late, told) = after(s, updates=1), after(s, updates=2)
    equal(early.team.networks, late.team.networks)
    assert float(told["exploration"]) == pytest.approx(s.final_temperature)
    assert int(late.team.steps) == 16


def test_a_head_of_zeros_begins_with_a_fair_coin():
    state = collapse.build(settings(learner="zero-head")).init(jax.random.key(0))
    read = collapse._reader(settings(), state.team.watch)(state.target)
    np.testing.assert_array_equal(read(jnp.zeros((1, 32), int), jnp.arange(32, dtype=jnp.uint8)[None], jnp.int32(0)), 0)


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{"groups": 3}, {"told": "progress"}])
def test_contracts(changes):
    method = collapse.build(settings(**changes))
    assert check.check_method(method) == []
    team: Any = method.team(method.init(devices.starting_key(0)))
    team = dataclasses.replace(team, networks=jax.tree.map(lambda leaf: 100 * leaf, team.networks))
    assert check.check_team(team, method.game) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"game": "climbing"}, "a study of the lattice"),
        ({"groups": 7}, "30 agents do not make 7 equal groups"),
        ({"length": 6}, "multiples of every"),
        ({"learner": "table", "told": "progress"}, "a table cannot be told"),
        ({"told": "nmae"}, "did you mean name"),
    ],
)
def test_what_cannot_be_is_refused(changes, words):
    with pytest.raises(InputError, match=words):
        collapse.build(settings(**changes))
