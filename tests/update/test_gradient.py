"""Minibatches keep joint decisions whole; what is frozen stays, groups learn apart, and two gradients merge."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from interplay import games
from interplay.core.errors import InputError
from interplay.core.population import separate
from interplay.core.trajectory import Batch
from interplay.credit import returns
from interplay.nets import views
from interplay.nets.seated import seated
from interplay.objectives import gradient, value
from interplay.objectives.term import objective
from interplay.play import scan
from interplay.update import gradient as update_gradient
from interplay.update.gradient import adam, epochs, flattened, frozen, groups, linear_to_zero, only, take

KEY, LENGTH, GAMES = jax.random.key(0), 3, 4
LOSS = gradient.clipped(0.2) + 0.5 * value.squared() - 0.01 * gradient.entropy()


def played(memory):
    """A team of two on the climbing game, what it played, every row's target its own number, the same for both agents."""
    game = games.make("climbing(horizon=2)")
    team = seated(game.spec, KEY, separate(2), views.local, width=4, depth=1, memory=memory)
    gather = scan.steps(game, GAMES, LENGTH)
    trajectory = eqx.filter_jit(lambda team: gather(team, gather.init(team, KEY), KEY)[1])(team)
    credit = returns.gae(0.9, 0.9)(trajectory)
    number = jnp.arange(LENGTH * GAMES, dtype=jnp.float32).reshape(LENGTH, GAMES, 1)
    return team, Batch(trajectory, dataclasses.replace(credit, target=jnp.broadcast_to(number, credit.target.shape)))


@pytest.fixture(scope="module")
def plain():
    return played(0)


@pytest.fixture(scope="module")
def recurrent():
    return played(4)


def leaves(tree):
    return jax.tree.leaves(eqx.filter(tree, eqx.is_inexact_array))


def taught(learner, team, batch, key=KEY):
    return eqx.filter_jit(lambda team: learner.update(team, learner.init(team), batch, key))(team)


def look(team, seen, batch):
    """A term that learns nothing and tells what its minibatch is made of."""
    target = batch.credit.target
    apart = jnp.abs(target[..., 0] - target[..., 1]).max()
    steps = jnp.diff(target, axis=0)
    rows = target[..., 0]
    told = {"agents apart": apart, "mean": rows.mean(), "rows": rows.size, "square": jnp.square(rows).mean()}
    told |= {"time apart": jnp.abs(steps - GAMES).max() if steps.size else 0.0, "agents": target.shape[-1]}
    return 0.0 * seen.value.sum(), {name: jnp.asarray(value, jnp.float32) for name, value in told.items()}


def test_minibatches_never_split_a_joint_decision_and_use_every_row_once_a_pass(plain):
    team, batch = plain
    metrics = taught(epochs(objective(look), optax.sgd(0.0), passes=3, minibatches=4), team, batch)[2]
    assert metrics["agents"] == 2
    assert metrics["agents apart"] == 0
    assert metrics["rows"] == LENGTH * GAMES / 4
    numbers = np.arange(LENGTH * GAMES)
    np.testing.assert_allclose(metrics["mean"], numbers.mean())
    np.testing.assert_allclose(metrics["square"], np.square(numbers).mean(), rtol=1e-6)


def test_teams_with_memory_learn_from_whole_sequences(recurrent):
    team, batch = recurrent
    metrics = taught(epochs(objective(look), optax.sgd(0.0), passes=3, minibatches=2), team, batch)[2]
    assert metrics["agents apart"] == metrics["time apart"] == 0
    assert metrics["rows"] == LENGTH * GAMES / 2
    np.testing.assert_allclose(metrics["mean"], np.arange(LENGTH * GAMES).mean())


def test_rows_that_do_not_divide_say_so(plain, recurrent):
    with pytest.raises(InputError, match="12 rows do not divide into 5 minibatches"):
        taught(epochs(LOSS, optax.sgd(0.0), 1, 5), *plain)
    with pytest.raises(InputError, match="4 rows do not divide into 3 minibatches"):
        taught(epochs(LOSS, optax.sgd(0.0), 1, 3), *recurrent)


def test_flattened_and_take(plain, recurrent):
    rows = flattened(plain[1])
    assert rows.credit.target.shape == (1, LENGTH * GAMES, 2)
    assert rows.credit.target[0, :, 0].tolist() == list(range(LENGTH * GAMES))
    assert rows.trajectory.time_step.observation.shape[:2] == (1, LENGTH * GAMES)
    some = take(rows, jnp.array([7, 2]))
    assert some.credit.target[0, :, 1].tolist() == [7, 2]
    np.testing.assert_array_equal(some.trajectory.reward[0, 0], plain[1].trajectory.reward[1, 3])
    some = take(recurrent[1], jnp.array([3, 0]))
    assert some.credit.target[:, :, 0].tolist() == [[3, 0], [7, 4], [11, 8]]
    np.testing.assert_array_equal(some.trajectory.memory[0], recurrent[1].trajectory.memory[0][jnp.array([3, 0])])


