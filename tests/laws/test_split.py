"""Learning from one batch laid over two devices is learning from the whole batch, also where devices hold unequal shares."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, PartitionSpec

from interplay import games
from interplay.core import shards
from interplay.core.population import separate, shared
from interplay.core.trajectory import Batch
from interplay.credit import returns
from interplay.methods.wiring import prepared
from interplay.nets import views
from interplay.nets.seated import seated
from interplay.objectives import gradient, value
from interplay.play import scan
from interplay.update.gradient import adam, epochs

KEY = jax.random.key(0)
CREDIT = returns.standardized(returns.gae(0.9, 0.9))
LOSS = gradient.clipped(0.2) + 0.5 * value.clipped(0.2) - 0.01 * gradient.entropy()


def played(memory):
    """Eight games of which the first four have hardly any active agents."""
    game = games.make("climbing(horizon=3)")
    seats = separate(2) if memory else shared(2)
    team = seated(game.spec, KEY, seats, views.central, width=4, depth=1, memory=memory, decay=0.9)
    gather = scan.steps(game, 8, 5)
    trajectory = eqx.filter_jit(lambda team: gather(team, gather.init(team, KEY), KEY)[1])(team)
    active = jax.random.bernoulli(KEY, jnp.where(jnp.arange(8) < 4, 0.2, 0.9)[:, None], (5, 8, 2))
    seen = dataclasses.replace(trajectory.time_step, active=active)
    return team, dataclasses.replace(trajectory, time_step=seen)


@pytest.mark.parametrize("memory", [0, 3])
def test_one_update_on_two_devices_is_one_update_on_one(memory):
    team, trajectory = played(memory)
    learner = epochs(LOSS, adam(0.01, 0.5), passes=1, minibatches=1)
    arrays, rest = eqx.partition(team, eqx.is_array)

    def learn(arrays, trajectory):
        batch = Batch(trajectory, CREDIT(trajectory))
        team, state, batch = prepared(eqx.combine(arrays, rest), learner.init(eqx.combine(arrays, rest)), batch)
        team, _, metrics = learner.update(team, state, batch, KEY)
        return eqx.filter(team, eqx.is_array), metrics

    rows = jax.tree.map(lambda _: PartitionSpec(None, shards.BATCH), trajectory)
    first = jax.tree.map(lambda _: PartitionSpec(shards.BATCH), trajectory.memory)
    rows = eqx.tree_at(lambda rows: jax.tree.leaves(rows.memory), rows, jax.tree.leaves(first)) if memory else rows
    mesh = Mesh(np.array(jax.devices()[:2]), (shards.BATCH,))
    plain = PartitionSpec()
    both = jax.shard_map(learn, mesh=mesh, in_specs=(plain, rows), out_specs=plain, check_vma=False)
    whole, laid = jax.jit(learn)(arrays, trajectory), jax.jit(both)(arrays, trajectory)
    for one, two in zip(jax.tree.leaves(whole[0]), jax.tree.leaves(laid[0]), strict=True):
        np.testing.assert_allclose(two, one, rtol=1e-5, atol=1e-5)
        copies = [np.asarray(shard.data) for shard in two.addressable_shards]
        np.testing.assert_array_equal(*copies)
    for name in ("loss", "policy_loss", "value_loss", "entropy", "gradient_norm"):
        np.testing.assert_allclose(laid[1][name], whole[1][name], rtol=1e-4, atol=1e-6)
