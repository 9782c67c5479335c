"""One update of a language team: each population member takes optimizer steps on its own turns, and tells how they went.

Members are updated apart, each with its own optimizer, batches and clipped gradient; agents that share a member are pooled,
and their gradients are still measured apart. GRPO's single step on fresh turns and PPO's several passes over minibatches are
settings of it.

Source: AdamW: Loshchilov and Hutter, "Decoupled weight decay regularization" (2019).
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from interplay.lm.constrain import mask
from interplay.lm.learner import Learner
from interplay.lm.model import Batch, Ids, Trainable, Weights
from interplay.lm.objectives import Tokens, no_ratio, tensors
from interplay.lm.together import ALONE, Together
from interplay.lm.transcript import Path

PART = 1024  # tokens that go through a model at once: more do not fit into the caches of a processor
SUMMED: tuple[str, ...] = ("policy_loss", "kl_penalty")  # parts of these add up
AVERAGED: tuple[str, ...] = (
    "approx_kl",
    "clip_fraction",
    "clip_fraction_turn",
    "sampler_gap",
    "entropy",
)  # means over own tokens
Averages = dict[str, float]


class Member(NamedTuple):
    """What is kept of a member between updates: weights, Adam's two moments, steps taken. Arrays only."""

    weights: Weights
    first: Weights
    second: Weights
    count: Any


class Row(NamedTuple):
    """A sequence to learn from: its tokens, for each of its turns an advantage, by the turn's index, and what it counts.

    `stale` says which of its own tokens weights wrote that were replaced since; None: none of them.
    """

    path: Path
    advantage: dict[int, float]
    agent: int
    weight: float = 1.0
    stale: Bool[np.ndarray, "own"] | None = None


def started(weights: Weights) -> Member:
    """A member before its first step."""
    zeros = lambda: {name: np.zeros_like(value) for name, value in weights.items()}
    return Member(weights, zeros(), zeros(), np.zeros((), np.int32))


class Adam:
    """AdamW on a model's flat vectors, from and to a `Member`."""

    def __init__(self, model: Trainable, seat: int, member: Member, learner: Learner):
        self.model, self.seat, self.learner = model, seat, learner
        model.load(seat, member.weights)
        names = model.weights(seat).keys()  # a pytree's dicts come back in the order of their names, not the model's
        flat = lambda named: torch.cat([torch.from_numpy(np.array(named[name])).reshape(-1) for name in names])
        self.first, self.second, self.count = flat(member.first), flat(member.second), int(member.count)

    def step(self) -> float:
        """Move along the gradient that the model holds, clipped, and clear it. Returns its norm before clipping."""
        slope, vector, (one, two) = self.model.slope(self.seat), self.model.vector(self.seat), self.learner.betas
        size = float(slope.norm())
        slope.mul_(min(1.0, self.learner.max_norm / (size + 1e-6)))
        rate = self.learner.rate(self.count)
        self.count += 1
        self.first.lerp_(slope, 1 - one)
        self.second.mul_(two).addcmul_(slope, slope, value=1 - two)
        whole = (self.second / (1 - two**self.count)).sqrt_().add_(self.learner.epsilon)
        vector.mul_(1 - rate * self.learner.weight_decay)
        vector.addcdiv_(self.first, whole, value=-rate / (1 - one**self.count))
        slope.zero_()
        return size

    def member(self) -> Member:
        """What to keep."""
        named = self.model.named
        return Member(self.model.weights(self.seat), named(self.first), named(self.second), np.int32(self.count))


def learn(
    model: Trainable,
    seat: int,
    member: Member,
    rows: Sequence[Row],
    learner: Learner,
    random: np.random.Generator,
    among: Together = ALONE,
) -> tuple[Member, Averages, dict[int, float]]:
    """Update one member on `rows`: the new member, metrics averaged over its tokens, and each agent's gradient norm.

    With a single step the policy that played is the present one, and its probabilities are those of the first look;
    with several they are computed before the first, by the model that learns. Where others learn along (`among`), rows are
    this process's, and what comes out is the same in all.
    """
    adam = Adam(model, seat, member, learner)
    told, norms = [], []
    old = None if learner.passes * learner.minibatches == 1 else _scored(model, seat, rows)
    for _ in range(learner.passes):
        for part in among.minibatches(len(rows), learner.minibatches, random):
            batch = [rows[index] for index in part]
            known = None if old is None else [old[index] for index in part]
            metrics, sizes = gradient(model, seat, batch, learner, known, among=among)
            metrics["gradient_norm"] = adam.step()
            told.append(metrics)
            norms.append(sizes)
    mean = lambda key, dicts: float(np.mean([one[key] for one in dicts if key in one]))
    averages = {key: mean(key, told) for key in told[0]} if told else {}
    return adam.member(), averages, {agent: mean(agent, norms) for agent in sorted(set().union(*norms))}


