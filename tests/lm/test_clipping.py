"""Steps scaled by the clip's bias: both gradients of one minibatch, factors and their controls, early stops."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from interplay.lm import clipping, update  # noqa: E402
from interplay.lm.critic import Critic, Lesson  # noqa: E402
from interplay.lm.learner import Learner  # noqa: E402
from interplay.lm.objectives import PolicyLoss, gradients, sequence_total, symmetric, tensors, turn  # noqa: E402
from interplay.lm.tiny import Size, Tiny  # noqa: E402
from interplay.lm.transcript import Path  # noqa: E402
from interplay.lm.words import Words  # noqa: E402

CODEC = Words([f"w{index}" for index in range(12)], ["one"])
LOSS = PolicyLoss(ratio=turn, clip=symmetric(0.2), average=sequence_total)
RNG = np.random.default_rng(3)


def learner(**changes):
    return Learner(LOSS, lambda count: 1e-2, **{"max_norm": 1e9, "sequences": True, **changes})


def pair(model, critic):
    fresh = [made.fresh(np.random.default_rng(0)) for made in (model, critic)]
    for made, weights in zip((model, critic), fresh, strict=True):
        made.load(0, weights)
    return clipping.Pair(*map(update.started, fresh), clipping.unscaled())


def stage(stale, count=9):
    """A model, a critic, and lessons whose old probabilities are `stale` nats away."""
    model, critic = Tiny(CODEC, 1, Size(16, 1, 2, 32)), Critic(CODEC, 1, Size(16, 1, 2, 32))
    both, lessons = pair(model, critic), []
    for index in range(count):
        own = np.array([0, 0, 1, 1, 0, 1, 1, *[1] * (index % 3)], bool)
        turns = np.where(own, np.where(np.arange(len(own)) < 4, 0, 3), -1)
        tokens = RNG.integers(5, CODEC.size, len(own))
        path = Path(tokens, own, turns, np.zeros(len(own), np.float32), (None,) * len(own), "one", 0, 1.0)
        row = update.Row(path, {0: 0.0, 3: 0.0}, 0)
        batch, _ = update.packed([row], CODEC.size)
        old = model.score(0, batch)[0].detach().numpy() + stale * RNG.normal(size=own.sum())
        lessons.append(Lesson(row, *RNG.normal(size=(3, own.sum())), old))
    return model, critic, both, lessons


def test_gradient_and_bias_are_those_of_one_batch_in_one_piece(monkeypatch):
    model, _, _, lessons = stage(0.5)
    batch, known = update.packed([lesson.row for lesson in lessons], CODEC.size)
    log_prob, _ = model.score(0, batch)
    join = lambda field: np.concatenate([getattr(lesson, field) for lesson in lessons])
    known = known._replace(advantage=join("advantage"), old=join("log_prob"))
    clipped, bias, metrics = gradients(
        LOSS, log_prob, list(model.members[0].parameters()), tensors(known, log_prob)._replace(total=len(lessons))
    )
    flat = lambda parts: torch.cat([part.reshape(-1) for part in parts])
    monkeypatch.setattr(update, "PART", 20)
    ours, told = clipping.policy_gradient(model, 0, lessons, learner())
    np.testing.assert_allclose(model.slope(0), flat(clipped), atol=1e-6)
    np.testing.assert_allclose(ours, flat(bias), atol=1e-6)
    assert ours.norm() > 0.01
    for name in ("policy_loss", "approx_kl", "clip_fraction"):
        assert told[name] == pytest.approx(float(metrics[name]), abs=1e-5)


def test_on_policy_nothing_is_held_back():
    model, _, _, lessons = stage(0.0)
    bias, told = clipping.policy_gradient(model, 0, lessons, learner())
    assert float(bias.norm()) == 0 and told["clip_fraction"] == 0 and model.slope(0).norm() > 0.01


def test_factors_are_of_what_was_seen():
    scaling, random = clipping.unscaled(), np.random.default_rng(0)
    for size, factor in ((0.0, 1.0), (2.0, 1.0), (8.0, 5 / 8), (0.0, 1.0)):  # the median of 2 and 8 is 5
        scaling = clipping.seen(scaling, size, clipping.limited)
        assert clipping.by_bias(scaling, random) == pytest.approx(factor)
        assert clipping.unchanged(scaling, random) == 1.0
    assert clipping.average(scaling, random) == pytest.approx((1 + 1 + 5 / 8 + 1) / 4)
    drawn = {round(clipping.shuffled(scaling, random), 6) for _ in range(50)}
    assert drawn == {1.0, 0.625}
    literal = clipping.seen(clipping.unscaled(), 4.0, clipping.literal)
    assert clipping.by_bias(literal, random) == pytest.approx(0.25)
    assert clipping.by_bias(clipping.seen(clipping.unscaled(), 0.0, clipping.literal), random) == 1.0


def test_steps_are_scaled_and_passes_stop_where_policies_part():
    model, critic, both, lessons = stage(0.5)
    often = {"passes": 3, "minibatches": 2}
    steps = clipping.Steps(learner(**often), learner(**often), factor=lambda scaling, random: 0.0)
    run = lambda steps: clipping.improved(
        (model, critic), 0, both, lessons, steps=steps, random=np.random.default_rng(0)
    )
    after, told = run(steps)
    weights = lambda member: np.concatenate([part.ravel() for part in member.weights.values()])
    np.testing.assert_array_equal(weights(after.actor), weights(both.actor))  # of size 0
    assert told["steps_made"] == 6 and not np.array_equal(weights(after.critic), weights(both.critic))
    after, told = run(steps._replace(factor=clipping.by_bias, most_kl=1e-9))
    assert told["steps_made"] == 2 and told["bias"] > 0 and after.scaling.count == 2
    assert not np.array_equal(weights(after.actor), weights(both.actor))
