"""Layouts: which one is chosen, and that several seeds together are several seeds alone, bit for bit."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay import methods
from interplay.core.errors import InputError
from interplay.run import devices, training
from interplay.run.devices import Host, Seeds, Split


def method(slug: str = "ippo", game: str = "climbing", **changes):
    return training.build(slug, methods.settings(slug, game=game, steps=3200, **changes))


def bits(tree) -> list[bytes]:
    raw = lambda leaf: jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf
    return [np.asarray(raw(leaf)).tobytes() for leaf in jax.tree.leaves(tree)]


def test_seeds_together_are_seeds_alone_on_any_number_of_devices(toy):
    """Five toy seeds on two devices (one place is padding), against each seed by itself on one device."""
    together = Seeds(toy(), (3, 4, 5, 6, 7))
    state, rows = together.advance(together.init(), 0, 9)
    assert rows["size"].shape == (9, 5)
    for place, seed in enumerate(together.seeds):
        alone = Seeds(toy(), (seed,), devices=1)
        own, own_rows = alone.advance(alone.init(), 0, 9)
        assert bits(jax.tree.map(lambda leaf, place=place: leaf[place], state)) == bits(
            jax.tree.map(lambda leaf: leaf[0], own)
        )
        np.testing.assert_array_equal(rows["size"][:, place], own_rows["size"][:, 0])


@pytest.mark.slow
def test_seeds_of_a_real_method_train_together_as_alone(tiny):
    layouts = (
        Seeds(method(**tiny), (1, 2, 3), devices=1),
        Seeds(method(**tiny), (2,), devices=1),
        Seeds(method(**tiny), (1, 2)),
    )
    states = [layout.advance(layout.init(), 0, 2)[0] for layout in layouts]
    together, alone, spread = [
        jax.tree.map(lambda leaf, place=place: leaf[place], state)
        for state, place in zip(states, (1, 0, 1), strict=True)
    ]
    assert bits(together) == bits(alone)
    numbers = lambda state: jax.tree.leaves(eqx.filter(state, eqx.is_inexact_array))
    for mine, theirs in zip(numbers(spread), numbers(alone), strict=True):  # other devices, other rounding
        np.testing.assert_allclose(mine, theirs, atol=1e-6)


def test_counting_in_parts_changes_nothing(toy):
    layout = Seeds(toy(), (0, 1))
    whole, rows = layout.advance(layout.init(), 0, 10)
    parts, first = layout.advance(layout.init(), 0, 3)
    parts, second = layout.advance(parts, 3, 7)
    assert bits(whole) == bits(parts)
    np.testing.assert_array_equal(rows["size"], np.concatenate([first["size"], second["size"]]))


@pytest.mark.parametrize(
    ("seeds", "changes", "kind"),
    [
        ((0,), {}, Split),
        ((0, 1), {}, Seeds),
        ((0,), {"batch": 3, "minibatches": 1}, Seeds),  # three games cannot be halved
        ((0,), {"batch": 2, "length": 2, "minibatches": 4}, Seeds),  # half of the rows would be too few
    ],
)
def test_the_layout_follows_from_seeds_and_batch(tiny, seeds, changes, kind):
    assert jax.device_count() == 2
    layout = devices.choose(method(**tiny | changes), seeds)
    assert type(layout) is kind
    assert layout.needs() == "decentralized"


def test_games_in_python_are_played_one_seed_after_the_other(toy):
    layout = devices.choose(toy(compiled=False), (0, 1))
    assert type(layout) is Host
    state = layout.init()
    jax.tree.map(lambda shape, leaf: np.testing.assert_equal(shape.shape, leaf.shape), layout.shapes(), state)
    _, rows = layout.advance(state, 0, 3)
    assert rows["size"].shape == (3, 2)


def test_host_and_compiled_layouts_agree(toy):
    one, other = Host(toy(compiled=False), (4, 9)), Seeds(toy(), (4, 9))
    mine, theirs = one.advance(one.init(), 0, 6)[1]["size"], other.advance(other.init(), 0, 6)[1]["size"]
    np.testing.assert_allclose(mine, theirs, rtol=1e-5)


def test_keys_of_updates_and_seeds_all_differ():
    keys = [devices.starting_key(seed) for seed in range(3)]
    keys += [devices.update_key(seed, update) for seed in range(3) for update in range(3)]
    assert len({jax.random.key_data(key).tobytes() for key in keys}) == len(keys)


def test_no_devices_are_refused(monkeypatch):
    monkeypatch.setattr(devices.xla_bridge, "backends_are_initialized", lambda: False)
    with pytest.raises(InputError, match="cannot run on 0 devices: give 1 or more"):
        devices.prepare(0)


def test_work_beside_the_present_one_computes_as_precisely_as_its_parent():
    with jax.enable_x64(True):
        assert devices._aside(lambda: jax.numpy.zeros(1).dtype).result() == "float64"
    assert devices._aside(lambda: jax.numpy.zeros(1).dtype).result() == "float32"
