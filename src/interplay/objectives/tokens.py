"""The policy loss of language models, token by token, with every choice an argument.

    loss = PolicyLoss(ratio=turn, clip=symmetric(0.2), average=sequence_mean, kl=k3(0.01), correction=truncated(2.0))

GRPO and token PPO (`ratio=token`), Turn-PPO (`turn`), GSPO (`sequence`) and plain policy gradients with a corrected sampler
(`no_ratio`) are settings of it. Formulas stand here once: they take JAX arrays, numpy arrays (to look at) and torch tensors
(through `interplay.lm.objectives`), of any shape, padded or packed. JAX is loaded by `gradients` alone, so that language
models need not load it.

Sequences and turns are given as labels (`credit.turns`), so a batch of other lengths compiles nothing anew if its total is
the same.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from jaxtyping import Bool, Float, Int, Shaped

from interplay.core.errors import InputError
from interplay.credit.segments import constant, mean_within, namespace, sum_within

Numbers = Float[Any, "*tokens"]
Scalar = Float[Any, ""]
Metrics = dict[str, Scalar]


class Tokens(NamedTuple):
    """What a loss knows of the tokens it judges besides their present log-probabilities; all arrays "*tokens"."""

    old: Numbers
    """log π_old of every token, by the policy that played, as the trainer's own model computes it"""
    advantage: Numbers
    """what each token is credited with"""
    mask: Shaped[Any, "*tokens"]
    """whether the token is the agent's own and is learned from"""
    sequence: Int[Any, "*tokens"]
    """which sequence it belongs to, from 0 up (`credit.turns.sequences`)"""
    turn: Int[Any, "*tokens"]
    """which turn it belongs to, from 0 up (`credit.turns.turns`)"""
    weight: Numbers | None = None
    """what the token, or with `sequence_mean` its sequence, counts in the average; 1 where None"""
    sampler: Numbers | None = None
    """log-probabilities as the engine that sampled reported them, for `truncated`"""
    reference: Numbers | None = None
    """log π_ref, for `k3`"""
    total: Any = None
    """tokens (or sequences) of the whole batch, for the averages of parts that are added up"""


Ratio = Callable[[Numbers, Tokens], Numbers]
Clip = Callable[[Numbers, Numbers], Numbers]
Average = Callable[[Numbers, Tokens], Scalar]
Penalty = Callable[[Numbers, Tokens], Numbers]
Correction = Callable[[Tokens], Numbers]


# How probable tokens are now, against when they were sampled.


def no_ratio(log_prob: Numbers, batch: Tokens) -> Numbers:
    """1, with the gradient of log π: what it multiplies gets the likelihood-ratio gradient (REINFORCE, RLOO)."""
    return namespace(log_prob).exp(_own(log_prob - constant(log_prob), batch))


def token(log_prob: Numbers, batch: Tokens) -> Numbers:
    """ratio_u = π(u) / π_old(u) for every token (PPO, GRPO)."""
    return namespace(log_prob).exp(_own(log_prob - batch.old, batch))


def turn(log_prob: Numbers, batch: Tokens) -> Numbers:
    """ratio = exp(mean over the turn's own tokens of log π − log π_old), the same for all of them.

    Source: "ST-PPO: stabilized off-policy proximal policy optimization for multi-turn agents training" (2025).
    """
    return _averaged(log_prob, batch, batch.turn)


def sequence(log_prob: Numbers, batch: Tokens) -> Numbers:
    """ratio = exp(mean over the sequence's own tokens of log π − log π_old), the same for all of them.

    Source: Zheng et al., "Group sequence policy optimization" (2025).
    """
    return _averaged(log_prob, batch, batch.sequence)


# How far the ratio may carry a step: (ratio, advantage) → surrogate, which is to be raised.


def unclipped(ratio: Numbers, advantage: Numbers) -> Numbers:
    """ratio · A."""
    return ratio * advantage


def asymmetric(low: float, high: float) -> Clip:
    """min(ratio · A, clip(ratio, 1 − low, 1 + high) · A).

    Source: Yu et al., "DAPO" (2025), where high is larger than low.
    """

    def clip(ratio: Numbers, advantage: Numbers) -> Numbers:
        xp = namespace(ratio)
        free, held = ratio * advantage, xp.clip(ratio, 1 - low, 1 + high) * advantage
        return xp.where(held < free, held, free)  # one of them where both are equal, so that gradients are whole

    return clip


def symmetric(epsilon: float) -> Clip:
    """min(ratio · A, clip(ratio, 1 − ε, 1 + ε) · A).

    Source: Schulman et al., "Proximal policy optimization algorithms" (2017), eq. 7.
    """
    return asymmetric(epsilon, epsilon)


USUAL = symmetric(0.2)


