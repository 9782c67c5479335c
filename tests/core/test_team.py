"""Memory starts afresh where episodes begin, and nowhere else; specs fill themselves in."""

import jax.numpy as jnp
import numpy as np
import pytest

from interplay.core.game import Box, Discrete, Spec
from interplay.core.team import has_memory, restart
from interplay.core.trajectory import Credit


def test_restart_picks_by_row_whatever_the_shape():
    old = {"a": jnp.ones((3, 2, 4)), "b": jnp.arange(3)}
    fresh = {"a": jnp.zeros((2, 4)), "b": jnp.array(7)}
    new = restart(old, fresh, jnp.array([True, False, True]))
    assert new["a"][:, 0, 0].tolist() == [0, 1, 0]
    assert new["b"].tolist() == [7, 1, 7]


def test_restart_of_one_game():
    assert restart(jnp.ones(3), jnp.zeros(3), jnp.array(True)).tolist() == [0, 0, 0]
    assert restart((), (), jnp.array(True)) == ()


def test_specs_fill_in_and_refuse():
    spec = Spec(agents=2, observation=3, action=Discrete(4), horizon=5)
    assert spec.observation_sizes == (3, 3)
    assert spec.action_sizes == (4, 4)
    assert spec.names == ("agent_0", "agent_1")
    assert Spec(agents=1, observation=3, action=Box(2), horizon=5).action_sizes == (2,)
    with pytest.raises(ValueError, match="3 entries for 2 agents"):
        Spec(agents=2, observation=3, action=Discrete(4), horizon=5, names=("a", "b", "c"))


def test_annotations_are_checked_while_testing():
    rows = jnp.zeros((2, 3, 4))
    with pytest.raises(Exception, match=r"(?i)type-check"):
        Credit(rows, rows, np.zeros((2, 3, 5)))


def test_a_team_without_memory_has_none():
    from interplay.methods.baselines.random import Uniform

    assert not has_memory(Uniform(Spec(agents=2, observation=3, action=Discrete(4), horizon=5)))
