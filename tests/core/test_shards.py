"""Statistics of a batch laid over devices are those of the whole batch."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, PartitionSpec

from interplay.core import shards

ROWS = jnp.arange(8.0)


@pytest.fixture(scope="module")
def over_devices():
    mesh = Mesh(np.array(jax.devices()[:2]), (shards.BATCH,))
    spec = PartitionSpec(shards.BATCH)
    return lambda function: jax.jit(jax.shard_map(function, mesh=mesh, in_specs=spec, out_specs=spec, check_vma=False))


def test_two_devices_are_there():
    assert jax.device_count() == 2


def test_alone_nothing_happens():
    key = jax.random.key(0)
    assert not shards.split()
    three = jnp.array(3.0)
    assert shards.mean(three) == shards.total(three) == shards.weighted_mean(three, jnp.ones(())) == 3.0
    assert (jax.random.key_data(shards.own(key)) == jax.random.key_data(key)).all()


def test_mean_and_total_are_over_all_devices(over_devices):
    def each(rows):
        assert shards.split()
        return jnp.stack([shards.mean(rows.mean()), shards.total(rows.sum()), rows.sum()])

    out = over_devices(each)(ROWS).reshape(2, 3)
    np.testing.assert_allclose(out, [[3.5, 28, 6], [3.5, 28, 22]])


def test_devices_count_by_the_mass_of_their_rows(over_devices):
    weight = jnp.array([1.0, 0, 0, 0, 1, 1, 1, 0])

    def each(rows):
        rows, weight = rows[:4], rows[4:]
        mass = weight.sum()
        mean = {"mean": (rows * weight).sum() / mass, "twice": 2 * rows[:1]}
        both = shards.weighted_mean(mean, mass)
        return jnp.append(both["twice"], both["mean"])

    packed = jnp.concatenate([ROWS[:4], weight[:4], ROWS[4:], weight[4:]])
    out = over_devices(each)(packed).reshape(2, 2)
    np.testing.assert_allclose(out[:, 1], (ROWS * weight).sum() / weight.sum())
    np.testing.assert_allclose(out[:, 0], (1 * 0 + 3 * 8) / 4)


def test_own_keys_differ(over_devices):
    draw = lambda rows: jax.random.uniform(shards.own(jax.random.key(0)), (1,))
    first, second = over_devices(draw)(ROWS)
    assert first != second
    again = over_devices(partial(lambda rows: draw(rows)))(ROWS)
    np.testing.assert_array_equal(again, [first, second])