def dual(low: float, high: float, bound: float = 3.0) -> Clip:
    """As `asymmetric`, and never below `bound` · A where A is negative: bad tokens that became likely pull no harder.

    Source: Ye et al., "Mastering complex control in MOBA games with deep reinforcement learning" (2020).
    """
    single = asymmetric(low, high)

    def clip(ratio: Numbers, advantage: Numbers) -> Numbers:
        xp = namespace(ratio)
        surrogate, floor = single(ratio, advantage), bound * advantage
        return xp.where((advantage < 0) & (surrogate < floor), floor, surrogate)

    return clip


# What a batch's average is over. `weight` is the token's or the sequence's.


def token_mean(values: Numbers, batch: Tokens) -> Scalar:
    """Σ weight · value / Σ weight over all own tokens: long sequences count more."""
    counted = _counted(values, batch)
    return (counted * values).sum() / _at_least(counted.sum())


def sequence_mean(values: Numbers, batch: Tokens) -> Scalar:
    """Σ_s weight_s · (mean of the own tokens of s) / Σ_s weight_s: every sequence counts its weight, as in GRPO."""
    counted = _shared(values, batch)
    return (counted * values).sum() / _at_least(counted.sum())


def token_total(values: Numbers, batch: Tokens) -> Scalar:
    """Σ weight · value / `total`, a number that parts of a batch have in common, so that their gradients add up."""
    return (_counted(values, batch) * values).sum() / _given(batch.total, "the average token_total", "total")


def sequence_total(values: Numbers, batch: Tokens) -> Scalar:
    """Σ_s weight_s · (mean of the own tokens of s) / `total`: `sequence_mean` for parts of a batch."""
    return (_shared(values, batch) * values).sum() / _given(batch.total, "the average sequence_total", "total")


# The pull towards a reference policy inside the loss (in the reward: `credit.turns.penalized`).


def no_kl(log_prob: Numbers, batch: Tokens) -> Numbers:
    """Nothing pulls the policy back."""
    return 0 * constant(log_prob)


def k3(coefficient: float) -> Penalty:
    """β (exp(d) − d − 1) with d = log π_ref − log π: never negative, and unbiased for KL(π ‖ π_ref) under samples of π.

    Source: Schulman, "Approximating KL divergence" (2020).
    """

    def penalty(log_prob: Numbers, batch: Tokens) -> Numbers:
        apart = _own(_given(batch.reference, "k3", "reference") - log_prob, batch)
        return coefficient * (namespace(log_prob).exp(apart) - apart - 1)

    return penalty


# What to do about an engine whose probabilities are not the trainer's.


def uncorrected(batch: Tokens) -> Numbers:
    """The engine is trusted."""
    return namespace(batch.old).ones_like(batch.old)


def truncated(cap: float = 2.0) -> Correction:
    """min(π_old(u) / π_sampler(u), cap), without a gradient.

    Source: Yao et al., "Your efficient RL framework secretly brings you off-policy RL training" (2025).
    """

    def correction(batch: Tokens) -> Numbers:
        xp = namespace(batch.old)
        apart = _own(batch.old - _given(batch.sampler, "truncated", "sampler"), batch)
        return constant(xp.clip(xp.exp(apart), None, cap))

    return correction


@dataclasses.dataclass(frozen=True)
class PolicyLoss:
    """L = average(c · (penalty − clip(ratio, A))), with c the correction: to be lowered.

    `loss(log_prob, batch)` gives (L, metrics): the surrogate's part, the KL penalty's, an estimate of KL(old ‖ new) by
    token, and the shares of tokens and of turns in which the clip holds the surrogate back. Entropy bonuses are added by
    the caller, averaged by the same `average`.

        >>> import numpy as np
        >>> half = np.log(np.array([0.5, 0.5]))
        >>> batch = Tokens(half, np.array([1.0, -1.0]), np.array([1, 1]), np.array([0, 0]), np.array([0, 1]))
        >>> round(float(PolicyLoss()(half + np.log(np.array([1.5, 1.1])), batch)[0]), 6)  # −(1.2 − 1.1) / 2
        -0.05
    """

    ratio: Ratio = token
    clip: Clip = USUAL
    average: Average = token_mean
    kl: Penalty = no_kl
    correction: Correction = uncorrected

    def __call__(self, log_prob: Numbers, batch: Tokens) -> tuple[Scalar, Metrics]:
        xp, advantage = namespace(log_prob), _own(batch.advantage, batch)
        ratio, correction = self.ratio(log_prob, batch), self.correction(batch)
        surrogate, penalty = self.clip(ratio, advantage), self.kl(_own(log_prob, batch), batch)
        loss = self.average(_own(correction * (penalty - surrogate), batch), batch)
        apart = _own(constant(log_prob) - batch.old, batch)
        held = self.held(constant(log_prob), batch)
        return loss, {
            "policy_loss": self.average(_own(-constant(correction * surrogate), batch), batch),
            "kl_penalty": self.average(_own(constant(correction * penalty), batch), batch),
            "approx_kl": token_mean(xp.exp(apart) - 1 - apart, batch),
            "clip_fraction": token_mean(1.0 * held + 0 * apart, batch),
            "clip_fraction_turn": _share_of_turns(held, batch),
            **_gap(batch),
        }

    def held(self, log_prob: Numbers, batch: Tokens) -> Bool[Any, "*tokens"]:
        """Which own tokens' surrogate the clip changes: no gradient passes there."""
        ratio, advantage = self.ratio(log_prob, batch), _own(batch.advantage, batch)
        return self.clip(ratio, advantage) != ratio * advantage

    def free(self) -> "PolicyLoss":
        """The same loss without the clip."""
        return dataclasses.replace(self, clip=unclipped)


