"""Laws of language teams that learn from older words: none older is the loop that waits; kill and resume change nothing."""

import jax
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from interplay.core.errors import InputError  # noqa: E402
from interplay.lm import tasks, update  # noqa: E402
from interplay.lm.learner import Learner  # noqa: E402
from interplay.lm.scene import Scene  # noqa: E402
from interplay.lm.tiny import Size, Tiny  # noqa: E402
from interplay.lm.transcript import Path  # noqa: E402
from interplay.lm.words import Words  # noqa: E402
from interplay.methods import dialogue, dr_mas, language, st_ppo  # noqa: E402
from interplay.objectives.tokens import PolicyLoss, no_ratio, token, token_total, truncated, unclipped  # noqa: E402
from interplay.run import devices, state  # noqa: E402

SMALL = {
    "tasks": 2,
    "group": 3,
    "width": 8,
    "depth": 1,
    "rate": 3e-2,
    "warmup": 1,
    "demonstrations": 0,
    "game": "walks()",
}


@pytest.fixture(autouse=True)
def scenes(monkeypatch):
    """Two agents that talk for one to six turns, legal answers among what they say."""

    async def walks(team, task):
        said, worth = [], 0.0
        for _ in range(task):
            said.append(await team.say("first", *said, answers=("a", "b b")))
            said.append(await team.say("second", *said[-1:]))
            worth += said[-2].text == "a"
        return worth / task + 0.1 * team.random.normal()

    made = Scene(
        "walks", ("first", "second"), walks, lambda random: int(random.integers(1, 4)), vocabulary=("a", "b"), calls=8
    )
    named = tasks._named
    monkeypatch.setattr(tasks, "_named", lambda name: made if name == "walks()" else named(name))


def build(**changes):
    return dr_mas.build(dr_mas.Settings(**SMALL | changes))


def trained(method, updates, begin=0, now=None):
    now, told = method.init(devices.starting_key(0)) if now is None else now, []
    for number in range(begin, begin + updates):
        now, found = method.step(now, devices.update_key(0, number))
        told.append({name: float(value) for name, value in found.items()})
    return now, told


def same(ours, theirs):
    for one, other in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_pipeline_without_staleness_is_the_loop_that_waits_bit_for_bit(monkeypatch):
    whole, told = trained(build(), 3)
    monkeypatch.setattr(dialogue, "at_once", dialogue.flowing)
    flowing, found = trained(build(in_flight=5), 3)
    same(whole.members, flowing.members)
    for one, other in zip(told, found, strict=True):
        assert {name: other[name] for name in one} == one
        assert other["staleness"] == other["staleness_most"] == other["dropped"] == other["under_way"] == 0
    stale = trained(build(staleness=1), 3)[0]
    assert any(
        (one != other).any() for one, other in zip(*map(jax.tree.leaves, (whole.members, stale.members)), strict=True)
    )


def test_five_updates_are_two_a_kill_and_three_more(tmp_path):
    whole, told = trained(build(staleness=2, in_flight=3), 5)
    assert max(one["staleness_most"] for one in told) > 0 and max(one["under_way"] for one in told) > 0
    before, _ = trained(build(staleness=2, in_flight=3), 2)
    state.save(tmp_path / "2", before, {})
    method = build(staleness=2, in_flight=3)
    after = state.restore(tmp_path / "2", method.init(devices.starting_key(0)))
    same(whole, trained(method, 3, 2, after)[0])


def test_where_weights_stay_the_same_stale_words_are_as_likely_as_when_they_were_said():
    _, told = trained(build(staleness=2, in_flight=3, rate=0.0, passes=2), 4)
    assert max(one["staleness"] for one in told) > 0
    assert max(one["sampler_gap"] for one in told) < 1e-5 and max(one["approx_kl"] for one in told) < 1e-9


def gradient(loss, stale):
    """The gradient of two rows of four own tokens whose sampler was not the present policy, and log π of these tokens."""
    model = Tiny(Words(["a", "b"], ["first"]), 1, Size(8, 1, 2, 16))
    model.load(0, model.fresh(np.random.default_rng(0)))
    tokens, own = np.array([5, 6, 7, 6, 6, 7]), np.arange(6) > 1
    sampler = np.array([0, 0, -1.0, -2.5, -1.5, -4.0], np.float32)
    path = Path(tokens, own, np.where(own, 0, -1), sampler, (None,) * 6, "first", 0, 1.0, np.full(6, 3))
    rows = [update.Row(path, {0: worth}, 0, stale=stale) for worth in (1.0, -0.5)]
    learner = Learner(loss, lambda count: 1e-2, 1e9)
    model.slope(0).zero_()
    told, _ = update.gradient(model, 0, rows, learner)
    return model, rows, model.slope(0).clone(), told


def by_hand(model, rows, counts):
    """−Σ counts(log π, log π_sampler) · A · ∇ log π / tokens."""
    model.slope(0).zero_()
    batch, known = update.packed(rows, model.codec.size)
    log_prob, _ = model.score(0, batch)
    weight = counts(log_prob.detach(), torch.from_numpy(known.sampler)) * torch.tensor(
        known.advantage, dtype=torch.float32
    )
    (-(weight * log_prob).sum() / len(weight)).backward()
    return model.slope(0)


def test_the_ratio_of_stale_words_is_to_their_sampler_and_of_fresh_ones_to_the_policy_that_learns():
    stale = np.array([True, True, False, False])
    loss = PolicyLoss(ratio=token, clip=unclipped, average=token_total)
    model, rows, slope, told = gradient(loss, stale)
    late = torch.from_numpy(np.tile(stale, 2))
    expected = by_hand(model, rows, lambda now, then: torch.where(late, torch.exp(now - then), 1.0))
    torch.testing.assert_close(slope, expected)
    assert told["approx_kl"] > 0 and gradient(loss, None)[3]["approx_kl"] == 0
    assert not torch.allclose(slope, gradient(loss, None)[2])


def test_a_loss_without_a_ratio_counts_stale_words_by_how_likely_they_are_now():
    stale, plain = np.ones(4, bool), PolicyLoss(ratio=no_ratio, clip=unclipped, average=token_total)
    model, rows, slope, _ = gradient(language.corrected(plain), stale)
    expected = by_hand(model, rows, lambda now, then: torch.exp(now - then).clip(max=2.0))
    torch.testing.assert_close(slope, expected)
    assert not torch.allclose(slope, gradient(plain, stale)[2])
    own = PolicyLoss(ratio=no_ratio, clip=unclipped, correction=truncated(3.0))
    assert language.corrected(own) is own and language.corrected(PolicyLoss()) == PolicyLoss()


def test_what_cannot_be_stale_says_so():
    with pytest.raises(InputError, match="set delay="):
        st_ppo.build(st_ppo.Settings(game="k-hop", staleness=1))
    with pytest.raises(InputError, match="give 1 or more, and of the last 0 or more"):
        build(staleness=-1)
