"""BN-MAPPO: agents see the actions of their parents in a graph that is itself learned, and can be annealed to no edges.

Law: with an empty graph it is MAPPO; with a complete order it is fully autoregressive.

Source: Chen and Zhang, "Context-Aware Bayesian Network Actor-Critic Methods for Cooperative Multi-Agent Reinforcement
Learning" (2023), section 5.
"""

import dataclasses

import jax
import jax.numpy as jnp

from interplay import games
from interplay.core import population
from interplay.core.method import Method
from interplay.credit import returns
from interplay.methods.wiring import on_policy
from interplay.nets import dag, views
from interplay.nets.bayesian import bayesian
from interplay.objectives import gradient, value
from interplay.objectives.term import Objective, average, objective
from interplay.play import gathering
from interplay.update.gradient import adam, epochs, linear_to_zero


@dataclasses.dataclass(frozen=True)
class Settings:
    """BN-MAPPO's settings."""

    game: str = "coordination"
    """game to play, as in `interplay list games`"""
    steps: int = 1_000_000
    """environment steps to train for; the learning rate falls to zero over them"""
    graph: str = "learned"
    """who sees whose action: learned, none, line, full, or given (by `edges`)"""
    edges: tuple = ()
    """pairs (parent, child), where the graph is given"""
    fresh: bool = False
    """judge decisions on another draw of the graph than was acted upon, as published (ratios then do not begin at one)"""
    blind: bool = False
    """show parents' actions that tell nothing: the control of the mechanism"""
    openness: float = 1.0
    """wanted share of edges at the start"""
    anneal: bool = False
    """let the wanted share fall to zero from 40 % to 70 % of training, and its weight rise after that"""
    openness_weight: float = 0.0
    """weight of the distance from the wanted share of edges; 0: edges are free"""
    temperature: float = 1.0
    """of the soft samples that gradients pass through"""
    batch: int = 64
    """games played side by side"""
    length: int = 32
    """steps gathered from each game per update"""
    share: bool = False
    """one network for all agents (True) or one each (False)"""
    width: int = 64
    """units per hidden layer"""
    depth: int = 2
    """hidden layers"""
    rate: float = 2e-3
    """Adam's learning rate at the start"""
    max_norm: float = 0.5
    """gradients are clipped to this global norm"""
    passes: int = 8
    """times each batch is learned from"""
    minibatches: int = 4
    """parts a batch is split into, each one optimizer step"""
    clip: float = 0.2
    """how far the probability ratio may leave 1 before its gradient stops"""
    discount: float = 0.97
    """worth of a reward one step later"""
    trace: float = 0.95
    """lambda of generalized advantage estimation"""
    value_weight: float = 0.5
    """weight of the critic's loss"""
    entropy_weight: float = 0.01
    """weight of the entropy bonus"""
    scale_decay: float = 0.99
    """memory of the running scale of values; 1: values are not scaled"""


def build(s: Settings, view=views.central) -> Method:
    game = games.make(s.game)
    agents = game.spec.agents
    seats = (population.shared if s.share else population.separate)(agents)
    graph = _graph(s, agents)
    make_team = lambda key: bayesian(
        game.spec,
        key,
        seats,
        view,
        graph=graph,
        fresh=s.fresh,
        blind=s.blind,
        temperature=s.temperature,
        decay=s.scale_decay,
        width=s.width,
        depth=s.depth,
    )
    loss = (
        gradient.clipped(s.clip, ratio=gradient.per_agent)
        + s.value_weight * value.clipped(s.clip)
        - s.entropy_weight * gradient.entropy()
        + sparsity(s.openness_weight, s.openness, s.anneal)
    )
    updates = max(1, s.steps // (s.batch * s.length))
    method = on_policy(
        game,
        make_team,
        gather=gathering.steps(game, s.batch, s.length),
        credit=returns.standardized(returns.gae(s.discount, s.trace)),
        learner=epochs(
            loss, adam(linear_to_zero(s.rate, updates * s.passes * s.minibatches), s.max_norm), s.passes, s.minibatches
        ),
    )
    return method._replace(step=advancing(method.step, updates))


def sparsity(weight: float, wanted: float, anneal: bool) -> Objective:
    """weight · |E[openness] − wanted|: how many edges there are, held near how many there should be.

    Where `anneal`, with t the share of training that is over, `wanted` falls linearly to 0 from t = 0.4 to 0.7, and from
    then on the weight rises linearly to tenfold. Logs the openness.

    Source: Chen and Zhang (2023), section 5.2; the schedule restates that of the published code as two ramps.
    """

    def term(team, seen, batch):
        rows = batch.credit.weight.max(-1)
        opened = average(dag.openness(seen.extra["graph"]), rows)
        over = jax.lax.stop_gradient(team.progress) if anneal else jnp.zeros(())
        target = wanted * (1 - jnp.clip((over - 0.4) / 0.3, 0.0, 1.0))
        heavier = 1 + 9 * jnp.clip((over - 0.7) / 0.3, 0.0, 1.0)
        return weight * heavier * jnp.abs(opened - target), {"openness": opened}

    return objective(term)


def advancing(step, updates: int):
    """`step`, with the team told how much of training is over."""

    def told(state, key):
        state, metrics = step(state, key)
        progress = jnp.minimum(1.0, state.team.progress + 1 / updates)
        return dataclasses.replace(state, team=dataclasses.replace(state.team, progress=progress)), metrics

    return told


def _graph(s: Settings, agents: int):
    if s.graph == "learned":
        return None
    return dag.of_edges(s.edges, agents) if s.graph == "given" else dag.fixed(s.graph, agents)
