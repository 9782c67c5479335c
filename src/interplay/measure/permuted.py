"""Teams whose agents have changed places: does it matter where in the list an agent stands?

Agents that are alike may be listed in any order, and a team that learned in one order may count on it. Two known instances are
the order of a multi-agent transformer, on which it depends, and a team of shared networks, to which it is nothing.
"""

import dataclasses

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray

from interplay.core.errors import InputError
from interplay.core.game import TimeStep
from interplay.core.team import Decision, Memory, Team


class Permuted(Team):
    """`team`, shown the agents in another order: place k holds agent `order[k]`, and does what is done there.

    For games whose agents have the same kinds of observations and actions, and teams without memory.
    """

    team: Team
    order: tuple[int, ...] = eqx.field(static=True)

    @property
    def needs(self) -> str:  # type: ignore[override]
        return self.team.needs

    def begin(self) -> Memory:
        return self.team.begin()

    def act(self, memory: Memory, time_step: TimeStep, key: PRNGKeyArray) -> tuple[Memory, Decision]:
        order, back = jnp.asarray(self.order), jnp.asarray(np.argsort(self.order))
        rows = {name: getattr(time_step, name)[order] for name in ("observation", "legal", "active", "reward")}
        memory, decision = self.team.act(memory, dataclasses.replace(time_step, **rows), key)
        own = (decision.action[back], decision.log_prob[back], decision.value[back])
        return memory, Decision(*own)

    def greedy(self) -> "Permuted":
        return dataclasses.replace(self, team=self.team.greedy())


def permuted(team: Team, order: tuple[int, ...]) -> Permuted:
    """`team` with its agents listed in `order`. Raises `InputError` unless that names each agent once.

    >>> permuted(team, (2, 0, 1)).greedy()  # doctest: +SKIP
    """
    if sorted(order) != list(range(len(order))):
        raise InputError(f"order {order} does not name each of 0 to {len(order) - 1} once: give a permutation")
    # a property stands for the abstract `needs`, which the checker still takes for an argument
    return Permuted(team=team, order=tuple(order))  # pyright: ignore[reportCallIssue]