def gradient(
    model: Trainable,
    seat: int,
    rows: Sequence[Row],
    learner: Learner,
    old: Sequence[np.ndarray] | None = None,
    *,
    among: Together = ALONE,
) -> tuple[Averages, dict[int, float]]:
    """Make the model's gradient, which should be zero, that of the whole batch, agent by agent.

    Returns metrics and each agent's norm; batch, metrics and norms are those of all who are `among`.
    """
    slope, own = model.slope(seat), [int(row.path.own.sum()) for row in rows]
    weights = (row.weight * (1 if learner.sequences else size) for row, size in zip(rows, own, strict=True))
    total, tokens = among.added(sum(weights), sum(own))
    before, sums, norms = torch.zeros_like(slope), dict.fromkeys((*SUMMED, *AVERAGED), 0.0), dict[int, float]()
    for agent in among.union({row.agent for row in rows}):
        mine = [index for index, row in enumerate(rows) if row.agent == agent]
        for part in parts([rows[index] for index in mine], mine, costs(model)):
            known = None if old is None else [old[index] for index in part]
            metrics = _backward(model, seat, [rows[index] for index in part], learner, total, known)
            for name, value in metrics.items():
                sums[name] += value if name in SUMMED else value * sum(own[index] for index in part)
        whole = among.total(slope)
        norms[agent] = float((whole - before).norm())
        before.copy_(whole)
    slope.copy_(before)
    sums = dict(zip(sums, among.added(*sums.values()), strict=True))
    return {name: value / (1.0 if name in SUMMED else max(tokens, 1)) for name, value in sums.items()}, norms


def packed(rows: Sequence[Row], size: int) -> tuple[Batch, Tokens]:
    """Rows as a padded batch, and what is known of their own tokens, packed one after the other; `old` is the sampler's."""
    width = max(len(row.path.tokens) for row in rows)
    tokens = np.zeros((len(rows), width), np.int64)
    place, label, heat, sampler, advantage, sequence, turn, weight, legal = [], [], [], [], [], [], [], [], []
    opened = 0
    for index, (path, worth, _, counts, _) in enumerate(rows):
        tokens[index, : len(path.tokens)] = path.tokens
        own = np.flatnonzero(path.own)
        turns, numbered = np.unique(path.turn[own], return_inverse=True)
        place.append(index * width + own - 1)
        label.append(path.tokens[own])
        heat.append(np.full(len(own), path.temperature, np.float32))
        sampler.append(path.log_prob[own])
        advantage.append(np.array([worth[t] for t in turns.tolist()])[numbered])
        sequence.append(np.full(len(own), index))
        turn.append(opened + numbered)
        weight.append(np.full(len(own), counts))
        legal += [path.legal[at] for at in own.tolist()]
        opened += len(turns)
    joined = np.concatenate
    batch = Batch(tokens, joined(place), joined(label), joined(heat), mask(legal, size))
    drawn = joined(sampler)
    every, mass = np.ones(len(drawn), bool), joined(weight)
    known = Tokens(drawn, joined(advantage), every, joined(sequence), joined(turn), mass, sampler=drawn)
    return batch, known


def _backward(model, seat: int, rows, learner: Learner, total: float, old: list[np.ndarray] | None) -> Averages:
    batch, known = packed(rows, model.codec.size)
    log_prob, entropy = model.score(seat, batch)
    fresh = log_prob.detach() if old is None else torch.from_numpy(np.concatenate(old))
    known = tensors(known, log_prob)
    known = known._replace(old=_before(fresh, known, rows, learner), total=total)
    loss, metrics = learner.loss(log_prob, known)
    if learner.entropy_weight:
        loss = loss - learner.entropy_weight * learner.loss.average(entropy, known)
    if loss.requires_grad:
        loss.backward()
    metrics = {name: float(value.detach()) for name, value in metrics.items()}
    return {**metrics, "entropy": float(entropy.detach().mean())}


