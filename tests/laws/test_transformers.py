"""Laws of transformers over agents: whose place matters, what acting and judging agree on, and what is left without a plan."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay import games
from interplay.check import assert_method, assert_team
from interplay.core.errors import InputError
from interplay.core.team import CENTER, DECENTRALIZED, ORDER
from interplay.methods import cmat
from interplay.methods.baselines import mat
from interplay.nets.autoregressive import sequential
from interplay.nets.consensus import consensus, positions
from interplay.play import scan
from interplay.run import devices

TINY = {"batch": 4, "length": 8, "width": 16, "passes": 2, "steps": 320}
GAME = games.make("spread")
SIZES = {"width": 16, "blocks": 2, "heads": 2}
ORDER_OF_TWO = jnp.array([2, 0, 1])


def loud(team):
    """The same team with larger weights, so that everything depends on everything."""
    return jax.tree.map(lambda leaf: leaf * 6 if eqx.is_inexact_array(leaf) and leaf.ndim == 2 else leaf, team)


def cmat_team(rounds=3, game=GAME):
    return loud(consensus(game.spec, jax.random.key(0), rounds=rounds, **SIZES))


def mat_team(game=GAME):
    return loud(loud(sequential(game.spec, jax.random.key(0), **SIZES)))


def build(module, **changes):
    return module.build(module.Settings(**{"game": "spread", **TINY, **changes}))


def seen(game=GAME, seed=1):
    return game.reset(jax.random.key(seed))[1]


def permuted(time_step, order):
    rows = {name: getattr(time_step, name)[order] for name in ("observation", "legal", "active", "reward")}
    return dataclasses.replace(time_step, **rows)


def test_permuting_agents_permutes_what_cmat_does_and_leaves_its_consensus_and_value():
    team, here = cmat_team(), seen()
    policy, value, agreed = team.judge(here)
    other, worth, same = team.judge(permuted(here, ORDER_OF_TWO))
    np.testing.assert_allclose(other.log_probs, policy.log_probs[ORDER_OF_TWO], atol=2e-5)
    np.testing.assert_allclose(same, agreed, atol=2e-5)
    np.testing.assert_allclose(worth, value, atol=2e-5)
    assert np.ptp(policy.log_probs, axis=0).max() > 1e-3  # agents that see different things do different things


def test_permuting_agents_changes_what_mat_does():
    team, here = mat_team(), seen()
    decision = team.act((), here, jax.random.key(2))[1]
    there = dataclasses.replace(decision, action=decision.action[ORDER_OF_TWO])
    one = team.evaluate((), here, decision)[1].log_prob
    other = team.evaluate((), permuted(here, ORDER_OF_TWO), there)[1].log_prob
    assert float(jnp.abs(other - one[ORDER_OF_TWO]).max()) > 1e-3


def test_identical_agents_of_cmat_do_alike():
    """The price of symmetry: without anything to tell them apart, agents cannot take different parts."""
    here = seen()
    alike = dataclasses.replace(here, observation=jnp.broadcast_to(here.observation[:1], here.observation.shape))
    policy, *_ = cmat_team().judge(alike)
    np.testing.assert_allclose(
        policy.log_probs, jnp.broadcast_to(policy.log_probs[:1], policy.log_probs.shape), atol=1e-6
    )


@pytest.mark.parametrize(
    "game", ["speaker-listener", *(pytest.param(name, marks=pytest.mark.slow) for name in ("spread", "sum-guessing"))]
)
@pytest.mark.parametrize("module", [cmat, mat])
def test_acting_and_judging_agree(module, game):
    method = build(module, game=game)
    state = jax.jit(method.init)(jax.random.key(0))
    team = loud(state.team)
    gather = scan.steps(method.game, 4, 6)
    _, record, _ = jax.jit(gather)(team, gather.init(team, jax.random.key(1)), jax.random.key(2))
    again = jax.jit(scan.reevaluate)(team, record)
    np.testing.assert_allclose(again.log_prob, record.decision.log_prob, atol=2e-4)
    np.testing.assert_allclose(again.value, record.decision.value, atol=2e-4)


def test_mat_judges_an_agent_by_the_actions_before_it_only():
    team, here = mat_team(), seen()
    decision = team.act((), here, jax.random.key(2))[1]
    base = team.evaluate((), here, decision)[1].log_prob
    for agent in range(3):
        other = dataclasses.replace(decision, action=decision.action.at[agent].set((decision.action[agent] + 1) % 5))
        changed = team.evaluate((), here, other)[1].log_prob
        np.testing.assert_allclose(changed[:agent], base[:agent], atol=1e-6)
        assert agent == 2 or float(jnp.abs(changed - base)[agent + 1 :].min()) > 1e-5


def test_without_rounds_cmat_is_independent_heads_with_a_joint_critic():
    team, here = cmat_team(rounds=0), seen()
    policy, value, agreed = team.judge(here)
    assert team.decode is None and not np.asarray(agreed).any()
    assert float(np.ptp(value)) == 0.0
    decision = team.act((), here, jax.random.key(3))[1]
    alone = jnp.stack([policy.log_probs[agent, action] for agent, action in enumerate(decision.action)])
    np.testing.assert_allclose(decision.log_prob, alone, atol=1e-6)  # the joint probability is the heads' product
    method = build(cmat, rounds=0.0, ratio="per-agent")
    assert method.team(jax.eval_shape(method.init, jax.random.key(0))).decode is None


def test_inactive_agents_have_no_influence_on_the_others():
    here = seen()
    dead = dataclasses.replace(here, active=jnp.array([True, True, False]))
    moved = dataclasses.replace(dead, observation=dead.observation.at[2].add(3.0))
    for team in (cmat_team(), mat_team()):
        decision = team.act((), dead, jax.random.key(4))[1]
        one, other = team.evaluate((), dead, decision)[1], team.evaluate((), moved, decision)[1]
        np.testing.assert_allclose(one.log_prob[:2], other.log_prob[:2], atol=1e-6)
        np.testing.assert_allclose(one.value[:2], other.value[:2], atol=1e-6)


def test_a_plan_is_one_token_a_step():
    """Keys that are kept give what decoding the whole plan anew at every step gives."""
    team, here = cmat_team(rounds=3), seen()
    x = here.observation.T[..., None]
    active = here.active[:, None]
    decode = team.decode
    prefix = jax.random.normal(jax.random.key(5), (16, 1))
    tokens = jax.random.normal(jax.random.key(6), (16, x.shape[1], 1))
    places, plan = positions(3, 16), [prefix]
    for step in range(3):
        h = jnp.stack(plan, 1) + places[: step + 1].T[..., None]
        for block in decode.blocks:
            between, after, before = block.norms
            h = before(h)
            h = between(h + block.attention(h, jnp.tri(step + 1, dtype=bool)[..., None]))
            h = after(h + block.cross(h, block.cross.told(tokens), active[None]))
            h = h + block.feed(h)
        plan.append(decode.projector(h)[:, -1])
    whole = jnp.stack(plan, 1)
    weights = jax.nn.softmax(decode.gate(whole), axis=1)
    np.testing.assert_allclose(decode(prefix, tokens, active), (weights * whole).sum(1), atol=1e-3)


@pytest.mark.slow  # the contracts of all methods are kept in tests/contracts; these are of settings
@pytest.mark.parametrize(
    ("module", "changes", "needs"),
    [
        (cmat, {}, CENTER),
        (mat, {}, ORDER),
        (mat, {"order": False}, DECENTRALIZED),
        (cmat, {"game": "sum-guessing"}, CENTER),
    ],
)
def test_the_contracts_hold(module, changes, needs):
    method = build(module, **changes)
    assert_method(method)
    team = method.team(jax.jit(method.init)(jax.random.key(0)))
    assert team.needs == needs
    assert_team(team, method.game)


@pytest.mark.slow
@pytest.mark.parametrize(("module", "changes"), [(cmat, {}), (mat, {}), (mat, {"order": False})])
def test_they_learn_the_assignment_game(module, changes):
    method = build(
        module, game="assignment", batch=64, width=32, passes=4, steps=80_000, clip=0.2, rate=2e-3, length=8, **changes
    )
    layout = devices.Seeds(method, (0,), 1)
    _, rows = layout.advance(layout.init(), 0, 60)
    first, last = rows["return"][:3].mean(), rows["return"][-5:].mean()
    assert last > first + 0.08


def test_unknown_ratios_are_refused():
    with pytest.raises(InputError, match="did you mean joint"):
        build(cmat, ratio="join")
