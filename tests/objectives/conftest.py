"""A batch of two rows and two agents, of which one did not act, as terms see it."""

import equinox as eqx
import jax.numpy as jnp
import pytest

from interplay.core.game import TimeStep
from interplay.core.team import DECENTRALIZED, Decision, Evaluation, Team
from interplay.core.trajectory import Batch, Credit, Trajectory
from interplay.nets.scale import ValueScale


class Judge(Team):
    """A team of which only the scale of values is asked for."""

    scale: ValueScale
    needs: str = eqx.field(static=True, default=DECENTRALIZED)

    def begin(self):
        return ()

    def act(self, memory, time_step, key):
        raise NotImplementedError

    def normalize(self, value):
        return self.scale.normalize(value)


@pytest.fixture
def team():
    """Values as they are."""
    return Judge(ValueScale(1.0))


@pytest.fixture
def batch():
    """Old log-probabilities zero, old values 1; agent 1 is inactive in row 1."""
    rows = lambda values: jnp.asarray(values, jnp.float32)[None]
    weight, none = rows([[1, 1], [1, 0]]), jnp.zeros((1, 2), bool)
    reward = rows([[0, 0], [0, 0]])
    seen = TimeStep(
        jnp.zeros((1, 2, 2, 3)), jnp.ones((1, 2, 2, 2), bool), weight > 0, jnp.zeros((1, 2, 0)), reward, none, none
    )
    decision = Decision(jnp.zeros((1, 2, 2), jnp.int32), reward, reward + 1)
    trajectory = Trajectory(seen, decision, reward, none, none, reward, none, ())
    return Batch(trajectory, Credit(rows([[1, -1], [2, 50]]), rows([[3, 3], [0, 99]]), weight))


@pytest.fixture
def seen():
    """The same decisions seen by other parameters: ratios 2, 1/2, 1.1 and (where nobody acted) 1000."""
    rows = lambda values: jnp.asarray(values, jnp.float32)[None]
    ratio = rows([[2, 0.5], [1.1, 1000]])
    return Evaluation(jnp.log(ratio), rows([[0.5, 0.7], [0.3, 9]]), rows([[2, 1.5], [1, 77]]))