def test_one_step_of_plain_descent_by_hand(plain):
    team, batch = plain
    after, _, metrics = taught(epochs(LOSS, optax.sgd(0.1), 1, 1), team, batch)
    slope = eqx.filter_jit(eqx.filter_grad(lambda team: LOSS(team, batch)[0]))(team)
    for new, old, down in zip(leaves(after), leaves(team), leaves(slope), strict=True):
        np.testing.assert_allclose(new, old - 0.1 * down, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(metrics["gradient_norm"], optax.tree.norm(leaves(slope)), rtol=1e-5)


def test_two_gradients_of_one_minibatch_are_merged(plain):
    team, batch = plain
    parts = (gradient.plain(), value.squared())
    merge = lambda gradients: jax.tree.map(lambda a, b: 2 * a - jnp.square(b), *gradients)
    after = taught(epochs(parts, optax.sgd(1.0), 1, 1, merge=merge), team, batch)[0]
    first, second = (
        eqx.filter_jit(eqx.filter_grad(lambda team, part=part: part(team, batch)[0]))(team) for part in parts
    )
    for new, old, a, b in zip(*map(leaves, (after, team, first, second)), strict=True):
        np.testing.assert_allclose(new, old - (2 * a - b**2), rtol=1e-5, atol=1e-5)


def test_the_default_merge_is_the_sum_of_the_objectives(plain):
    both = taught(epochs((gradient.plain(), value.squared()), optax.sgd(0.1), 2, 2), *plain)[0]
    one = taught(epochs(gradient.plain() + value.squared(), optax.sgd(0.1), 2, 2), *plain)[0]
    for a, b in zip(leaves(both), leaves(one), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_only_what_is_marked_learns_and_has_an_optimizer_state(plain):
    team, batch = plain
    learner = epochs(LOSS, adam(0.01), 1, 2, learned=only(lambda team: team.critics))
    after = taught(learner, team, batch)[0]
    for new, old in zip(leaves(after.actors), leaves(team.actors), strict=True):
        np.testing.assert_array_equal(new, old)
    assert any((new != old).any() for new, old in zip(leaves(after.critics), leaves(team.critics), strict=True))
    sizes = [leaf.size for leaf in leaves(learner.init(team))]
    assert sum(sizes) == 2 * sum(leaf.size for leaf in leaves(team.critics))


def test_frozen_members_never_move_and_the_others_do(plain):
    team, batch = plain
    first = lambda path: jnp.array([path.startswith("actors"), False])
    where = lambda path: first(path) if "members" in path else False
    after = taught(epochs(LOSS, optax.chain(frozen(where), adam(0.01, 0.5)), 2, 2), team, batch)[0]
    for new, old in zip(leaves(after.actors), leaves(team.actors), strict=True):
        np.testing.assert_array_equal(new[0], old[0])
        assert old.shape[-1] == 0 or (new[1] != old[1]).any()
    assert all((new[0] != old[0]).any() for new, old in zip(leaves(after.critics), leaves(team.critics), strict=True))


def test_groups_learn_each_by_its_own_optimizer(plain):
    team, batch = plain
    label = lambda path: path.split("/")[0]
    apart = groups(label, {"actors": optax.sgd(0.1), "critics": optax.sgd(0.0), "scale": optax.set_to_zero()})
    after = taught(epochs(LOSS, apart, 1, 1), team, batch)[0]
    alone = taught(epochs(LOSS, optax.sgd(0.1), 1, 1), team, batch)[0]
    for new, expected in zip(leaves(after.actors), leaves(alone.actors), strict=True):
        np.testing.assert_allclose(new, expected, rtol=1e-6, atol=1e-7)
    for new, old in zip(leaves(after.critics), leaves(team.critics), strict=True):
        np.testing.assert_array_equal(new, old)


def test_the_order_of_minibatches_follows_from_the_key(plain):
    learner = epochs(LOSS, adam(0.01), 1, 4)
    one, same, other = (taught(learner, *plain, key=jax.random.key(seed))[0] for seed in (1, 1, 2))
    assert all((a == b).all() for a, b in zip(leaves(one), leaves(same), strict=True))
    assert any((a != b).any() for a, b in zip(leaves(one), leaves(other), strict=True))


def test_rates_fall_to_zero_and_norms_are_clipped():
    schedule = linear_to_zero(0.4, 4)
    np.testing.assert_allclose([schedule(step) for step in range(6)], [0.4, 0.3, 0.2, 0.1, 0, 0], atol=1e-7)
    optimizer = adam(1.0, max_norm=1.0)
    slope = jnp.array([30.0, 40.0])
    clipped, _ = optimizer.update(slope, optimizer.init(slope))
    unclipped, _ = adam(1.0).update(jnp.array([0.6, 0.8]), adam(1.0).init(slope))
    np.testing.assert_allclose(clipped, unclipped, rtol=1e-6)


@pytest.mark.parametrize("memory", [0, 4])
def test_gradients_added_up_in_blocks_are_the_gradient_of_the_whole_minibatch(memory, monkeypatch):
    team, batch = played(memory)
    weight = batch.credit.weight.at[0].set(0.0)  # blocks of different mass
    batch = dataclasses.replace(batch, credit=dataclasses.replace(batch.credit, weight=weight))
    learner = epochs(LOSS, optax.sgd(0.1), 2, 1)
    whole, _, told = taught(learner, team, batch)
    sizes = []
    monkeypatch.setattr(update_gradient, "BLOCK", 3 if memory == 0 else 1)
    original = update_gradient.take
    monkeypatch.setattr(update_gradient, "take", lambda rows, order: sizes.append(len(order)) or original(rows, order))
    parts, _, said = taught(learner, team, batch)
    assert set(sizes) == {3 if memory == 0 else 1}
    for one, other in zip(leaves(whole), leaves(parts), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    assert float(said["policy_loss"]) == pytest.approx(float(told["policy_loss"]), abs=1e-5)


def test_a_minibatch_without_a_fitting_divisor_is_taken_whole(plain, monkeypatch):
    sizes = []
    monkeypatch.setattr(update_gradient, "BLOCK", 10)
    judged = lambda order: ((sizes.append(len(order)) or jnp.ones(())), jnp.ones(()))
    update_gradient._in_blocks(judged, jnp.arange(13))
    assert sizes == [13]
