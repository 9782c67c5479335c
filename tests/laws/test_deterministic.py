"""MATD3 without its three changes is MADDPG; slopes are those of what each part may learn."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay import games
from interplay.core.errors import InputError
from interplay.core.game import Discrete
from interplay.core.population import separate
from interplay.core.trajectory import Batch, Credit
from interplay.methods.baselines import maddpg, matd3
from interplay.nets import exploring
from interplay.nets.deterministic import deterministic
from interplay.objectives import deterministic as objectives
from interplay.play import scan
from interplay.update import target

SMALL = {
    "game": "climbing(horizon=3)", "batch": 2, "length": 4, "updates": 2, "sampled": 4, "capacity": 64, "warmup": 0,
    "width": 4, "depth": 1,
}  # fmt: skip
NOISE = exploring.linear(0.3, 0.3, 0)


def after(method, updates=2):
    state, step = jax.jit(method.init)(jax.random.key(3)), jax.jit(method.step)
    for update in range(updates):
        state, _ = step(state, jax.random.key(update))
    return state


def leaves(state):
    return jax.tree.leaves(eqx.filter(state, eqx.is_inexact_array))


def test_matd3_without_its_changes_is_maddpg():
    plain = after(maddpg.build(maddpg.Settings(**SMALL)))
    same = after(matd3.build(matd3.Settings(**SMALL, critics=1, every=1, smoothing=0.0)))
    for ours, theirs in zip(leaves(plain.team), leaves(same.team), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_actors_and_target_wait_for_their_turn():
    start = matd3.build(matd3.Settings(**SMALL, every=5))
    before, state = jax.jit(start.init)(jax.random.key(3)), after(start)  # four gradient steps
    for old, new in zip(leaves(before.team.actors), leaves(state.team.actors), strict=True):
        np.testing.assert_array_equal(old, new)
    for old, new in zip(leaves(before.target), leaves(state.target), strict=True):
        np.testing.assert_array_equal(old, new)
    assert any((old != new).any() for old, new in zip(leaves(before.team), leaves(state.team), strict=True))


def played(name):
    game = games.make(name)
    team = deterministic(game.spec, jax.random.key(0), separate(game.spec.agents), NOISE, critics=2, width=4, depth=1)
    team = jax.tree.map(lambda leaf: leaf + 0.1 if eqx.is_inexact_array(leaf) else leaf, team)
    gather = scan.steps(game, 2, 3)
    trajectory = jax.jit(gather)(team, gather.init(team, jax.random.key(1)), jax.random.key(2))[1]
    shape = trajectory.decision.value.shape
    target = jax.random.normal(jax.random.key(4), shape)
    return team, Batch(dataclasses.replace(trajectory, memory=()), Credit(target, target, jnp.ones(shape)))


@pytest.mark.parametrize("name", ["climbing(horizon=3)", "interplay.games.lqr:lqr"])
def test_each_term_teaches_its_own_part(name):
    team, batch = played(name)
    slope = lambda objective: eqx.filter_grad(lambda team: objective(team, batch)[0])(team)
    size = lambda tree: sum(float(jnp.abs(leaf).sum()) for leaf in leaves(tree))
    critics, actors = slope(objectives.critics()), slope(objectives.actors())
    assert size(critics.actors) == 0 and size(critics.critics) > 0
    assert size(actors.critics) == 0 and size(actors.actors) > 0


def test_the_slope_of_actors_is_that_of_their_critic_at_their_own_action():
    team, batch = played("interplay.games.lqr:lqr")
    assert not isinstance(team.spec.action, Discrete)
    trajectory = batch.trajectory

    def by_hand(actors):  # each agent's own action replaced in the joint one, the first critic asked
        moved = dataclasses.replace(team, actors=actors)
        total = 0.0
        for time in range(3):
            for game in range(2):
                seen, decided = jax.tree.map(
                    lambda leaf, at=(time, game): leaf[at], (trajectory.time_step, trajectory.decision)
                )
                now = moved.acted(moved.outputs(seen), decided.extra["noise"], seen.legal)
                for agent in range(team.spec.agents):
                    joint = team.coded(decided.action).at[agent].set(now[agent])
                    total += team.judged(seen, joint)[agent, 0]
        return total / (6 * team.spec.agents)

    by_hand_slope = eqx.filter_grad(lambda actors: -by_hand(actors))(team.actors)
    slope = eqx.filter_grad(lambda team: objectives.actors()(team, batch)[0])(team).actors
    for ours, theirs in zip(leaves(slope), leaves(by_hand_slope), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


def test_a_choice_is_the_largest_noisy_logit_with_the_slope_of_a_softmax():
    team, _ = played("climbing(horizon=3)")
    said, noise = jax.random.normal(jax.random.key(0), (2, 2, 3))
    legal = jnp.ones((2, 3), bool)
    coded, pull = jax.vjp(lambda said: team.acted(said, noise, legal), said)
    np.testing.assert_allclose(coded, jax.nn.one_hot(jnp.argmax(said + noise, -1), 3), atol=1e-6)
    soft = jax.vjp(lambda said: jax.nn.softmax(said + noise), said)[1]
    for given in (jnp.ones((2, 3)), jnp.arange(6.0).reshape(2, 3)):
        np.testing.assert_allclose(pull(given)[0], soft(given)[0], atol=1e-6)


def test_a_delayed_target_moves_every_so_often():
    team, _ = played("climbing(horizon=3)")
    moved = jax.tree.map(lambda leaf: leaf + 1.0 if eqx.is_inexact_array(leaf) else leaf, team)
    follow = target.delayed(2, target.polyak(0.5))
    for update, way in ((1, 0.0), (2, 0.5)):
        followed = follow(team, moved, jnp.asarray(update))
        for old, new in zip(leaves(team), leaves(followed), strict=True):
            np.testing.assert_allclose(new - old, way, atol=1e-6)


def test_games_with_several_objectives_are_refused():
    with pytest.raises(InputError, match="2 objectives"):
        maddpg.build(maddpg.Settings(**{**SMALL, "game": "treasures"}))
