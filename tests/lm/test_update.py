"""Updates of members: gradients by hand, parts that add up, Adam against torch's, several passes."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from interplay.lm import update  # noqa: E402
from interplay.lm.learner import Learner  # noqa: E402
from interplay.lm.objectives import PolicyLoss, dual, no_ratio, token_total, unclipped  # noqa: E402
from interplay.lm.tiny import Size, Tiny  # noqa: E402
from interplay.lm.transcript import Path  # noqa: E402
from interplay.lm.words import Words  # noqa: E402

CODEC = Words([f"w{index}" for index in range(12)], ["one", "two"])
PLAIN = PolicyLoss(ratio=no_ratio, clip=unclipped, average=token_total)
GRPO = PolicyLoss(clip=dual(0.2, 0.2), average=token_total)


def model():
    made = Tiny(CODEC, 1, Size(16, 1, 2, 32))
    return made, update.started(made.fresh(np.random.default_rng(0)))


def rows(count=12, agents=2):
    random, found = np.random.default_rng(1), []
    for index in range(count):
        size = int(random.integers(6, 14))
        own = np.arange(size) >= size - 3
        turn = np.where(own, 0, -1)
        tokens = random.integers(5, CODEC.size, size)
        path = Path(tokens, own, turn, np.full(size, -2.5, np.float32), (None,) * size, "one", 0, 1.0)
        found.append(update.Row(path, {0: float(random.normal())}, index % agents))
    return found


def learner(loss=PLAIN, **changes):
    return Learner(loss, lambda count: 1e-2, **{"max_norm": 1e9, **changes})


def slope_of(made, batch, loss=PLAIN, **changes):
    made.slope(0).zero_()
    told, norms = update.gradient(made, 0, batch, learner(loss, **changes))
    return made.slope(0).clone(), told, norms


def test_the_gradient_is_the_policy_gradient_by_hand():
    made, member = model()
    made.load(0, member.weights)
    batch = rows()
    slope, told, _ = slope_of(made, batch)
    made.slope(0).zero_()
    total = 0.0
    for row in batch:  # one row at a time, in full
        tokens = torch.from_numpy(row.path.tokens)[None]
        log_probs = torch.log_softmax(made.members[0].logits(made.members[0](tokens))[0, :-1], -1)
        own = torch.from_numpy(row.path.own[1:])
        total = total - (row.advantage[0] * log_probs.gather(1, tokens[0, 1:, None])[:, 0][own]).sum() / 36
    total.backward()
    np.testing.assert_allclose(slope, made.slope(0), atol=1e-6)
    assert slope.norm() > 1e-3 and told["sampler_gap"] > 0


def test_parts_and_agents_add_up_to_the_whole(monkeypatch):
    made, member = model()
    made.load(0, member.weights)
    whole, told, norms = slope_of(made, rows(), GRPO)
    monkeypatch.setattr(update, "PART", 30)
    parts, again, sizes = slope_of(made, rows(), GRPO)
    np.testing.assert_allclose(whole, parts, atol=1e-6)
    for name, value in told.items():
        assert again[name] == pytest.approx(value, abs=1e-6), name
    assert set(norms) == set(sizes) == {0, 1}
    alone, _, _ = slope_of(made, [row._replace(agent=0) for row in rows()], GRPO)
    np.testing.assert_allclose(whole, alone, atol=1e-6)


def test_adam_is_torchs():
    made, member = model()
    twin = Tiny(CODEC, 1, Size(16, 1, 2, 32))
    twin.load(0, member.weights)
    other = torch.optim.AdamW(twin.members[0].parameters(), lr=1e-2, weight_decay=0.1)
    settings = learner(weight_decay=0.1, max_norm=0.5)
    for _ in range(3):
        member, _, _ = update.learn(made, 0, member, rows(), settings, np.random.default_rng(0))
        update.gradient(twin, 0, rows(), settings)
        torch.nn.utils.clip_grad_norm_(twin.members[0].parameters(), 0.5)
        other.step()
        twin.slope(0).zero_()
    assert member.count == 3
    for name, value in twin.weights(0).items():
        np.testing.assert_allclose(member.weights[name], value, atol=2e-6)


def test_several_passes_judge_against_the_policy_that_played():
    made, member = model()
    _, told, _ = update.learn(made, 0, member, rows(), learner(GRPO), np.random.default_rng(0))
    assert told["approx_kl"] == pytest.approx(0, abs=1e-6) and told["clip_fraction"] == 0
    more, told, _ = update.learn(
        made, 0, member, rows(), learner(GRPO, passes=4, minibatches=2), np.random.default_rng(0)
    )
    assert more.count == 8 and told["approx_kl"] > 1e-3 and told["clip_fraction"] > 0


def test_nothing_said_changes_nothing():
    made, member = model()
    after, told, norms = update.learn(made, 0, member, [], learner(), np.random.default_rng(0))
    assert after.count == 0 and told == {} and norms == {}
    for name, value in member.weights.items():
        np.testing.assert_array_equal(after.weights[name], value)


def test_imitation_makes_demonstrations_likely():
    made, member = model()
    _, first = update.imitate(made, 0, member, rows(3), learner(passes=1), np.random.default_rng(0))
    _, last = update.imitate(made, 0, member, rows(3), learner(passes=15), np.random.default_rng(0))
    assert last < 0.7 * first


def test_moments_are_read_by_name_whatever_the_order_of_a_state():
    made, member = model()
    random, plain = np.random.default_rng, learner(GRPO)
    member, *_ = update.learn(made, 0, member, rows(), plain, random(0))
    back = member._replace(
        **{field: dict(sorted(getattr(member, field).items())) for field in ("weights", "first", "second")}
    )
    assert list(back.first) != list(member.first)  # as a checkpoint and every tree map give it back
    ours, theirs = (update.learn(made, 0, one, rows(), plain, random(0))[0] for one in (member, back))
    for name in ours.weights:
        np.testing.assert_array_equal(ours.weights[name], theirs.weights[name])
        np.testing.assert_array_equal(ours.second[name], theirs.second[name])
