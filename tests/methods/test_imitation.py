"""Methods that learn from demonstrations keep the contract, learn a small crossing, and resume with the same episodes only."""

import jax
import jax.numpy as jnp
import pytest

from interplay import check
from interplay.games.enumerated import enumerated
from interplay.games.intersection import intersection
from interplay.measure import boltzmann
from interplay.methods import mamql
from interplay.methods.baselines import behavior_cloning, iq_learn, ma_airl, soft_q
from interplay.nets.lookup import Lookup
from interplay.play import demonstrations
from interplay.run import state as checkpoints

NAME = "interplay.games.intersection:intersection(agents=2, approach=1)"
TINY = {"game": NAME, "batch": 4, "length": 4, "sampled": 8, "width": 4, "depth": 1}


@pytest.fixture(scope="module")
def shown():
    listed = enumerated(intersection(2, approach=1))
    policy = boltzmann.equilibrium(listed, 0.9, 0.2).policy
    team = Lookup(known=jnp.swapaxes(listed.seen.observation, 0, 1), policy=policy)
    return demonstrations.record(team, intersection(2, approach=1), NAME, jax.random.key(0), 40)


@pytest.mark.parametrize(
    "module", [mamql, pytest.param(iq_learn, marks=pytest.mark.slow), pytest.param(ma_airl, marks=pytest.mark.slow)]
)
def test_contract(module, shown):
    assert check.check_method(module.build(module.Settings(**TINY), shown)) == []


@pytest.mark.slow
def test_contract_of_soft_q():
    assert check.check_method(soft_q.build(soft_q.Settings(**TINY, warmup=0, capacity=64))) == []


@pytest.mark.parametrize(
    ("module", "floor"),
    [(mamql, 0.9), pytest.param(behavior_cloning, 0.9, marks=pytest.mark.slow)],
)
def test_a_crossing_is_learned(module, floor, shown):
    """Random cars earn −0.9, the demonstrators 1.1 to 1.4."""
    method = module.build(module.Settings(game=NAME, width=32, length=4, sampled=64, rate=3e-3), shown)
    step, state = jax.jit(method.step), jax.jit(method.init)(jax.random.key(0))
    told = []
    for index in range(150):
        state, one = step(state, jax.random.key(index))
        told.append(one)
    late = jnp.stack([one["return"] for one in told[-20:]])
    assert float(jnp.nanmean(late)) > floor
    assert float(told[-1]["expert_log_prob"]) > float(told[0]["expert_log_prob"]) + 0.2


def test_a_checkpoint_does_not_go_on_with_other_demonstrations(shown, tmp_path):
    build = lambda shown: mamql.build(mamql.Settings(**TINY), shown)
    state = jax.jit(build(shown).init)(jax.random.key(0))
    path = checkpoints.save(tmp_path / "000000000001", state, {})
    other = jax.eval_shape(build(shown.first(3)).init, jax.random.key(0))
    with pytest.raises(checkpoints.CheckpointError, match="known/"):
        checkpoints.restore(path, other)
