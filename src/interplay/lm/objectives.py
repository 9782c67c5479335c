"""The policy loss of language models on torch tensors, and the two gradients of one batch that ST-PPO compares.

Formulas are those of `interplay.objectives.tokens`, which stand once and follow the arrays they are given; names are passed
on from there, so that `objectives.PolicyLoss(ratio=objectives.turn)` reads the same on either side. GRPO's loss and
Turn-PPO's are instances. Nothing here loads JAX.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from interplay.objectives.tokens import (
    Metrics,
    PolicyLoss,
    Tokens,
    asymmetric,
    dual,
    k3,
    limited,
    literal,
    no_kl,
    no_ratio,
    norm,
    sequence,
    sequence_mean,
    sequence_total,
    symmetric,
    token,
    token_mean,
    token_total,
    triggered,
    truncated,
    turn,
    unclipped,
    uncorrected,
)

__all__ = [
    "Metrics",
    "PolicyLoss",
    "Tokens",
    "asymmetric",
    "dual",
    "gradients",
    "k3",
    "limited",
    "literal",
    "no_kl",
    "no_ratio",
    "norm",
    "sequence",
    "sequence_mean",
    "sequence_total",
    "slopes",
    "symmetric",
    "tensors",
    "token",
    "token_mean",
    "token_total",
    "triggered",
    "truncated",
    "turn",
    "unclipped",
    "uncorrected",
]


def tensors(batch: Tokens, like: torch.Tensor) -> Tokens:
    """A batch of numpy arrays copied to tensors on the device of `like`, real numbers in its precision.

    >>> ones, first = np.ones(2), np.zeros(2, int)
    >>> tensors(Tokens(ones, ones, first == 0, first, first), torch.zeros(1)).old.dtype
    torch.float32
    """

    def tensor(values: Any) -> Any:
        if not isinstance(values, np.ndarray | np.generic):
            return values
        real = np.issubdtype(values.dtype, np.floating)
        dtype = like.dtype if real else torch.bool if values.dtype == bool else torch.int64
        return torch.tensor(values, dtype=dtype, device=like.device)

    return Tokens(*(tensor(values) for values in batch))


def gradients(
    loss: PolicyLoss, log_prob: torch.Tensor, parameters: Sequence[torch.Tensor], batch: Tokens
) -> tuple[list[torch.Tensor], list[torch.Tensor], Metrics]:
    """(g_clip, C, metrics): the gradient of `loss` and the clipping bias C = g − g_clip, g being that without the clip.

    `log_prob` are the tokens' log-probabilities with their graph, which is used up. Both gradients share the pass forward;
    the second pass back is spared where nothing is clipped and C is exactly zero. Parameters that the loss does not reach
    get zeros. Where gradients of parts are added up, add C up too and take the norm of the sum, with an average whose
    denominator the parts have in common.

    Source: "ST-PPO" (2025), lemma 4.2.
    """
    clipped, held_back, metrics = slopes(loss, log_prob, batch)
    biased = bool(held_back.any())
    gradient = _slope(log_prob, parameters, clipped, retain=biased)
    bias = _slope(log_prob, parameters, held_back) if biased else [torch.zeros_like(part) for part in parameters]
    return gradient, bias, metrics


def slopes(loss: PolicyLoss, log_prob: torch.Tensor, batch: Tokens) -> tuple[torch.Tensor, torch.Tensor, Metrics]:
    """What `gradients` sends back through the model: ∂L/∂log π of every token, and what the clip holds back of it."""
    leaf = log_prob.detach().requires_grad_()
    value, metrics = loss(leaf, batch)
    clipped = _slope(value, [leaf], torch.ones_like(value))[0]
    value = loss.free()(leaf, batch)[0]
    return clipped, _slope(value, [leaf], torch.ones_like(value))[0] - clipped, metrics


def _slope(value: torch.Tensor, inputs: Sequence[torch.Tensor], along: torch.Tensor, retain: bool = False):
    """Σ along · ∂value/∂input for every input."""
    parts = torch.autograd.grad(value, inputs, along, retain_graph=retain, allow_unused=True)
    return [torch.zeros_like(put) if part is None else part for put, part in zip(inputs, parts, strict=True)]
