"""Directed acyclic graphs over agents: who sees whose action before acting. graph[j, i] = 1: j acts first and i sees it.

`fixed` graphs are named (none, line, full) or given as edges; `Sampler` draws a graph from what the team sees, edges and order
apart, so that every draw is acyclic by construction and gradients pass straight through.

Source: Charpentier, Kibler and Günnemann, "Differentiable DAG sampling" (2022).
"""

from collections.abc import Callable, Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, PRNGKeyArray

from interplay.core.errors import InputError
from interplay.core.names import chosen
from interplay.nets.dense import MLP, Dense

Graph = Float[Array, "*rows agent agent"]
SINKHORN = 20  # row and column normalizations until a matrix is nearly doubly stochastic


def none(agents: int) -> np.ndarray:
    """Nobody sees anybody: independent policies."""
    return np.zeros((agents, agents))


def line(agents: int) -> np.ndarray:
    """Everybody sees the agent before."""
    return np.eye(agents, k=1)


def full(agents: int) -> np.ndarray:
    """Everybody sees all agents before: a fully autoregressive team."""
    return np.triu(np.ones((agents, agents)), 1)


GRAPHS: dict[str, Callable[[int], np.ndarray]] = {"none": none, "line": line, "full": full}


def fixed(name: str, agents: int) -> np.ndarray:
    """The graph called `name`. Raises `InputError` where there is none.

    >>> fixed("line", 3).tolist()
    [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]]
    """
    return chosen(GRAPHS, "graph", name)(agents)


def of_edges(edges: Sequence[tuple[int, int]], agents: int) -> np.ndarray:
    """The graph with these edges (parent, child). Raises `InputError` for an agent that is not there and for a cycle."""
    graph = np.zeros((agents, agents))
    for parent, child in edges:
        if not (0 <= parent < agents and 0 <= child < agents):
            raise InputError(f"edge ({parent}, {child}) names no agent: number them 0 to {agents - 1}")
        graph[parent, child] = 1.0
    left = list(range(agents))
    while free := [agent for agent in left if not graph[left, agent].any()]:
        left = [agent for agent in left if agent not in free]
    if left:
        raise InputError(f"edges {tuple(edges)} form a cycle among agents {left}: leave one of them out")
    return graph


def openness(graph: Graph) -> Float[Array, "*rows"]:
    """2 Σ G / (n (n − 1)): 1 for a complete order, 0 for independent policies."""
    agents = graph.shape[-1]
    return 2 * graph.sum((-2, -1)) / max(1, agents * (agents - 1))


class Draw(eqx.Module):
    """What was random in one graph, and the hard choices it led to: enough to find the same graph again, with gradients."""

    edge_noise: Float[Array, "*rows agent agent 2"]
    order_noise: Float[Array, "*rows agent agent"]
    edges: Float[Array, "*rows agent agent"]
    order: Float[Array, "*rows agent agent"]


class Sampler(eqx.Module):
    """Edges by a Gumbel-softmax, an order by a Gumbel-Sinkhorn permutation, both from a context vector.

    G = U ⊙ (Pᵀ M P) with U in {0, 1}, P a permutation and M strictly upper triangular: acyclic whatever U is.
    """

    edges: tuple[MLP, Dense]
    ranks: tuple[MLP, Dense]
    agents: int = eqx.field(static=True)
    temperature: float = eqx.field(static=True)

    def __init__(self, inputs: int, agents: int, key: PRNGKeyArray, *, width: int = 64, temperature: float = 1.0):
        keys = jax.random.split(key, 4)
        tower = lambda key: MLP((inputs, width), key, jax.nn.relu)
        self.edges = (tower(keys[0]), Dense(width, agents * agents * 2, 0.01, keys[1]))
        self.ranks = (tower(keys[2]), Dense(width, agents * agents, 0.01, keys[3]))
        self.agents, self.temperature = agents, temperature

    def draw(self, context: Float[Array, "input"], key: PRNGKeyArray, loudness: float = 1.0) -> Draw:
        """A graph for `context`; without `loudness` the likeliest."""
        first, second = jax.random.split(key)
        agents = self.agents
        edge_noise = loudness * jax.random.gumbel(first, (agents, agents, 2))
        order_noise = loudness * jax.random.gumbel(second, (agents, agents))
        soft_edges, soft_order = self._soft(context, edge_noise, order_noise)
        rows, columns = optax.assignment.hungarian_algorithm(-soft_order)
        order = jnp.zeros((agents, agents)).at[rows, columns].set(1.0)
        return Draw(edge_noise, order_noise, (soft_edges > 0.5).astype(jnp.float32), order)

    def graph(self, context: Float[Array, "input"], drawn: Draw) -> Float[Array, "agent agent"]:
        """The graph of a draw: its hard choices in value, the soft sample of the same noise in gradient."""
        soft_edges, soft_order = self._soft(context, drawn.edge_noise, drawn.order_noise)
        through = lambda hard, soft: jax.lax.stop_gradient(hard) + soft - jax.lax.stop_gradient(soft)
        edges, order = through(drawn.edges, soft_edges), through(drawn.order, soft_order)
        before = jnp.asarray(full(self.agents), jnp.float32)
        return edges * (order.T @ before @ order)

    def _soft(self, context, edge_noise, order_noise):
        tower, head = self.edges
        logits = head(tower(context)).reshape(self.agents, self.agents, 2)
        edges = jax.nn.softmax((logits + edge_noise) / self.temperature)[..., 0]
        tower, head = self.ranks
        scores = jax.nn.log_sigmoid(head(tower(context)).reshape(self.agents, self.agents))
        return edges, jnp.exp(sinkhorn((scores + order_noise) / self.temperature))


def sinkhorn(scores: Float[Array, "agent agent"], rounds: int = SINKHORN) -> Float[Array, "agent agent"]:
    """The logarithm of a nearly doubly stochastic matrix: rows and columns normalized in turn.

    >>> bool(jnp.allclose(jnp.exp(sinkhorn(jnp.zeros((2, 2)))), 0.5))
    True

    Source: Sinkhorn (1964); Mena et al., "Learning latent permutations with Gumbel-Sinkhorn networks" (2018).
    """

    def turn(_, scores):
        scores = scores - jax.nn.logsumexp(scores, axis=-1, keepdims=True)
        return scores - jax.nn.logsumexp(scores, axis=-2, keepdims=True)

    return jax.lax.fori_loop(0, rounds, turn, scores)
