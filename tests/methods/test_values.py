"""Value learners on small games: well above random play in seconds, and refusing what they cannot do.

On climbing random play earns −3.4; best responses lead to (2, 2) = 5, of which an ε of 0.05 leaves about 4.75. Floors hold
with a margin over the three seeds; every method plays 12,000 steps.
"""

import dataclasses

import equinox as eqx
import jax
import numpy as np
import pytest

from interplay.core.errors import InputError
from interplay.core.game import Discrete, HostGame, Spec, TimeStep
from interplay.methods.baselines import dqn, iql, qmix, qmix_recurrent, vdn

SMALL = {"batch": 8, "length": 4, "width": 16, "depth": 1, "sampled": 32, "updates": 2, "warmup": 200, "rate": 2e-3}
STEPS = 12_000


def learned(module, seeds=3, steps=STEPS, **changes):
    """What was told, `[seed, update]`, of seeds trained one after the other in one program."""
    settings = module.Settings(steps=steps, epsilon_steps=steps // 2, capacity=8192, **{**SMALL, **changes})
    method = module.build(settings)

    @jax.jit
    def train(key):
        start, run = jax.random.split(key)
        state, rest = eqx.partition(method.init(start), eqx.is_array)

        def update(state, key):
            state, told = method.step(eqx.combine(state, rest), key)
            return eqx.filter(state, eqx.is_array), told

        return jax.lax.scan(update, state, jax.random.split(run, steps // method.cost.steps))[1]

    return jax.tree.map(lambda *rows: np.stack(rows), *map(train, jax.random.split(jax.random.key(0), seeds)))


SLOW = pytest.mark.slow  # the others have every choice in them once


@pytest.mark.parametrize(
    ("module", "changes"),
    [
        (dqn, {}),
        pytest.param(iql, {}, marks=SLOW),
        pytest.param(vdn, {}, marks=SLOW),
        (vdn, {"priority": 0.6}),
        pytest.param(qmix, {"mixed": 8, "hyper": 16}, marks=SLOW),
        pytest.param(qmix_recurrent, {"mixed": 8, "hyper": 16, "memory": 8, "sampled": 16}, marks=SLOW),
    ],
)
def test_climbing_is_climbed(module, changes):
    told = learned(module, game="climbing", **changes)
    assert (told["return"][:, :10].mean(1) < 0).all()
    assert (told["return"][:, -50:].mean(1) > 4.0).all()
    assert np.isfinite(told["loss"]).all()
    np.testing.assert_allclose(told["exploration"][:, -1], 0.05, rtol=1e-5)


class Meeting(HostGame):
    """A game in Python: who meets at 1 earns three times what they earn at 0."""

    def __init__(self):
        self.spec = Spec(2, observation=1, action=Discrete(2), horizon=1)

    def again(self):
        return Meeting()

    def reset(self, seed):
        return self.seen(0.0, over=False)

    def step(self, action):
        return self.seen((1.0 + 2.0 * action[0]) * (action[0] == action[1]), over=True)

    def seen(self, reward, over):
        fields = {"observation": np.zeros((2, 1)), "legal": np.ones((2, 2), bool), "active": np.ones(2, bool)}
        ends = {"terminated": np.asarray(over), "truncated": np.asarray(False)}
        return TimeStep(**fields, **ends, shared=np.zeros(0), reward=np.full(2, reward))  # pyright: ignore[reportArgumentType]


def test_a_game_in_python_is_learned():
    """Random play earns 1; an ε of 0.05 leaves about 2.9 of the best, which is 3."""
    settings = iql.Settings(steps=1920, epsilon_steps=960, capacity=1024, **{**SMALL, "rate": 5e-3, "updates": 8})
    method, told = dqn.playing(Meeting(), settings), []
    state = method.init(jax.random.key(0))
    for key in jax.random.split(jax.random.key(1), 1920 // method.cost.steps):
        state, metrics = method.step(state, key)
        told.append(float(metrics["return"]))
    assert np.mean(told[:10]) < 1.5 and np.mean(told[-10:]) > 2.6


CERTAIN = {"game": "interplay.games.matrix:matrix(payoff=[[0.4]],horizon=3)", "discount": 1.0, "rate": 1e-2, "seeds": 1}


@pytest.mark.parametrize(
    "more",
    [
        pytest.param({}, marks=SLOW),
        {"n_step": 2},
        {"memory": 8, "sampled": 8, "rate": 5e-3},
        pytest.param({"double": False, "priority": 0.3}, marks=SLOW),
    ],
)
def test_values_become_those_of_the_game(more):
    told = learned(dqn, **{**CERTAIN, "follow": 0.05, **more})
    slack = 0.1 if "priority" in more else 0.02  # of 1.2, 0.8 and 0.4 it draws more of what it knows less
    np.testing.assert_allclose(told["value"][0, -50:].mean(), 0.8, atol=slack)
    assert told["explained_variance"][0, -50:].mean() > 0.9


@pytest.mark.slow
def test_several_steps_reach_the_same_values_sooner():
    one, three = (learned(dqn, n_step=n, steps=1_500, **CERTAIN)["value"][0] for n in (1, 3))
    assert abs(three[-5:].mean() - 0.8) < abs(one[-5:].mean() - 0.8)


def test_games_with_real_actions_are_refused():
    with pytest.raises(InputError, match="use a policy method"):
        jax.eval_shape(qmix.build(qmix.Settings(game="sum-guessing")).init, jax.random.key(0))


def test_a_replay_beyond_the_machine_is_refused():
    with pytest.raises(InputError, match="give a capacity of at most"):
        jax.eval_shape(vdn.build(vdn.Settings(capacity=10**12)).init, jax.random.key(0))


@pytest.mark.parametrize("module", [dqn, iql, vdn, qmix])
def test_every_setting_is_described(module):
    from interplay.run.training import described

    fields = {field.name for field in dataclasses.fields(module.Settings)}
    assert fields == set(described(module.Settings))
