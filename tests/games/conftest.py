"""What every game of ours must do, whatever it is about: the fixture `contract` plays one and checks it."""

from xml.etree import ElementTree

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay.core.game import Discrete


def legal_action(game, time_step, key):
    """A random joint action that the rules allow."""
    action = game.spec.action
    if isinstance(action, Discrete):
        return jax.random.categorical(key, jnp.where(time_step.legal, 0.0, -jnp.inf))
    return jax.random.uniform(key, (game.spec.agents, action.size), minval=action.low, maxval=action.high)


def episode(game, start):
    """States and time steps of one episode of random legal play, compiled, cut at twice the horizon."""

    def advance(state, time_step, key):
        action = legal_action(game, time_step, key)
        return action, game.step(state, action, key)

    records, actions, compiled = [start], [], eqx.filter_jit(advance)
    while not (records[-1][1].terminated or records[-1][1].truncated) and len(records) <= 2 * game.spec.horizon:
        state, time_step = records[-1]
        action, record = compiled(state, time_step, jax.random.key(len(records)))
        actions.append(action)
        records.append(record)
    return records, actions


def fits(spec, time_step):
    objectives = (spec.objectives,) if spec.objectives else ()
    shapes = {
        "observation": (spec.agents, spec.observation),
        "legal": (spec.agents, spec.action.width),
        "active": (spec.agents,),
        "shared": (spec.shared,),
        "reward": (spec.agents, *objectives),
        "terminated": (),
        "truncated": (),
    }
    for name, shape in shapes.items():
        assert getattr(time_step, name).shape == shape, name
    kinds = {"observation": "float32", "shared": "float32", "reward": "float32", "legal": "bool", "active": "bool"}
    assert {name: str(getattr(time_step, name).dtype) for name in kinds} == kinds
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(time_step))


def same(left, right):
    equal = lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-6)
    jax.tree.map(equal, left, right)


def is_picture(drawing):
    root = ElementTree.fromstring(drawing)
    assert root.tag.endswith("svg") and "viewBox" in root.attrib
    assert "nan" not in drawing and "inf" not in drawing


def check(game, seed=0):
    """Shapes, kinds, an end in time, a row of a compiled batch = alone and uncompiled, pictures."""
    keys = jax.random.split(jax.random.key(seed), 3)
    row = lambda batch: jax.tree.map(lambda leaf: leaf[1], batch)
    start = row(eqx.filter_jit(jax.vmap(game.reset))(keys))
    same(start, game.reset(keys[1]))
    records, actions = episode(game, start)
    middle = len(actions) // 2
    for _, time_step in (records[0], records[middle], records[-1]):
        fits(game.spec, time_step)
        assert np.all(np.any(time_step.legal, axis=1) | ~np.asarray(time_step.active))
    last = records[-1][1]
    assert bool(last.terminated) != bool(last.truncated), "an episode ends once, for one reason"
    assert len(actions) <= game.spec.horizon
    assert not np.any(records[0][1].reward)
    structure = lambda record: jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype, leaf.weak_type), record)
    assert structure(records[0]) == structure(records[-1]), "a scan needs states that keep their types"
    here = (records[middle][0], actions[middle])
    batch = jax.tree.map(lambda leaf: jnp.stack([leaf] * 3), here)
    same(row(eqx.filter_jit(jax.vmap(game.step))(*batch, keys)), game.step(*here, keys[1]))
    for state, _ in (records[0], records[middle], records[-1]):
        is_picture(game.draw(state))
    assert hash(game) is not None
    return records


@pytest.fixture
def contract():
    return check
