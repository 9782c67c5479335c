"""Policy steps whose size depends on what the clip holds back: PPO, S-PPO and ST-PPO of language models.

The clip of a surrogate throws away part of the policy gradient, C = g − g_clip, g being the gradient without it; its size
‖C‖ grows before training collapses. Steps are made smaller where it is large,

    step = f(‖C‖) · g_clip

with f = 1 (PPO) or one of the factors of `objectives.tokens`. Controls use the same factors at other times.

Source: "ST-PPO: stabilized off-policy proximal policy optimization for multi-turn agents training" (2025), lemma 4.2.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float

from interplay.lm.critic import Critic, Lesson, value_gradient
from interplay.lm.learner import Learner
from interplay.lm.model import Trainable
from interplay.lm.objectives import Tokens, slopes, tensors
from interplay.lm.together import ALONE, Together
from interplay.lm.update import AVERAGED, SUMMED, Adam, Averages, Member, costs, packed, parts
from interplay.objectives import tokens

EARLY = 10  # biases whose median is what is usual
KEPT = 64  # factors that are remembered


class Scaling(NamedTuple):
    """What was seen of ‖C‖ and of the factors so far."""

    early: Float[np.ndarray, "early"]
    """the first biases that were not zero; 0 where there is none yet"""
    factors: Float[np.ndarray, "kept"]
    """the latest factors, in a ring"""
    count: Any
    """steps made"""


Guard = Callable[[float], Callable[[Any], Any]]
Chosen = Callable[[Scaling, np.random.Generator], float]


def unscaled() -> Scaling:
    """Before the first step."""
    return Scaling(np.zeros(EARLY, np.float32), np.ones(KEPT, np.float32), np.zeros((), np.int32))


def seen(scaling: Scaling, size: float, guard: Guard) -> Scaling:
    """One bias more, and the factor that `guard` gives it; `guard(usual)` is a factor of `objectives.tokens`."""
    early, factors = scaling.early.copy(), scaling.factors.copy()
    free = np.flatnonzero(early == 0)
    if size > 0 and free.size:
        early[free[0]] = size
    usual = float(np.median(early[early > 0])) if early[0] else 1.0
    factors[int(scaling.count) % KEPT] = float(tokens.triggered(guard(usual))(np.float64(size)))
    return Scaling(early, factors, np.int32(scaling.count + 1))


def limited(usual: float):
    """1 / max(1, ‖C‖ / usual), usual being the median of the first biases that were not zero."""
    return tokens.limited(usual)


def literal(usual: float):
    """1 / ‖C‖, as published."""
    return tokens.literal()


def unchanged(scaling: Scaling, random: np.random.Generator) -> float:
    """Steps as PPO makes them."""
    return 1.0


def by_bias(scaling: Scaling, random: np.random.Generator) -> float:
    """The factor of the present bias (S-PPO, ST-PPO)."""
    return float(scaling.factors[(int(scaling.count) - 1) % KEPT])


def shuffled(scaling: Scaling, random: np.random.Generator) -> float:
    """A factor of one of the latest steps at random: the same sizes of steps, without their reason."""
    return float(random.choice(scaling.factors[: int(scaling.count)]))


def average(scaling: Scaling, random: np.random.Generator) -> float:
    """The mean factor of the latest steps: a lower rate."""
    return float(scaling.factors[: int(scaling.count)].mean())


def policy_gradient(
    model: Trainable, seat: int, lessons: Sequence[Lesson], learner: Learner, among: Together = ALONE
) -> tuple[torch.Tensor, Averages]:
    """Make the model's gradient, which should be zero, g_clip; C comes back, with metrics that are means over own tokens.

    C is that of the whole minibatch, of all who are `among`: its parts are added up before anybody asks for its norm.
    """
    slope, sums = model.slope(seat), dict.fromkeys((*SUMMED, *AVERAGED), 0.0)
    bias, count = torch.zeros_like(slope), among.count(sum(len(lesson.advantage) for lesson in lessons))
    total = float(among.count(len(lessons)) if learner.sequences else count)
    for part in parts([lesson.row for lesson in lessons], range(len(lessons)), costs(model)):
        mine = [lessons[index] for index in part]
        batch, known = packed([lesson.row for lesson in mine], model.codec.size)
        log_prob, entropy = model.score(seat, batch)
        known = _known(known, mine, log_prob, total)
        clipped, held, metrics = slopes(learner.loss, log_prob, known)
        if learner.entropy_weight:
            (-learner.entropy_weight * learner.loss.average(entropy, known)).backward(retain_graph=True)
        biased = bool(held.any())
        log_prob.backward(clipped, retain_graph=biased)
        if biased:
            before = slope.clone()
            log_prob.backward(held)
            bias += slope - before
            slope.copy_(before)
        told = {name: float(value) for name, value in metrics.items()} | {"entropy": float(entropy.detach().mean())}
        for name, value in told.items():
            sums[name] += value if name in SUMMED else value * len(log_prob) / count
    slope.copy_(among.total(slope))
    return among.total(bias), dict(zip(sums, among.added(*sums.values()), strict=True))


def _known(known: Tokens, lessons: Sequence[Lesson], like: torch.Tensor, total: float) -> Tokens:
    join = lambda field: np.concatenate([getattr(lesson, field) for lesson in lessons])
    return tensors(known._replace(advantage=join("advantage"), old=join("log_prob")), like)._replace(total=total)


class Steps(NamedTuple):
    """How an actor and its critic learn: each with its own rate; the size of the actor's steps; when to stop early."""

    actor: Learner
    critic: Learner
    guard: Guard = limited
    factor: Chosen = unchanged
    value_clip: float = 0.2
    most_kl: float = float("inf")


