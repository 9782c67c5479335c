"""The exact policy gradient of a Bayesian network of tables: what a graph is worth when nothing has to be estimated.

θ_i[s, what i's parents do, a_i] are softmax logits; the gradient uses the true occupancy and the true Q. Two known ends are the
empty graph (independent learners) and the complete order, whose every Nash equilibrium is the joint optimum.

Source: Chen and Zhang, "Context-Aware Bayesian Network Actor-Critic Methods for Cooperative Multi-Agent Reinforcement
Learning" (2023), section 4.
"""

import dataclasses
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from interplay.games import coordination
from interplay.games.markov import MarkovGame, of_coordination
from interplay.measure import markov
from interplay.nets import dag


class Study(NamedTuple):
    """Per seed: the value as a share of the joint optimum along the way, and the gap to a Nash equilibrium at the end."""

    share: Float[np.ndarray, "seed point"]
    gap: Float[np.ndarray, "seed"]


def conditionals(game: MarkovGame, numbers, logits: list[Array]) -> Float[Array, "agent state joint"]:
    """P_i(a_i | s, a_parents) of every joint action, from logits θ_i[s, parents' actions, own action]."""
    rows = []
    for agent, table in enumerate(logits):
        rows.append(jax.nn.softmax(table)[:, numbers[agent], game.joint[:, agent]])
    return jnp.stack(rows)


def loss(game: MarkovGame, numbers, logits: list[Array]) -> Float[Array, ""]:
    """−1/(1 − γ) Σ_s d(s) Σ_a π(a | s) Q(s, a), d and Q taken as they are: its gradient is the exact policy gradient."""
    policy = markov.joint_policy(conditionals(game, numbers, logits))
    fixed = jax.lax.stop_gradient(policy)
    visits = markov.occupancy(game, fixed)
    worth = markov.action_values(game, markov.values(game, fixed)).mean(0)
    return -(visits[:, None] * policy * worth).sum() / (1 - game.discount)


def study(
    agents: int, graph: str, seeds: int, *, iterations: int = 2000, rate: float = 0.01, points: int = 20
) -> Study:
    """Plain gradient ascent on the coordination game of `agents` bits, γ = 0.95, from θ ~ N(0, 1), seeds side by side.

    Start weights are 1/n a state and gradients are clipped to norm 1000, as in the source.

        >>> study(2, "full", 2, iterations=10, points=2).share.shape
        (2, 2)
    """
    with jax.enable_x64(True):
        game = of_coordination(coordination.coordination(agents))
        game = dataclasses.replace(game, start=jnp.full(game.states, 1 / agents))
        numbers = markov.parent_numbers(game, dag.fixed(graph, agents))
        keys = jax.vmap(jax.random.key)(jnp.arange(seeds))
        climbed = jax.jit(jax.vmap(functools.partial(_climb, game, numbers, iterations, points, rate)))(keys)
        return Study(*map(np.asarray, climbed))


def _climb(game: MarkovGame, numbers, iterations: int, points: int, rate: float, key):
    sizes = [int(row.max()) + 1 for row in numbers]
    keys = jax.random.split(key, game.agents)
    shapes = [(game.states, size, count) for size, count in zip(sizes, game.actions, strict=True)]
    logits: Any = [jax.random.normal(key, shape) for key, shape in zip(keys, shapes, strict=True)]
    optimizer = optax.chain(optax.clip_by_global_norm(1e3), optax.sgd(rate))
    slope = jax.grad(lambda logits: loss(game, numbers, logits))
    best = markov.optimum(game)

    def advance(carry, _):
        logits, state = carry
        change: Any
        change, state = optimizer.update(slope(logits), state)
        return ([table + step for table, step in zip(logits, change, strict=True)], state), None

    def block(carry, _):
        carry, _ = jax.lax.scan(advance, carry, None, iterations // points)
        policy = markov.joint_policy(conditionals(game, numbers, carry[0]))
        return carry, markov.worth(game, policy).mean() / best

    (logits, _), shares = jax.lax.scan(block, (logits, optimizer.init(logits)), None, points)
    return shares, markov.nash_gap(game, conditionals(game, numbers, logits), jnp.asarray(numbers))
