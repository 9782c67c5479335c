"""One gradient step of one member of a population, the others standing still: agents that learn by themselves or in turn.

Every member has an optimizer state of its own, so that whose turn it is not is not moved by old momentum either. Independent
learners step all members one by one from the same batch; MAMQL steps one and plays again.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import optax
from jaxtyping import Array, Int

from interplay.core.population import Population
from interplay.objectives.term import Metrics

Loss = Callable[..., tuple[Array, Metrics]]


class Individual(NamedTuple):
    """`init(population)` → optimizer states; `update(population, states, member, *data)` → (population, states, metrics)."""

    init: Callable[[Population], Any]
    update: Callable[..., tuple[Population, Any, Metrics]]


def individual(loss: Loss, optimizer: optax.GradientTransformation) -> Individual:
    """Steps on `loss(member, *data)` → (number, metrics), for members with a leading axis of their own."""

    def init(population: Population) -> Any:
        return jax.vmap(optimizer.init)(eqx.filter(population.members, eqx.is_inexact_array))

    def update(population: Population, states: Any, member: Int[Array, ""], *data: Any):
        one = jax.tree.map(lambda leaf: leaf[member], states)
        parameters, rest = eqx.partition(population.seat(member), eqx.is_inexact_array)

        def judged(parameters):
            value, told = loss(eqx.combine(parameters, rest), *data)
            return value, {**told, "loss": value}

        gradient, metrics = eqx.filter_grad(judged, has_aux=True)(parameters)
        steps, one = optimizer.update(gradient, one, parameters)
        changed = eqx.combine(optax.apply_updates(parameters, steps), rest)
        put = lambda leaf, new: leaf.at[member].set(new) if eqx.is_array(leaf) else leaf
        population = Population(jax.tree.map(put, population.members, changed))
        return population, jax.tree.map(put, states, one), {**metrics, "gradient_norm": optax.tree.norm(gradient)}

    return Individual(init, update)
