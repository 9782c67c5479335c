"""Experts worked out exactly: joint policies in which everyone answers the others softly.

A generalized Boltzmann equilibrium is a joint policy π with π_i(a | s) ∝ exp(Q̄_i(s, a) / T), where Q̄_i averages over what
the others do. With one agent it is the soft optimum of a decision process, in a game with one state the logit quantal
response equilibrium. Such experts are what inverse soft-Q learning assumes, and their rewards are known.

Source: Haynam et al. (2025), generalized Boltzmann policies; McKelvey and Palfrey, "Quantal response equilibria" (1995).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from interplay.credit.soft import soft_value
from interplay.games.enumerated import Enumerated

Policies = Float[Array, "agent state action"]


class Equilibrium(NamedTuple):
    """`policy` with what actions are worth under it; `residual` is max |π − softmax(Q̄ / T)| at the end, 0 at equilibrium."""

    policy: Policies
    values: Policies
    residual: Float[Array, ""]


def equilibrium(
    game: Enumerated, discount: float, temperature: float, *, damping: float = 0.5, sweeps: int = 2000, tolerance: float = 1e-6
) -> Equilibrium:  # fmt: skip
    """A damped fixed point: Q̄ by one exact sweep under π, then π ← (1 − d) π + d softmax(Q̄ / T).

    Q̄_i(s, a_i) = Σ_{a_−i} π_−i(a_−i | s) [r_i(s, a) + γ V̄_i(s')], V̄_i = T log Σ exp(Q̄_i / T) over legal actions.
    Games need not have one, and the sweeps need not find it: look at `residual`.
    """
    legal = jnp.swapaxes(game.seen.legal, 0, 1)
    first = legal / jnp.maximum(legal.sum(-1, keepdims=True), 1)

    def sweep(carry):
        policy, values, _, count = carry
        values = marginal_values(game, policy, values, discount, temperature)
        wanted = jax.nn.softmax(jnp.where(legal, values / temperature, -jnp.inf))
        residual = jnp.abs(policy - wanted).max()
        return (1 - damping) * policy + damping * wanted, values, residual, count + 1

    going = lambda carry: (carry[2] > tolerance) & (carry[3] < sweeps)
    start = (first, jnp.zeros_like(first), jnp.asarray(jnp.inf), 0)
    policy, values, residual, _ = jax.lax.while_loop(going, sweep, start)
    return Equilibrium(policy, values, residual)


def marginal_values(
    game: Enumerated, policy: Policies, values: Policies, discount: float, temperature: float
) -> Policies:
    """One sweep of the soft Bellman equation with the others averaged into it, see `equilibrium`."""
    soft = soft_value(values, jnp.swapaxes(game.seen.legal, 0, 1), temperature)
    ahead = jnp.where(game.ended, 0.0, jax.vmap(lambda row: row[game.following])(soft))
    return marginals(game, policy, game.reward + discount * ahead)


def marginals(game: Enumerated, policy: Policies, joint: Float[Array, "agent state joint"]) -> Policies:
    """E_{a_−i ∼ π_−i}[x_i(s, a_i, a_−i)] for every agent, state and own action."""
    chances = jnp.stack([policy[agent][:, game.joint[:, agent]] for agent in range(game.agents)])
    means = []
    for agent in range(game.agents):
        others = chances.at[agent].set(1.0).prod(0)
        own = jax.nn.one_hot(game.joint[:, agent], policy.shape[-1], dtype=joint.dtype)
        means.append((others * joint[agent]) @ own)
    return jnp.stack(means)


def occupancy(game: Enumerated, policy: Policies, discount: float, sweeps: int = 500) -> Float[Array, "state"]:
    """d(s) = (1 − γ) Σ_t γ^t P(s_t = s): discounted visits, cut after `sweeps` steps; what is over is visited no more."""
    chances = jnp.stack([policy[agent][:, game.joint[:, agent]] for agent in range(game.agents)]).prod(0)
    going = chances * ~game.ended.all(0)
    flow = lambda mass: jax.ops.segment_sum((mass[:, None] * going).ravel(), game.following.ravel(), game.states)

    def advance(carry, _):
        mass, total = carry
        return (discount * flow(mass), total + mass), None

    (_, total), _ = jax.lax.scan(advance, (game.start, jnp.zeros_like(game.start)), None, length=sweeps)
    return (1 - discount) * total
