"""Returns and advantages on arrays worked by hand, with ends of episodes of both kinds."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay.core.game import TimeStep
from interplay.core.team import Decision
from interplay.core.trajectory import Credit, Trajectory
from interplay.credit import returns


def record(reward, value, *, terminated=(), truncated=(), bootstrap=None, active=None):
    """One game, one agent: a trajectory whose rows are given as plain lists."""
    length = len(reward)
    column = lambda rows: jnp.asarray(rows, jnp.float32)[:, None, None]
    marks = lambda rows: jnp.array([[t in rows] for t in range(length)])
    acted = jnp.ones((length, 1, 1), bool) if active is None else jnp.asarray(active, bool)[:, None, None]
    none = jnp.zeros((length, 1), bool)
    seen = TimeStep(
        column(reward), jnp.ones((length, 1, 1, 2), bool), acted, jnp.zeros((length, 1, 0)), column(reward), none, none
    )
    decision = Decision(jnp.zeros((length, 1, 1), jnp.int32), column([0.0] * length), column(value))
    started = jnp.array([[t == 0 or t - 1 in (*terminated, *truncated)] for t in range(length)])
    after = column([0.0] * length if bootstrap is None else bootstrap)
    return Trajectory(seen, decision, column(reward), marks(terminated), marks(truncated), after, started, ())


def flat(rows):
    return np.asarray(rows)[:, 0, 0].tolist()


def test_accumulate_by_hand():
    rows = returns.accumulate(jnp.array([1.0, 2.0, 3.0]), jnp.array([0.5, 0.0, 2.0]), 10.0)
    assert rows.tolist() == [2.0, 2.0, 23.0]
    wide = returns.accumulate(jnp.ones((2, 3)), jnp.full((2, 3), 0.5), jnp.array([0.0, 2.0, 4.0]))
    assert wide.tolist() == [[1.5, 2.0, 2.5], [1.0, 2.0, 3.0]]


def test_one_step_advantage_by_hand_over_both_kinds_of_end():
    # row 1 terminates (worth nothing after), row 3 is truncated (worth 8 after), row 4 is cut by the record (worth 6)
    play = record([1, 1, 1, 1, 1], [2, 4, 6, 8, 10], terminated=(1,), truncated=(3,), bootstrap=[0, 0, 0, 8, 6])
    credit = returns.gae(0.5, 0.0)(play)
    assert flat(credit.advantage) == [1 + 2 - 2, 1 - 4, 1 + 4 - 6, 1 + 4 - 8, 1 + 3 - 10]
    assert flat(credit.target) == [3, 1, 5, 5, 4]


def test_advantages_are_carried_inside_an_episode_and_stop_at_its_end():
    play = record([1, 1, 1, 1, 1], [2, 4, 6, 8, 10], terminated=(1,), truncated=(3,), bootstrap=[0, 0, 0, 8, 6])
    credit = returns.gae(0.5, 0.5)(play)
    one = [1, -3, -1, -3, -6]
    assert flat(credit.advantage) == [one[0] + 0.25 * one[1], one[1], one[2] + 0.25 * one[3], one[3], one[4]]
    np.testing.assert_allclose(credit.target - credit.advantage, play.decision.value)


def test_discounted_return_by_hand():
    play = record([1, 2, 4, 8, 16], [0] * 5, terminated=(1,), truncated=(3,), bootstrap=[0, 0, 0, 100, 1000])
    credit = returns.discounted(0.5)(play)
    assert flat(credit.target) == [1 + 1, 2, 4 + 0.5 * (8 + 50), 8 + 50, 16 + 500]
    assert flat(credit.advantage) == flat(credit.target)


def test_an_end_that_is_both_is_an_end():
    play = record([1, 1], [5, 5], terminated=(1,), truncated=(1,), bootstrap=[0, 100])
    assert flat(returns.discounted(1.0)(play).target) == [2, 1]
    assert flat(returns.gae(1.0, 1.0)(play).target) == [2, 1]


def test_with_trace_one_the_target_is_the_discounted_return():
    key = jax.random.key(0)
    reward, value, after = np.asarray(jax.random.normal(key, (3, 9)))
    after = np.where(np.isin(np.arange(9), [5, 8]), after, 0)
    play = record(reward, value, terminated=(2,), truncated=(5,), bootstrap=after)
    np.testing.assert_allclose(
        returns.gae(0.9, 1.0)(play).target, returns.discounted(0.9)(play).target, rtol=1e-5, atol=1e-6
    )
    baselined = returns.baselined(returns.discounted(0.9))(play)
    np.testing.assert_allclose(baselined.advantage, returns.gae(0.9, 1.0)(play).advantage, rtol=1e-5, atol=1e-6)


def test_who_did_not_act_has_no_weight_but_passes_the_future_on():
    play = record([0, 0, 1], [0, 0, 0], terminated=(2,), active=[True, False, True])
    credit = returns.discounted(0.5)(play)
    assert flat(credit.weight) == [1, 0, 1]
    assert flat(credit.target) == [0.25, 0.5, 1]


def test_standardized_over_those_who_acted():
    play = record([3, 100, 1, 5], [0] * 4, terminated=(0, 1, 2, 3), active=[True, False, True, True])
    credit = returns.standardized(returns.gae(0.9, 0.9))(play)
    kept = np.asarray(credit.advantage)[[0, 2, 3], 0, 0]
    np.testing.assert_allclose(kept, (np.array([3, 1, 5]) - 3) / np.std([3, 1, 5]), rtol=1e-5)
    assert flat(credit.target) == [3, 100, 1, 5]


def test_standardizing_nothing_gives_no_nonsense():
    play = record([1, 1], [0, 0], active=[False, False])
    assert np.isfinite(returns.standardized(returns.gae(0.9, 0.9))(play).advantage).all()


def test_importance_correction_by_hand():
    reward, value = jnp.array([1.0, 1.0]), jnp.array([2.0, 4.0])
    following, discount, ratio = jnp.array([2.0, 3.0]), jnp.array([0.5, 0.5]), jnp.array([0.5, 4.0])
    target, advantage = returns.importance_corrected(reward, value, following, discount, ratio)
    # rho = (0.5, 1): delta = (0.5 · 1, 0); gain = (0.5 + 0.5 · 0.5 · 0, 0)
    assert target.tolist() == [2.5, 4.0]
    assert advantage.tolist() == [0.5, 0.0]
    loose = returns.importance_corrected(reward, value, following, discount, jnp.array([0.5, 2.0]) * 2, clip=3.0)[0]
    assert loose.tolist() == [2 + 1 + 0, 4.0]


@pytest.mark.parametrize("trace", [0.0, 0.6, 1.0])
def test_without_correction_the_targets_are_lambda_returns(trace):
    reward, value, following = jax.random.normal(jax.random.key(1), (3, 6, 2))
    discount = jnp.full((6, 2), 0.9)
    target, _ = returns.importance_corrected(reward, value, following, discount, jnp.ones((6, 2)), trace=trace)
    np.testing.assert_allclose(
        target, returns.lambda_return(reward, value, following, discount, trace), rtol=1e-5, atol=1e-6
    )


def test_estimators_keep_the_shapes_of_teams():
    play = jax.tree.map(lambda leaf: jnp.repeat(leaf, 3, axis=1), record([1, 2], [0, 0]))
    credit = returns.gae(0.9, 0.9)(play)
    assert isinstance(credit, Credit)
    assert credit.advantage.shape == credit.target.shape == credit.weight.shape == (2, 3, 1)
