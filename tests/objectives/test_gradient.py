"""Policy terms worked by hand on two rows and two agents, one of which did not act."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay.objectives import gradient, term, trust

close = lambda mine, theirs: np.testing.assert_allclose(mine, theirs, rtol=1e-5)


def value(objective, seen, batch):
    (weight, term) = objective.terms[0]
    loss, metrics = term(None, seen, batch)
    return weight * loss, metrics


def test_ratios():
    log_ratio, weight = jnp.log(jnp.array([[2.0, 0.5, 3.0]])), jnp.array([[1.0, 0.0, 1.0]])
    close(gradient.per_agent(log_ratio, weight), [[2, 0.5, 3]])
    close(gradient.joint(log_ratio, weight), [[6, 6, 6]])
    close(gradient.sequential(log_ratio, weight), [[2, 1, 6]])


def test_gradient_reaches_only_the_agent_itself_in_turn():
    slope = jax.jacobian(lambda log_ratio: gradient.sequential(log_ratio, jnp.ones(2)))(jnp.log(jnp.array([2.0, 3.0])))
    close(slope, [[2, 0], [0, 6]])
    joint = jax.jacobian(lambda log_ratio: gradient.joint(log_ratio, jnp.ones(2)))(jnp.log(jnp.array([2.0, 3.0])))
    close(joint, [[6, 6], [6, 6]])


def test_plain(seen, batch):
    loss, metrics = value(gradient.plain(), seen, batch)
    close(loss, -(np.log(2) - np.log(0.5) + 2 * np.log(1.1)) / 3)
    close(metrics["policy_loss"], loss)


def test_clipped(seen, batch):
    loss, metrics = value(gradient.clipped(0.2), seen, batch)
    close(loss, -(1.2 * 1 + -0.8 + 2 * 1.1) / 3)  # 0.5 · −1 is larger than 0.8 · −1, so the smaller counts
    kl = lambda ratio: ratio - 1 - np.log(ratio)
    close(metrics["approx_kl"], (kl(2) + kl(0.5) + kl(1.1)) / 3)
    close(metrics["clip_fraction"], 2 / 3)


def test_clipped_with_the_joint_ratio(seen, batch):
    loss, _ = value(gradient.clipped(0.2, ratio=gradient.joint), seen, batch)
    close(loss, -(1 * 1 + 1 * -1 + 2 * 1.1) / 3)  # row 0: 2 · 1/2 = 1 for both; row 1: the idle agent does not count


def test_no_gradient_beyond_the_clip_where_it_would_help(seen, batch):
    def loss(log_prob):
        return value(gradient.clipped(0.2), dataclasses.replace(seen, log_prob=log_prob), batch)[0]

    slope = jax.grad(loss)(seen.log_prob)[0]
    close(slope, [[0, 0], [-2 * 1.1 / 3, 0]])


def test_at_ratio_one_all_surrogates_have_the_slope_of_the_plain_gradient(seen, batch):
    def slope(objective):
        loss = lambda log_prob: value(objective, dataclasses.replace(seen, log_prob=log_prob), batch)[0]
        return jax.grad(loss)(batch.trajectory.decision.log_prob)

    expected = slope(gradient.plain())
    for other in (gradient.clipped(0.2), trust.surrogate(), gradient.clipped(0.2, ratio=gradient.sequential)):
        close(slope(other), expected)


def test_entropy(seen, batch):
    close(value(gradient.entropy(), seen, batch)[0], (0.5 + 0.7 + 0.3) / 3)


def test_objectives_add_up_as_formulas(batch, seen, team, monkeypatch):
    monkeypatch.setattr(term, "reevaluate", lambda team, trajectory: seen)
    policy, bonus = gradient.plain(), gradient.entropy()
    parts = [value(part, seen, batch)[0] for part in (policy, bonus)]
    loss, metrics = (policy - 0.5 * bonus)(team, batch)
    close(loss, parts[0] - 0.5 * parts[1])
    assert set(metrics) == {"policy_loss", "entropy"}
    close((2 * (policy + bonus) - policy)(team, batch)[0], parts[0] + 2 * parts[1])
    close((-policy)(team, batch)[0], -parts[0])
    close((policy * 3)(team, batch)[0], 3 * parts[0])


@pytest.mark.parametrize("objective", [gradient.plain(), gradient.clipped(0.2), gradient.entropy()])
def test_rows_in_which_nobody_acted_count_nothing(objective, seen, batch):
    empty = dataclasses.replace(
        batch, credit=dataclasses.replace(batch.credit, weight=jnp.zeros_like(batch.credit.weight))
    )
    assert value(objective, seen, empty)[0] == 0
