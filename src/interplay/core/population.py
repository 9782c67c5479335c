"""Populations and seats: who uses whose parameters.

A population stacks the parameters of its members along a leading axis; `seats[agent]` is the member that sits there.
Parameter sharing is one member on every seat, independent learners are one seat each, and opponent pools, attackers or
one adapter per role are other integer arrays.
"""

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PRNGKeyArray, PyTree, Shaped

from interplay.core.errors import InputError

Member = TypeVar("Member")


class Population(eqx.Module, Generic[Member]):
    """Members of one architecture, their arrays stacked along a leading `member` axis."""

    members: PyTree[Shaped[Array, "member ..."]]

    @property
    def size(self) -> int:
        return jax.tree.leaves(eqx.filter(self.members, eqx.is_array))[0].shape[0]

    def seat(self, seats) -> Member:
        """The members that sit on `seats`, stacked along an agent axis (a single int: that member alone)."""
        return jax.tree.map(lambda leaf: leaf[seats] if eqx.is_array(leaf) else leaf, self.members)

    def replace(self, index: int, member: Member) -> "Population":
        """A population with `member` at `index`."""
        put = lambda leaf, new: leaf.at[index].set(new) if eqx.is_array(leaf) else leaf
        return Population(jax.tree.map(put, self.members, member))


def populate(make: Callable[[PRNGKeyArray], Member], size: int, key: PRNGKeyArray) -> Population:
    """`size` members, each made by `make` from a key of its own."""
    return Population(eqx.filter_vmap(make)(jax.random.split(key, size)))


def shared(agents: int) -> tuple[int, ...]:
    """Every agent sits on member 0."""
    return (0,) * agents


def separate(agents: int) -> tuple[int, ...]:
    """Every agent has a member of its own."""
    return tuple(range(agents))


def grouped(groups: Sequence[int]) -> Callable[[int], tuple[int, ...]]:
    """Seats given one by one, for example `grouped((0, 0, 1))`: two agents share, the third is on its own."""

    def seats(agents: int) -> tuple[int, ...]:
        if len(groups) != agents:
            raise InputError(f"team expects {len(groups)} agents, game has {agents}: pass seats of length {agents}")
        return tuple(int(seat) for seat in groups)

    return seats


def apply(function: Callable, population: Population, seats: tuple[int, ...], *rows):
    """`function(member, *row)` for every agent: the one place that maps members over agents.

    With one member on all seats the parameters are not stacked (the fast path); otherwise each agent gets its own copy.
    """
    axes = lambda axis: jax.tree.map(lambda leaf: axis if eqx.is_array(leaf) else None, population.members)
    if population.size == 1 and not any(seats):
        member = population.seat(0)
        return eqx.filter_vmap(function, in_axes=(None, *(0 for _ in rows)))(member, *rows)
    if seats == tuple(range(population.size)):
        return eqx.filter_vmap(function, in_axes=(axes(0), *(0 for _ in rows)))(population.members, *rows)
    members = population.seat(jnp.asarray(np.array(seats)))
    return eqx.filter_vmap(function, in_axes=(axes(0), *(0 for _ in rows)))(members, *rows)
