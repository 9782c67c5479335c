"""Credit that shapes the other players: an action counts for what it does to them, weighed by how well one fared so far.

Advantage Alignment multiplies the own past advantages with the other's present one: who has done better than expected favors
actions that are good for the other, who has done worse favors actions that are bad for it. LOLA, which differentiates
through the other's learning, aims at the same first-order term. No critic and no model of the opponent is needed, but its
rewards are. Time runs along `axis`, the last unless said otherwise; arrays are numpy's or JAX's.

Source: Duque et al., "Advantage Alignment algorithms" (2025); "Learning robust social strategies with large language models"
(2025).
"""

import dataclasses
from collections.abc import Callable
from typing import Any

from jaxtyping import Bool, Float

from interplay.credit.recursion import accumulate
from interplay.credit.segments import namespace

Rows = Float[Any, "..."]
Started = Bool[Any, "..."]
Past = Callable[..., Rows]
Shape = Callable[[Rows], Rows]


def to_go(reward: Rows, discount: float, *, axis: int = -1) -> Rows:
    """G_t = Σ_{k ≥ t} γ^{k−t} r_k, counted from t and not from the start.

    >>> import numpy as np
    >>> to_go(np.array([1.0, 2.0, 4.0]), 0.5).tolist()
    [3.0, 4.0, 4.0]
    """
    return accumulate(reward, discount + 0 * reward, axis=axis)


def up_to(advantage: Rows, discount: float, started: Started | None = None, *, axis: int = -1) -> Rows:
    """w_t = Σ_{k ≤ t} γ^{t−k} A_k, the present advantage included.

    `started` marks where an episode begins and the past is forgotten, for arrays with several of them along `axis`.

    >>> import numpy as np
    >>> up_to(np.array([1.0, 2.0, 4.0]), 0.5).tolist()
    [1.0, 2.5, 5.25]
    """
    xp = namespace(advantage)
    passing = discount + 0 * advantage
    if started is not None:
        passing = xp.where(started, 0 * passing, passing)
    backward = (xp.flip(rows, axis) for rows in (advantage, passing))
    return xp.flip(accumulate(*backward, axis=axis), axis)


def before(advantage: Rows, discount: float, started: Started | None = None, *, axis: int = -1) -> Rows:
    """w_t = γ Σ_{k < t} γ^{t−k} A_k, so that w = 0 where an episode begins; the additional γ is that of the published code.

    >>> import numpy as np
    >>> before(np.array([1.0, 2.0, 4.0]), 0.5).tolist()
    [0.0, 0.25, 0.625]
    """
    xp = namespace(advantage)
    summed = xp.moveaxis(up_to(advantage, discount, started, axis=axis), axis, 0)
    earlier = xp.moveaxis(xp.concatenate([0 * summed[:1], summed[:-1]]), 0, axis)
    if started is not None:
        earlier = xp.where(started, 0 * earlier, earlier)
    return discount**2 * earlier


def as_it_is(weight: Rows) -> Rows:
    """The default shape of a weight."""
    return weight


def sign(weight: Rows) -> Rows:
    """+1, 0 or −1: only whether one fared better or worse."""
    return namespace(weight).sign(weight)


def limited(bound: float) -> Shape:
    """Weights no larger than `bound` in size."""
    return lambda weight: namespace(weight).clip(weight, -bound, bound)


def per_step(weight: Rows) -> Rows:
    """w_t / (t + 1) with time last: a mean of the past rather than a sum."""
    return weight / (1.0 + namespace(weight).arange(weight.shape[-1]))


def align(
    own: Rows,
    others: Rows,
    *,
    weight: float,
    discount: float,
    past: Past = before,
    shape: Shape = as_it_is,
    started: Started | None = None,
    axis: int = -1,
) -> Rows:
    """A*_t = A_t + β · w_t · B_t, with A the `own` and B the `others`' advantages, β = `weight` and w = `past` of A.

    With β = 0 it is A. Both have to be advantages over a baseline: of bare returns w is never negative where rewards are
    not, and the agent lets itself be exploited. B is of the same scale as A squared, so β has to follow the scale of
    rewards: halved rewards need a doubled β.

        >>> import numpy as np
        >>> align(np.array([1.0, 2.0]), np.array([3.0, 4.0]), weight=2.0, discount=0.5).tolist()
        [1.0, 4.0]

    Source: "Learning robust social strategies with large language models" (2025).
    """
    return own + weight * shape(past(own, discount, started, axis=axis)) * others


def rest(advantage: Rows, *, axis: int = -1) -> Rows:
    """For every player the sum over the other players, who are along `axis`: `others` of `align` for all seats at once.

    >>> import numpy as np
    >>> rest(np.array([1.0, 2.0, 4.0])).tolist()
    [6.0, 5.0, 3.0]
    """
    return advantage.sum(axis, keepdims=True) - advantage


def aligned(
    estimate: Callable[[Any], Any], *, weight: float, discount: float, others: Shape = rest, **choices: Any
) -> Callable[[Any], Any]:
    """An estimator of neural teams ("time batch agent") whose agents align with the sum of the others.

    `others` makes B of all agents' A, `choices` are those of `align`. Agents that were inactive contribute nothing
    to anybody's weight.
    """

    def shaped(trajectory: Any) -> Any:
        credit = estimate(trajectory)
        counted = (credit.weight > 0) * credit.advantage
        started = namespace(counted).broadcast_to(trajectory.started[..., None], counted.shape)
        settings = {"weight": weight, "discount": discount, "started": started, "axis": 0, **choices}
        return dataclasses.replace(credit, advantage=align(counted, others(counted), **settings))

    return shaped