def _before(fresh: Tensor, known: Tokens, rows: Sequence[Row], learner: Learner) -> Tensor:
    """log π_old of every own token: the sampler's where older weights spoke, `fresh` where those that learn did.

    A loss without a ratio asks for no older policy; what corrects it leads from the sampler's to the present one.
    """
    if learner.loss.ratio is no_ratio or all(row.stale is None for row in rows):
        return fresh
    stale = [np.zeros(int(row.path.own.sum()), bool) if row.stale is None else row.stale for row in rows]
    return torch.where(torch.from_numpy(np.concatenate(stale)), torch.as_tensor(known.sampler), fresh)


@torch.no_grad()
def _scored(model: Trainable, seat: int, rows: Sequence[Row]) -> list[Float[np.ndarray, "own"]]:
    """Every row's own tokens as the present weights judge them."""
    scores: list[Any] = [None] * len(rows)
    for part in parts(rows, range(len(rows)), costs(model)):
        batch, known = packed([rows[index] for index in part], model.codec.size)
        found = model.score(seat, batch)[0].numpy()
        for place, index in enumerate(part):
            scores[index] = found[known.sequence == place]
    return scores


class Padded:
    """What a pass through a model costs in tokens, where each path is a row: as many as the longest, for each."""

    order = staticmethod(lambda path: len(path.tokens))
    """paths side by side in this order cost least"""

    def __init__(self) -> None:
        self.rows = self.longest = 0

    def __call__(self, path: Path) -> int:
        """The cost of all paths so far and this one."""
        self.rows, self.longest = self.rows + 1, max(self.longest, len(path.tokens))
        return self.rows * self.longest


class Merged:
    """The same for models that look once at what paths begin with together."""

    order = staticmethod(lambda path: path.tokens.tobytes())
    """paths that begin alike are side by side"""

    def __init__(self) -> None:
        self.last, self.tokens = np.zeros(0, np.int64), 0

    def __call__(self, path: Path) -> int:
        """The cost of all paths so far and this one."""
        self.tokens += len(path.tokens) - alike(self.last, path.tokens)
        self.last = path.tokens
        return self.tokens


Cost = type[Padded] | type[Merged]


def alike(one: Ids, other: Ids) -> int:
    """How many tokens both begin with.

    >>> alike(np.array([3, 1, 4]), np.array([3, 1, 5, 9]))
    2
    """
    size = min(len(one), len(other))
    apart = np.flatnonzero(one[:size] != other[:size])
    return int(apart[0]) if len(apart) else size


def parts(rows: Sequence[Row], numbers: Sequence[int], cost: Cost = Padded) -> Iterator[list[int]]:
    """As many rows together as fit into one pass through a model, as `cost` counts them; given back by their numbers."""
    part, so_far = list[int](), cost()
    for index in sorted(range(len(rows)), key=lambda index: cost.order(rows[index].path)):
        if so_far(rows[index].path) > PART and part:
            yield [numbers[other] for other in part]
            part, so_far = [], cost()
            so_far(rows[index].path)
        part.append(index)
    if part:
        yield [numbers[other] for other in part]


def costs(model: Trainable) -> Cost:
    """How a pass through `model` is counted: its own `cost`, or as padded rows."""
    return getattr(model, "cost", Padded)


def imitate(
    model: Trainable,
    seat: int,
    member: Member,
    rows: Sequence[Row],
    learner: Learner,
    random: np.random.Generator,
    among: Together = ALONE,
) -> tuple[Member, float]:
    """Supervised steps on rows that somebody else spoke: the member, and the last pass's mean −log π of a token."""
    adam, loss = Adam(model, seat, member, learner), 0.0
    for _ in range(learner.passes):
        losses = []
        for part in among.minibatches(len(rows), learner.minibatches, random):
            losses.append(_likelier(model, seat, [rows[index] for index in part], among))
            adam.step()
        loss = float(np.mean(losses)) if losses else 0.0
    return adam.member(), loss


def _likelier(model: Trainable, seat: int, rows: Sequence[Row], among: Together) -> float:
    """Make the gradient that of the mean −log π over own tokens of all who are `among`, which is returned."""
    slope, loss = model.slope(seat), 0.0
    total = among.count(sum(int(row.path.own.sum()) for row in rows))
    for part in parts(rows, range(len(rows)), costs(model)):
        log_prob, _ = model.score(seat, packed([rows[index] for index in part], model.codec.size)[0])
        value: Tensor = -log_prob.sum() / total
        value.backward()
        loss += float(value.detach())
    slope.copy_(among.total(slope))
    return among.added(loss)[0]
