"""Laws of the off-policy methods: what reduces to what, and that the state holds all that the next step depends on."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay import check
from interplay.credit import returns
from interplay.methods.baselines import dqn, iql, iql_recurrent, qmix, qmix_recurrent, vdn, vdn_recurrent
from interplay.methods.wiring import off_policy, recalled
from interplay.nets import exploring, mixing, views
from interplay.nets.valued import valued
from interplay.objectives import value
from interplay.play import ring, scan
from interplay.run import devices
from interplay.update import target
from interplay.update.gradient import adam, epochs, once

TINY: dict[str, Any] = {
    "batch": 4,
    "length": 8,
    "width": 8,
    "sampled": 8,
    "updates": 2,
    "capacity": 256,
    "warmup": 0,
    "epsilon_steps": 50,
}
WHOLE: dict[str, Any] = {"game": "climbing(horizon=3)", "memory": 4, "depth": 1}


def build(module, **changes):
    return module.build(module.Settings(**{"game": "spread", **TINY, **changes}))


def after(method, updates=3, seed=0):
    state, step = jax.jit(method.init)(jax.random.key(seed)), jax.jit(method.step)
    for update in range(updates):
        state, metrics = step(state, jax.random.key(update))
    return state, metrics


def equal(first, second, tolerance=0.0):
    for a, b in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), atol=tolerance, rtol=tolerance)


def apart(first, second):
    return any(np.abs(np.asarray(a) - np.asarray(b)).max() > 1e-6
               for a, b in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True))  # fmt: skip


def learned(state):
    return eqx.filter(state.team, eqx.is_inexact_array)


def test_qmix_with_a_sum_mixer_is_vdn():
    same: dict[str, Any] = {"game": "spread", **TINY, "rate": 1e-3, "discount": 0.9}
    equal(after(qmix.build(qmix.Settings(**same), mixing.summed)), after(vdn.build(vdn.Settings(**same))))


@pytest.mark.parametrize("more", [{}, pytest.param({"memory": 4, "length": 25}, marks=pytest.mark.slow)])
def test_vdn_with_one_agent_is_dqn(more):
    alone = {"game": "spread(agents=1)", **more}
    first, second = after(build(vdn, share=False, **alone)), after(build(dqn, **alone))
    equal(first[0].team.networks, second[0].team.networks, 1e-6)
    equal(first[1], second[1], 1e-5)
    assert apart(learned(first[0]), learned(after(build(dqn, **alone), updates=1)[0]))  # something was learned


def test_independent_learners_that_share_nothing_are_dqn():
    equal(after(build(iql, share=False)), after(build(dqn)))


@pytest.mark.slow  # one composition, three times
@pytest.mark.parametrize("module", [(iql_recurrent, iql), (vdn_recurrent, vdn), (qmix_recurrent, qmix)])
def test_recurrent_methods_without_memory_are_the_plain_ones(module):
    recurrent, plain = module
    equal(after(build(recurrent, memory=0, depth=1)), after(build(plain, depth=1)))


def temporal(s, backup):
    """DQN with another backup in the place of its n-step return."""
    method = dqn.build(s)
    return method.game, off_policy(
        method.game,
        lambda key: valued(method.game.spec, key, (0, 1, 2), mixing.apart, explore(s), view=views.named, width=s.width),
        gather=scan.experience(method.game, s.batch, s.length),
        replay=dqn.replay(s, method.game.spec),
        credit=returns.bellman(s.discount, backup),
        learner=once(value.temporal_difference(), adam(s.rate, s.max_norm)),
        follow=target.polyak(s.follow),
        updates=s.updates,
    )


def explore(s):
    return exploring.epsilon_greedy(exploring.linear(1.0, s.epsilon, s.epsilon_steps))


def difference(play):
    """r + γ V', and nothing else."""
    return play.reward + play.following


def test_n_step_with_one_step_is_the_temporal_difference():
    s = dqn.Settings(game="spread", **TINY, n_step=1)
    _, plain = temporal(s, difference)
    equal(after(dqn.build(s)), after(plain))
    equal(after(temporal(s, returns.peng(0.0))[1]), after(plain), 1e-6)
    assert apart(learned(after(build(dqn, n_step=3))[0]), learned(after(plain)[0]))


@pytest.mark.parametrize("n_step", [1, 3])
def test_prioritized_with_an_exponent_of_zero_is_uniform(n_step, monkeypatch):
    plain = after(build(dqn, n_step=n_step), updates=12)  # so many that rows are written over
    monkeypatch.setattr(dqn, "replay", lambda s, spec: ring.prioritized(
        ring.Room(s.capacity, s.batch, s.length, s.sampled, s.warmup), s.n_step, alpha=0.0, beta=s.correction))  # fmt: skip
    ranked = after(build(dqn, n_step=n_step), updates=12)
    known = lambda state: (state.team, state.target, state.learner, state.play, state.ring.rows)
    equal(known(plain[0]), known(ranked[0]))
    equal(plain[1], ranked[1])