# Two gradients of one batch: what the clip does to the step (S-PPO, ST-PPO).


def gradients(loss: PolicyLoss, log_probs: Callable[[Any], Numbers], parameters: Any, batch: Tokens):
    """(g_clip, C, metrics): the gradient of `loss` at `parameters` and the clipping bias C = g − g_clip, g without clip.

    `log_probs(parameters)` are the tokens' log-probabilities, of JAX. One pass forward; two back, C on its own, so that it
    is exactly zero where nothing is clipped. Where gradients of parts are added up, add C up too and take the norm of
    the sum, with an average whose denominator parts have in common.

    Source: "ST-PPO" (2025), lemma 4.2, with the sign in which g_clip = g − C.
    """
    import jax

    log_prob, back = jax.vjp(log_probs, parameters)
    clipped, metrics = jax.grad(loss, has_aux=True)(log_prob, batch)
    free = jax.grad(lambda log_prob: loss.free()(log_prob, batch)[0])(log_prob)
    return back(clipped)[0], back(free - clipped)[0], metrics


def norm(arrays: Sequence[Float[Any, "..."]]) -> Scalar:
    """‖·‖₂ of all the numbers in some arrays, the leaves of a gradient for example."""
    return sum((array**2).sum() for array in arrays) ** 0.5


def literal(epsilon: float = 1e-8) -> Callable[[Scalar], Scalar]:
    """1 / (‖C‖ + ε): the published factor of g_clip, which has no bound where nothing is clipped.

    Source: "ST-PPO" (2025); the constant is not published.
    """
    return lambda size: 1 / (size + epsilon)


def limited(usual: Any) -> Callable[[Scalar], Scalar]:
    """1 / max(1, ‖C‖ / usual): only what is larger than usual is scaled down, for example than an early median of ‖C‖."""
    return lambda size: 1 / namespace(size).clip(size / usual, 1.0, None)


def triggered(factor: Callable[[Scalar], Scalar]) -> Callable[[Scalar], Scalar]:
    """`factor` where something was clipped, 1 where ‖C‖ = 0."""

    def otherwise_one(size: Scalar) -> Scalar:
        xp = namespace(size)
        return xp.where(size > 0, factor(size), xp.ones_like(size))

    return otherwise_one


def _averaged(log_prob: Numbers, batch: Tokens, segment: Int[Any, "*tokens"]) -> Numbers:
    own = _ones(log_prob, batch)
    return namespace(log_prob).exp(mean_within(_own(log_prob - batch.old, batch), segment, own) * own)


def _own(values: Numbers, batch: Tokens) -> Numbers:
    """The values of the agent's own tokens, zero elsewhere whatever stands there."""
    xp = namespace(values)
    return xp.where(batch.mask != 0, values, xp.zeros_like(values))


def _ones(values: Numbers, batch: Tokens) -> Numbers:
    return _own(namespace(values).ones_like(values), batch)


def _counted(values: Numbers, batch: Tokens) -> Numbers:
    ones = _ones(values, batch)
    return ones if batch.weight is None else _own(ones * batch.weight, batch)


def _shared(values: Numbers, batch: Tokens) -> Numbers:
    """The weight of each sequence, in equal parts on its own tokens."""
    own = _ones(values, batch)
    return _counted(values, batch) / namespace(values).clip(sum_within(own, batch.sequence), 1.0, None)


def _share_of_turns(held: Bool[Any, "*tokens"], batch: Tokens) -> Scalar:
    """Of the turns that have own tokens, the share in which at least one is held back by the clip."""
    xp, own = namespace(batch.old), _ones(batch.old, batch)
    share = own / xp.clip(sum_within(own, batch.turn), 1.0, None)
    some = xp.clip(sum_within(own * held, batch.turn), 0.0, 1.0)
    return (share * some).sum() / _at_least(share.sum())


def _gap(batch: Tokens) -> Metrics:
    """E|log π_old − log π_sampler| in nats a token, where the sampler's are known."""
    if batch.sampler is None:
        return {}
    return {"sampler_gap": token_mean(abs(_own(batch.old - batch.sampler, batch)), batch)}


def _at_least(mass: Scalar) -> Scalar:
    return namespace(mass).clip(mass, 1e-8, None)


def _given(value: Any, who: str, what: str) -> Any:
    if value is None:
        raise InputError(f"{who} needs Tokens.{what}: give it when the batch is built")
    return value
