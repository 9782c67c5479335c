"""Critics of language teams: advantages by hand, the clipped value loss by hand, parts that add up, and that they learn."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from interplay.lm import critic as critics  # noqa: E402
from interplay.lm import update  # noqa: E402
from interplay.lm.tiny import Size, Tiny  # noqa: E402
from interplay.lm.transcript import Path  # noqa: E402
from interplay.lm.words import Words  # noqa: E402

CODEC = Words([f"w{index}" for index in range(12)], ["one"])
SIZE = Size(16, 1, 2, 32)


def rows(count=7):
    """Sequences of two turns with something read in between; the first turn earns 0.5, the second its number modulo 2."""
    random, found = np.random.default_rng(1), []
    for index in range(count):
        own = np.array([0, 0, 1, 1, 0, 0, 1, *[1] * (index % 3)], bool)
        turn = np.where(own, np.where(np.arange(len(own)) < 4, 0, 3), -1)
        tokens = random.integers(5, CODEC.size, len(own))
        path = Path(tokens, own, turn, np.full(len(own), -2.5, np.float32), (None,) * len(own), "one", 0, 1.0)
        found.append(update.Row(path, {0: 0.5, 3: float(index % 2)}, 0))
    return found


def models(kind=critics.Critic):
    made = kind(CODEC, 1, SIZE)
    made.load(0, made.fresh(np.random.default_rng(0)))
    return made


def test_advantages_are_by_hand():
    policy, critic, given = models(Tiny), models(), rows()
    lessons, told = critics.judged(policy, critic, 0, given, critics.Judge(0.9, 0.8, whiten=False))
    for lesson in lessons:
        model = critic.members[0]
        hidden = model(torch.from_numpy(lesson.row.path.tokens)[None])[0]
        own = np.flatnonzero(lesson.row.path.own)
        value = model.worth(hidden)[own - 1, 0].detach().numpy()
        np.testing.assert_allclose(lesson.value, value, atol=1e-6)
        reward = np.zeros(len(own))
        reward[1], reward[-1] = 0.5, lesson.row.advantage[3]
        ahead, later = 0.0, 0.0
        for place in reversed(range(len(own))):
            ahead = reward[place] + 0.9 * later - value[place] + 0.9 * 0.8 * ahead
            later = value[place]
            np.testing.assert_allclose(lesson.advantage[place], ahead, atol=1e-5)
        np.testing.assert_allclose(lesson.target, lesson.advantage + lesson.value, atol=1e-9)
    assert told["explained_variance"] < 0.5


def test_whitened_advantages_have_mean_zero_and_deviation_one():
    lessons, _ = critics.judged(models(Tiny), models(), 0, rows(), critics.Judge())
    whole = np.concatenate([lesson.advantage for lesson in lessons])
    assert abs(whole.mean()) < 1e-6 and abs(whole.std() - 1) < 1e-3


def test_the_value_loss_is_clipped_and_its_parts_add_up(monkeypatch):
    critic = models()
    lessons, _ = critics.judged(models(Tiny), critic, 0, rows(), critics.Judge())
    far = [lesson._replace(value=lesson.value - 1, target=lesson.target * 0) for lesson in lessons]
    whole = critics.value_gradient(critic, 0, far, 0.2)
    slope = critic.slope(0).clone()
    now, old = (np.concatenate([lesson.value for lesson in found]) for found in (lessons, far))
    near = old + np.clip(now - old, -0.2, 0.2)
    np.testing.assert_allclose(whole, 0.5 * np.maximum(now**2, near**2).mean(), rtol=1e-4)
    critic.slope(0).zero_()
    monkeypatch.setattr(update, "PART", 20)
    np.testing.assert_allclose(critics.value_gradient(critic, 0, far, 0.2), whole, rtol=1e-5)
    np.testing.assert_allclose(critic.slope(0), slope, atol=1e-6)


def test_a_critic_learns_what_is_to_come():
    from interplay.lm.learner import Learner
    from interplay.objectives.tokens import PolicyLoss

    policy, critic = models(Tiny), models()
    adam = update.Adam(critic, 0, update.started(critic.weights(0)), Learner(PolicyLoss(), lambda count: 1e-2))
    judge = critics.Judge(trace=1.0)
    losses = []
    for _ in range(60):
        lessons, _ = critics.judged(policy, critic, 0, rows(), judge)
        losses.append(critics.value_gradient(critic, 0, lessons, 1e9))
        adam.step()
    assert losses[-1] < 0.1 * losses[0]
    told = critics.judged(policy, critic, 0, rows(), judge)[1]
    assert told["explained_variance"] > 0.7