def test_one_gradient_step_is_an_epoch_of_one_minibatch():
    loss = value.temporal_difference()
    s = dqn.Settings(game="spread", **TINY)
    method = dqn.build(s)
    state, _ = after(method, 2)
    replay = dqn.replay(s, method.game.spec)
    _, replayed = replay.draw(state.ring, jax.random.key(5))
    credit = returns.bellman(0.9, returns.n_step(1))(state.team, state.target, replayed)
    batch = recalled(state.team, replayed, credit, 1)
    optimizer = adam(1e-2, 1.0)
    results = [
        learner.update(state.team, learner.init(state.team), batch, jax.random.key(0))
        for learner in (once(loss, optimizer), epochs(loss, optimizer, 1, 1))
    ]
    equal(learned_of(results[0]), learned_of(results[1]), 1e-5)


def learned_of(result):
    return eqx.filter(result[0], eqx.is_inexact_array)


CASES = {
    "dqn": (dqn, {"n_step": 2}),
    "prioritized": (dqn, {"priority": 0.6}),
    "iql": (iql, {}),
    "vdn": (vdn, {}),
    "qmix": (qmix, {"mixed": 4, "hyper": 4}),
    "episodes": (qmix, {"mixed": 4, "hyper": 4, "length": 4, **WHOLE}),
    "prioritized episodes": (vdn, {"priority": 0.6, "length": 4, **WHOLE}),
}


QUICK = ("dqn", "episodes")  # the others compile as long


@pytest.mark.slow
@pytest.mark.parametrize("case", [pytest.param(case, marks=[pytest.mark.slow] * (case not in QUICK)) for case in CASES])
def test_every_method_keeps_the_contract(case):
    module, changes = CASES[case]
    settings = {"game": "climbing(horizon=3)", "batch": 4, "length": 4, "depth": 1, **changes}
    assert check.check_method(build(module, **settings)) == []


@pytest.mark.slow
def test_seeds_trained_together_equal_seeds_trained_alone():
    method = build(vdn)
    together = devices.Seeds(method, (0, 1, 2), 2)
    states, _ = together.advance(together.init(), 0, 3)
    for place, seed in enumerate((0, 1, 2)):
        alone = devices.Seeds(method, (seed,), 1)
        state, _ = alone.advance(alone.init(), 0, 3)
        equal(together.team(states, place), alone.team(state, 0), 1e-5)


def test_nothing_is_learned_before_the_warmup_is_over():
    method = build(dqn, warmup=40)
    start = jax.jit(method.init)(jax.random.key(0))
    first, told = after(method, 1)
    equal(learned(first), learned(start))
    assert float(told["loss"]) == 0
    assert float(told["exploration"]) == 1
    second, told = after(method, 2)
    assert apart(learned(second), learned(start))
    assert int(second.updates) == 2
    assert float(told["exploration"]) == pytest.approx(1 - 0.95 * 32 / 50)


def test_curiosity_is_counted_in_the_methods_own_steps():
    state, _ = after(build(vdn), 2)
    assert int(state.team.steps) == 2 * 4 * 8
    assert float(state.team.exploration) == pytest.approx(0.05)


def test_targets_are_those_of_the_equation_on_real_play():
    method = build(qmix)
    state, _ = after(method, 2)
    s = qmix.Settings(game="spread", **TINY)
    _, replayed = dqn.replay(s, method.game.spec).draw(state.ring, jax.random.key(1))
    credit = returns.bellman(0.9, returns.n_step(1))(state.team, state.target, replayed)
    play = jax.tree.map(lambda leaf: leaf[0, 3], replayed.transitions)
    own = state.team.values((), play.arrived)[1]
    judged = state.target.values((), play.arrived)[1]
    picked = jnp.array([judged[i, int(own[i].argmax())] for i in range(3)])
    ahead = state.target.mixer(picked, views.state(play.arrived))
    wanted = play.arrived.reward.mean() + 0.9 * ahead * (1 - play.arrived.terminated)
    np.testing.assert_allclose(credit.target[0, 3], wanted, rtol=1e-5)
    values = state.team.values((), play.time_step)[1]
    done = jnp.array([values[i, int(play.decision.action[i])] for i in range(3)])
    error = credit.target[0, 3] - state.team.mixer(done, views.state(play.time_step))
    np.testing.assert_allclose(credit.advantage[0, 3], error, atol=1e-5)