class Pair(NamedTuple):
    """An actor, its critic, and what was seen of the clip's bias."""

    actor: Member
    critic: Member
    scaling: Scaling


def improved(
    models: tuple[Trainable, Critic],
    seat: int,
    pair: Pair,
    lessons: Sequence[Lesson],
    *,
    steps: Steps,
    random: np.random.Generator,
    among: Together = ALONE,
) -> tuple[Pair, Averages]:
    """Several passes over minibatches of lessons: the pair after them, and metrics averaged over steps.

    Passes stop after the first whose mean approximate KL is above `most_kl`. Where others learn along (`among`), lessons are
    this process's, and what comes out is the same in all.
    """
    model, critic = models
    actor, judge = Adam(model, seat, pair.actor, steps.actor), Adam(critic, seat, pair.critic, steps.critic)
    scaling, told = pair.scaling, []
    for _ in range(steps.actor.passes if among.count(len(lessons)) else 0):
        begin = len(told)
        for part in among.minibatches(len(lessons), steps.actor.minibatches, random):
            batch = [lessons[index] for index in part]
            bias, metrics = policy_gradient(model, seat, batch, steps.actor, among)
            scaling = seen(scaling, float(bias.norm()), steps.guard)
            factor = steps.factor(scaling, random)
            metrics |= _sizes(model.slope(seat), bias) | {"factor": factor}
            model.slope(seat).mul_(factor)
            actor.step()
            metrics["value_loss"] = value_gradient(critic, seat, batch, steps.value_clip, among)
            judge.step()
            told.append(metrics)
        if np.mean([one["approx_kl"] for one in told[begin:]]) > steps.most_kl:
            break
    averages = {name: float(np.mean([one[name] for one in told])) for name in told[0]} if told else {}
    return Pair(actor.member(), judge.member(), scaling), averages | {"steps_made": float(len(told))}


def _sizes(clipped: torch.Tensor, bias: torch.Tensor) -> Averages:
    """Norms of g_clip and of C, and the share of C in g."""
    size, whole = float(bias.norm()), float((clipped + bias).norm())
    return {"gradient_norm": float(clipped.norm()), "bias": size, "bias_share": size / max(whole, 1e-12)}
