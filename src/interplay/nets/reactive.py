"""Reactive teams: a table of logits with a row for each thing that can be seen, of which an observation names one.

The smallest policy that can reciprocate. Two known instances are tables over the last joint choice of a repeated game
(`games.iterated`), and bandits, which have one row.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray
from numpy.typing import ArrayLike

from interplay.core.game import Discrete, TimeStep
from interplay.core.team import DECENTRALIZED, Decision, Evaluation, Memory, Team
from interplay.nets import distributions


class Reactive(Team):
    """π(a | o) ∝ exp(o · logits)_a; the last action's logit is 0, so that a table of two actions has one number a row."""

    logits: Float[Array, "member row action"]
    seats: tuple[int, ...] = eqx.field(static=True)
    choose: Callable = eqx.field(static=True, default=distributions.sample)
    needs: str = eqx.field(static=True, default=DECENTRALIZED)

    def begin(self) -> Memory:
        return ()

    def act(self, memory: Memory, time_step: TimeStep, key: PRNGKeyArray) -> tuple[Memory, Decision]:
        policy = self.policy(time_step)
        agents, width = time_step.legal.shape
        action = jax.vmap(self.choose)(policy, distributions.noise(Discrete(width), key, agents))
        log_prob = jax.vmap(lambda policy, action: policy.log_prob(action))(policy, action)
        return memory, Decision(action, log_prob, jnp.zeros(agents))

    def evaluate(self, memory: Memory, time_step: TimeStep, decision: Decision) -> tuple[Memory, Evaluation]:
        policy = self.policy(time_step)
        log_prob = jax.vmap(lambda policy, action: policy.log_prob(action))(policy, decision.action)
        return memory, Evaluation(log_prob, jax.vmap(lambda p: p.entropy())(policy), jnp.zeros_like(log_prob))

    def policy(self, time_step: TimeStep) -> Any:
        """The distribution of every agent's action."""
        rows = jnp.einsum("ao,aoc->ac", time_step.observation, self.logits[jnp.array(self.seats)])
        logits = jnp.concatenate([rows, jnp.zeros_like(rows[:, :1])], axis=1)
        return jax.vmap(distributions.Categorical)(logits, time_step.legal)

    def greedy(self) -> "Reactive":
        return dataclasses.replace(self, choose=distributions.mode)

    def tables(self) -> Float[Array, "agent row action"]:
        """π of every agent, row by row."""
        logits = jnp.concatenate([self.logits, jnp.zeros_like(self.logits[..., :1])], axis=-1)
        return jax.nn.softmax(logits, axis=-1)[jnp.array(self.seats)]


def reactive(rows: int, actions: int, seats: tuple[int, ...], first: float = 0.0) -> Reactive:
    """Tables in which every logit of action 0 is `first` and all others are 0.

    >>> reactive(5, 2, (0, 0), first=1.0).logits[0, :, 0].tolist()
    [1.0, 1.0, 1.0, 1.0, 1.0]
    """
    logits = jnp.zeros((max(seats) + 1, rows, actions - 1)).at[..., 0].set(first)
    return Reactive(logits=logits, seats=seats)


def playing(*tables: ArrayLike) -> Reactive:
    """The team whose agents play these tables of chances, "row action" each.

    >>> playing([[0.5, 0.5]], [[1.0, 0.0]]).tables()[1].round().tolist()
    [[1.0, 0.0]]
    """
    chance = jnp.maximum(jnp.stack([jnp.asarray(table, jnp.float32) for table in tables]), 1e-30)
    logits = jnp.log(chance[..., :-1]) - jnp.log(chance[..., -1:])
    return Reactive(logits=logits, seats=tuple(range(len(tables))))
