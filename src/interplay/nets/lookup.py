"""Teams whose policies are tables: an agent finds the state in a list of what it may see, and draws from that row.

Experts that are worked out exactly play games in this way, and so may any policy of a game whose states can be listed.
"""

import dataclasses
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from interplay.core.game import Discrete, TimeStep
from interplay.core.team import DECENTRALIZED, Decision, Evaluation, Memory, Team
from interplay.nets import distributions


class Lookup(Team):
    """`policy[agent, state]` where the agent sees `known[agent, state]`; of states that look alike, the first."""

    known: Float[Array, "agent state feature"]
    policy: Float[Array, "agent state action"]
    choose: Callable = eqx.field(static=True, default=distributions.sample)
    needs: str = eqx.field(static=True, default=DECENTRALIZED)

    def begin(self) -> Memory:
        return ()

    def act(self, memory: Memory, time_step: TimeStep, key: PRNGKeyArray) -> tuple[Memory, Decision]:
        policy = self._policy(time_step)
        agents, width = time_step.legal.shape
        action = jax.vmap(self.choose)(policy, distributions.noise(Discrete(width), key, agents))
        log_prob = jax.vmap(lambda policy, action: policy.log_prob(action))(policy, action)
        return memory, Decision(action, log_prob, jnp.zeros(agents))

    def evaluate(self, memory: Memory, time_step: TimeStep, decision: Decision) -> tuple[Memory, Evaluation]:
        policy = self._policy(time_step)
        log_prob = jax.vmap(lambda policy, action: policy.log_prob(action))(policy, decision.action)
        entropy = jax.vmap(lambda policy: policy.entropy())(policy)
        return memory, Evaluation(log_prob, entropy, jnp.zeros_like(log_prob))

    def greedy(self) -> "Lookup":
        return dataclasses.replace(self, choose=distributions.mode)

    def _policy(self, time_step: TimeStep):
        def of_one(known, rows, seen, legal):
            row = rows[jnp.argmin(jnp.abs(known - seen).sum(-1))]
            return distributions.Categorical(jnp.log(jnp.maximum(row, 1e-30)), legal)

        return jax.vmap(of_one)(self.known, self.policy, time_step.observation, time_step.legal)
