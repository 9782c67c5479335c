"""Failure, looked at: do values still tell actions apart, do features, do seeds agree, and who cooperates when.

Probes of learners in social dilemmas. A team that fails may have values that are alike (`value_gap`), features that are alike
wherever actions differ (`feature_separation`), or just luck: of two kinds of seeds some end well and some badly, and a mean
describes neither (`polarization`, `shares`). Known instances are exploration collapse on the lattice and the stability
punishment of commons games.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Shaped, UInt8

from interplay.core.errors import InputError

Actions = Int[Array, "time agent"] | UInt8[Array, "time agent"]


def value_gap(values: Float[Array, "*rows action"], visits: Float[Array, "*rows"] | None = None) -> Float[Array, ""]:
    """Σ n(s) (largest − second largest Q(s, ·)) / Σ n(s): |Q(C) − Q(D)| where there are two actions.

    Rows count by `visits` (all alike where none are given): what is never seen is extrapolation and says nothing.

        >>> float(value_gap(jnp.array([[1.0, 3.0], [0.0, 9.0]]), jnp.array([1.0, 0.0])))
        2.0

    Source: Weng and Lee (2026), action-value gap; for several actions Bellemare et al., "Increasing the action gap" (2016).
    """
    ordered = jnp.sort(values, -1)
    gap = ordered[..., -1] - ordered[..., -2]
    weight = jnp.ones(gap.shape) if visits is None else visits
    return (weight * gap).sum() / weight.sum()


def feature_separation(
    features: Float[np.ndarray, "row feature"],
    label: Int[np.ndarray, "row"],
    visits: Shaped[np.ndarray, "row"] | None = None,
) -> float:
    """The mean silhouette (b − a) / max(a, b) of rows by `label`: near 1 where rows lie with their own kind, near 0 mixed.

    a is a row's mean distance to its own kind and b that to the nearest other kind. `visits` counts a row as so many
    rows of the same features; kinds of one row have silhouette 0, as usual. Returns nan where there is one kind only.

        >>> feature_separation(np.array([[0.0], [0.0], [1.0], [1.0]]), np.array([0, 0, 1, 1]))
        1.0

    Source: Rousseeuw, "Silhouettes: a graphical aid to the interpretation and validation of cluster analysis" (1987).
    """
    weight = np.ones(len(label)) if visits is None else np.asarray(visits, float)
    seen = weight > 0
    features, label, weight = np.asarray(features, float)[seen], np.asarray(label)[seen], weight[seen]
    kinds = np.unique(label)
    if len(kinds) < 2:
        return float("nan")
    distance = np.sqrt(np.square(features[:, None] - features[None]).sum(-1))
    mass = np.stack([weight * (label == kind) for kind in kinds], 1)  # row, kind
    own = label[:, None] == kinds
    summed, counted = distance @ mass, mass.sum(0) - own  # a row is no neighbor of itself
    mean = summed / np.maximum(counted, 1e-12)
    a, b = mean[own], np.where(own, np.inf, mean).min(1)
    alone = counted[own] <= 0
    score = np.where(alone, 0.0, (b - a) / np.maximum(np.maximum(a, b), 1e-12))
    return float(np.average(score, weights=weight))


class Shares(NamedTuple):
    """How seeds are spread over [0, 1]: shares that end low, high and between."""

    low: float
    between: float
    high: float


def shares(scores: Sequence[float], low: float = 0.2, high: float = 0.9) -> Shares:
    """Which share of the seeds ends below `low`, above `high` and between. Raises `InputError` where there are none.

    >>> shares([0.05, 0.95, 1.0, 0.5])
    Shares(low=0.25, between=0.25, high=0.5)
    """
    values = _checked(scores)
    below, above = float((values < low).mean()), float((values > high).mean())
    return Shares(below, 1 - below - above, above)


def polarization(scores: Sequence[float]) -> float:
    """Var / (m (1 − m)) of scores in [0, 1] with mean m: 1 where every seed ends at 0 or at 1, 0 where all end alike.

    It is the variance over the largest that this mean allows; 0 where the mean is 0 or 1. Raises `InputError` for scores
    outside [0, 1] and where there are none.

        >>> polarization([0.0, 1.0, 1.0]), polarization([0.5, 0.5])
        (1.0, 0.0)
    """
    values = _checked(scores)
    if values.min() < 0 or values.max() > 1:
        raise InputError(f"scores reach from {values.min():g} to {values.max():g}: give shares from 0 to 1")
    room = values.mean() * (1 - values.mean())
    return float(values.var() / room) if room > 1e-12 else 0.0


def cooperation(action: Actions, cooperate: int = 0) -> Float[Array, "time"]:
    """The share of agents that chose `cooperate`, step by step.

    >>> cooperation(jnp.array([[0, 0, 1, 1], [0, 0, 0, 1]])).tolist()
    [0.5, 0.75]
    """
    return (action == cooperate).mean(-1, dtype=jnp.float32)


def repetition(action: Actions, lag: int) -> Float[Array, ""]:
    """How often agents do what they did `lag` steps before.

    A lattice that flickers like a checkerboard repeats itself after two steps and never after one, at a cooperation of one
    half: a mean alone would not tell it from agents that toss coins.

        >>> flicker = jnp.array([[0, 1], [1, 0], [0, 1]])
        >>> float(repetition(flicker, 1)), float(repetition(flicker, 2))
        (0.0, 1.0)
    """
    if not 0 < lag < len(action):
        raise InputError(f"lag is {lag} and there are {len(action)} steps: give a lag from 1 to {len(action) - 1}")
    return (action[lag:] == action[:-lag]).mean(dtype=jnp.float32)


def _checked(scores: Sequence[float]) -> Float[np.ndarray, "seed"]:
    values = np.asarray(scores, float)
    if values.ndim != 1 or not len(values):
        raise InputError(f"scores have shape {values.shape}: give one number per seed")
    return values
