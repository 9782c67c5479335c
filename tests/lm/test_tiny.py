"""The tiny decoder: what it draws is what it judges, alone or in a batch, free or among legal answers."""

import asyncio
import dataclasses
import itertools

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from interplay.core.errors import InputError  # noqa: E402
from interplay.lm.constrain import among, mask  # noqa: E402
from interplay.lm.model import Batch, Request, Stop, Trainable  # noqa: E402
from interplay.lm.tiny import Size, Speaking, Tiny, by_noise  # noqa: E402
from interplay.lm.words import Words  # noqa: E402

torch.set_num_threads(1)
CODEC = Words([f"w{index}" for index in range(20)], ["one", "two"])
RNG = np.random.default_rng(0)


def tiny(members=1, context=32):
    model = Tiny(CODEC, members, Size(16, 2, 2, context))
    for member in range(members):
        weights = model.fresh(np.random.default_rng(member))
        model.load(member, {name: 5 * value if value.ndim > 1 else value for name, value in weights.items()})
    return model


def ask(length, limit=6, seed=0, **changes):
    random = np.random.default_rng(seed)
    return Request("one", random.integers(5, CODEC.size, length), random.random(limit), **changes)


def said(model, *requests):
    return asyncio.run(model.complete(requests))


def scores(model, request, completion, member=0):
    tokens = np.concatenate([request.tokens, completion.tokens])[None]
    place = np.arange(len(request.tokens) - 1, tokens.shape[1] - 1)
    heat = np.full(len(place), request.temperature or 1.0, np.float32)
    legal = None if completion.legal is None else mask(completion.legal, CODEC.size)
    log_prob, _ = model.score(member, Batch(tokens, place, completion.tokens, heat, legal))
    return log_prob.detach().numpy()


def test_it_is_a_trainable_model():
    assert isinstance(tiny(), Trainable)


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_what_was_drawn_has_the_probability_it_is_judged_with(temperature):
    model, requests = tiny(), [ask(n, seed=n, temperature=temperature) for n in (3, 9, 5, 5)]  # ragged: padded inside
    for request, completion in zip(requests, said(model, *requests), strict=True):
        np.testing.assert_allclose(completion.log_probs, scores(model, request, completion), atol=1e-5)


def test_a_batch_says_what_each_would_have_said_alone():
    model, requests = tiny(2), [ask(3 + n, limit=1 + n, seed=n, member=n % 2) for n in range(9)]
    together = said(model, *requests)
    for request, completion in zip(requests, together, strict=True):
        alone = said(model, request)[0]
        np.testing.assert_array_equal(alone.tokens, completion.tokens)
        np.testing.assert_allclose(alone.log_probs, completion.log_probs, atol=1e-5)
    assert len({completion.text for completion in together}) > 4


def test_it_stops_at_its_end_at_the_limit_or_without_room():
    model, request = tiny(context=8), ask(5, limit=6)
    assert said(model, request)[0].stop in (Stop.ROOM, Stop.END)
    full = said(model, ask(8))[0]
    assert full.stop is Stop.ROOM and len(full.tokens) == 0
    stops = {completion.stop for completion in said(tiny(), *(ask(4, limit=3, seed=n) for n in range(40)))}
    assert Stop.LIMIT in stops
    ended = [one for one in said(tiny(), *(ask(4, limit=12, seed=n) for n in range(40))) if one.stop is Stop.END]
    assert ended and all(one.tokens[-1] == CODEC.end for one in ended)


def test_legal_answers_are_drawn_among_themselves_and_judged_so():
    model, tree = tiny(), among(["w1 w2", "w3", "w1 w4"], CODEC)
    requests = [ask(4, seed=n, answers=tree) for n in range(30)] + [ask(6, seed=99)]
    completions = said(model, *requests)
    assert {one.text for one in completions[:-1]} <= {"w1 w2", "w3", "w1 w4"} and completions[-1].legal is None
    for request, completion in zip(requests, completions, strict=True):
        np.testing.assert_allclose(completion.log_probs, scores(model, request, completion), atol=1e-5)
    total = sum(np.exp(one.log_probs.sum()) for one in {one.text: one for one in completions[:-1]}.values())
    assert total < 1 + 1e-4 or len({tuple(r.tokens) for r in requests}) > 1


ANSWERS = (["w1", "w2"], ["w3 w4 w5", "w6 w7"], ["w8 w9", "w8 w10 w11", "w12"], ["w1 w2 w3"])


@pytest.mark.parametrize("limit", [6, 2])
@pytest.mark.parametrize("mixed", [False, True])
def test_what_is_certain_is_said_without_the_model_and_nothing_else_changes(monkeypatch, limit, mixed):
    trees = [among(answers, CODEC) for answers in ANSWERS]
    batches = [[(kind + n) % 5 if mixed else kind for n in range(8)] for kind in range(4)]
    model, count = tiny(), []
    asked = [
        [ask(3 + n, limit, n, answers=trees[kind] if kind < 4 else None) for n, kind in enumerate(kinds)]
        for kinds in batches
    ]
    forward = type(model.members[0]).forward
    monkeypatch.setattr(type(model.members[0]), "forward", lambda *given: count.append(1) or forward(*given))
    quick, passes = [said(model, *requests) for requests in asked], len(count)
    monkeypatch.setattr(Speaking, "_finish", lambda rows, live: None)
    slow = [said(model, *requests) for requests in asked]
    assert len(count) - passes >= passes and (mixed or passes <= 4)
    for one, other in zip(itertools.chain(*quick), itertools.chain(*slow), strict=True):
        np.testing.assert_array_equal(one.tokens, other.tokens)
        np.testing.assert_array_equal(one.log_probs, other.log_probs)  # bit for bit
        assert (one.text, one.stop) == (other.text, other.stop)
        assert [row.tolist() for row in one.legal or ()] == [row.tolist() for row in other.legal or ()]


def test_without_temperature_the_most_likely_is_said():
    model = tiny()
    request = ask(5, limit=1)
    likely = said(model, dataclasses.replace(request, temperature=0.0))[0]
    others = [said(model, dataclasses.replace(request, noise=np.array([u])))[0] for u in np.linspace(0, 0.999, 25)]
    assert likely.log_probs[0] >= max(one.log_probs[0] for one in others) - 1e-6


def test_noise_falls_into_shares():
    shares = torch.tensor([[0.2, 0.0, 0.5, 0.3]]).clamp(min=1e-30).log()
    drawn = [int(by_noise(shares, torch.tensor([u]))[0]) for u in (0.0, 0.19, 0.21, 0.69, 0.71, 0.999999)]
    assert drawn == [0, 0, 2, 2, 3, 3]


def test_weights_of_another_size_are_refused():
    with pytest.raises(InputError, match="do not fit the model at"):
        tiny().load(0, Tiny(CODEC, 1, Size(8, 1, 2, 32)).weights(0))


def test_making_one_leaves_torchs_random_numbers_alone():
    torch.manual_seed(0)
    first = torch.rand(1)
    torch.manual_seed(0)
    tiny()
    assert torch.rand(1) == first
