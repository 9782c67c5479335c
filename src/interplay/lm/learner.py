"""How a member learns: the loss, the size of steps, how often turns are gone through. No torch here."""

import dataclasses
from collections.abc import Callable

from interplay.objectives.tokens import PolicyLoss


@dataclasses.dataclass(frozen=True)
class Learner:
    """How members learn. `rate(count)` is Adam's step size after so many steps; `sequences` tells what is averaged over.

    Losses must be of the kind that adds up over parts of a batch (`token_total`, `sequence_total`): the total they divide by
    is the number of own tokens, or of sequences where `sequences` is True.
    """

    loss: PolicyLoss
    rate: Callable[[int], float]
    max_norm: float = 1.0
    weight_decay: float = 0.0
    entropy_weight: float = 0.0
    passes: int = 1
    minibatches: int = 1
    sequences: bool = False
    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-8
