"""Objectives that add up, so that a loss in code reads as its formula.

    loss = gradient.clipped(0.2) + 0.5 * value.squared() - 0.01 * gradient.entropy()

A *term* is a function of a batch and of how the present team judges it; `Objective` gives terms +, −, and scalar *, and
judges the batch once for all of them. PPO's loss and HAPPO's are instances.
"""

import dataclasses
from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Float

from interplay.core.team import Evaluation, Team
from interplay.core.trajectory import Batch
from interplay.play.scan import reevaluate

Metrics = dict[str, Float[Array, ""]]
Term = Callable[[Team, Evaluation, Batch], tuple[Float[Array, ""], Metrics]]


@dataclasses.dataclass(frozen=True)
class Objective:
    """A weighted sum of terms: `objective(team, batch)` is the loss to lower and what is worth logging."""

    terms: tuple[tuple[float, Term], ...]

    def __call__(self, team: Team, batch: Batch) -> tuple[Float[Array, ""], Metrics]:
        seen = reevaluate(team, batch.trajectory)
        loss, metrics = jnp.zeros(()), {}
        for weight, term in self.terms:
            part, more = term(team, seen, batch)
            loss, metrics = loss + weight * part, {**metrics, **more}
        return loss, metrics

    def __add__(self, other: "Objective") -> "Objective":
        return Objective(self.terms + other.terms)

    def __mul__(self, factor: float) -> "Objective":
        return Objective(tuple((factor * weight, term) for weight, term in self.terms))

    def __sub__(self, other: "Objective") -> "Objective":
        return self + (-1.0) * other

    def __neg__(self) -> "Objective":
        return (-1.0) * self

    __rmul__ = __mul__


def objective(term: Term) -> Objective:
    """One term as an objective of its own."""
    return Objective(((1.0, term),))


def average(values: Float[Array, "*rows"], weight: Float[Array, "*rows"]) -> Float[Array, ""]:
    """Σ weight · value / Σ weight over the rows at hand (of one device; the update weighs devices by their Σ weight)."""
    return (weight * values).sum() / jnp.maximum(weight.sum(), 1e-8)
