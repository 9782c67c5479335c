"""The claim of Bayesian-network policies: who sees others' actions before acting finds better equilibria.

Once exactly (tables and true gradients), once learned. Values are exact in both: the share of the joint optimum J*. The
controls show parents' actions that tell nothing, and give independent actors the parameters that the others have.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import jax
import jax.numpy as jnp
import numpy as np

from interplay.bench.claim import Claim, Computed, Control, Measured, Outcome, Scale, Trained
from interplay.bench.verdict import better, near
from interplay.games import coordination
from interplay.games.markov import of_coordination
from interplay.measure import markov
from interplay.methods import bayes_net_exact
from interplay.run import saved

DISCOUNT = 0.95
EXACT = ("exact 2", "exact 3", "exact 5")
LEARNED = ("learned 3",)


def exact(graph: str) -> Computed:
    """The exact study of one graph, four times the campaign's seeds: they cost little."""

    def work(game: str, scale: Scale) -> Outcome:
        agents, iterations = int(game.split("=")[1].rstrip(")")), 2000 if scale.steps > 10_000 else 20
        points = 20
        found = bayes_net_exact.study(agents, graph, 4 * scale.seeds, iterations=iterations, points=points)
        steps = np.arange(1, points + 1) * (iterations // points)
        return Outcome(
            found.share[:, -1].tolist(),
            {"steps": steps.tolist(), "curves": found.share.tolist()},
            {"updates": iterations},
        )

    return Computed(work, f"exact policy gradient, graph {graph}", on=EXACT)


def share_of_optimum(run: Path, change=lambda team: team) -> Sequence[float]:
    """J / J* of every seed's team, sampled, by enumerating states and joint actions."""
    loaded = saved.load(run)
    game = cast(coordination.Coordination, loaded.game)
    exactly = of_coordination(game, DISCOUNT)
    states = _states(game)
    look = jax.jit(lambda team: markov.policy_of(change(team), game, states, jax.random.key(0)))
    best = coordination.optimum(game, DISCOUNT)
    return [float(markov.worth(exactly, look(loaded.team(seed))).mean() / best) for seed in loaded.seeds]


def share_without_edges(run: Path) -> Sequence[float]:
    """The same with every edge of the graph taken away."""
    return share_of_optimum(run, lambda team: team.without_edges())


def _states(game):
    """What is seen in every state, states leading."""
    table = jnp.asarray(coordination.bits(game.spec.agents), jnp.int32)
    _, seen = game.reset(jax.random.key(0))
    zero = jnp.zeros((), jnp.int32)
    views = jax.vmap(lambda bits: game._view(coordination.State(bits=bits, action=bits, step=zero)))(table)
    rest = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (len(table), *leaf.shape)), seen)
    return rest.__class__(**{**vars(rest), **views})


def learned(graph: str, about: str = "", **settings) -> Trained:
    return Trained("bayes-net-ac", {"graph": graph, **settings}, share_of_optimum, about, on=LEARNED)


CLAIM = Claim(
    slug="bayes-net-ac",
    method="bayes-net-ac",
    sentence="Agents that see others' actions along a graph find better equilibria, and can be weaned off it.",
    source="Chen and Zhang (2023), sections 4 and 5; coordination game of n bits",
    paper="figures only: a complete order reaches the optimum where independent policies stall; annealed teams keep most of it",
    unit="value as a share of the joint optimum, exact",
    games={
        "exact 2": "coordination(agents=2)",
        "exact 3": "coordination(agents=3)",
        "exact 5": "coordination(agents=5)",
        "learned 3": "coordination(agents=3)",
    },
    arms={
        "none": exact("none"),
        "line": exact("line"),
        "full": exact("full"),
        "learned none": learned("none", "independent actors: MAPPO"),
        "learned full": learned("full", "a complete order"),
        "learned graph": learned("learned", "the graph is drawn by a sampler that learns"),
        "annealed": learned("learned", "the wanted share of edges falls to zero", anneal=True, openness_weight=0.1),
        "annealed, no edges": Measured(
            "annealed", share_without_edges, "the annealed team with its edges taken away", LEARNED
        ),
    },
    controls={
        "blind": Control(learned("learned", "parents' actions are random numbers", blind=True), "learned graph"),
        "wider none": Control(learned("none", "independent actors twice as wide", width=128), "learned graph"),
    },
    scales={
        "smoke": Scale(2, 4096, settings={"batch": 16, "length": 16, "passes": 2}),
        "small": Scale(5, 200_000),
        "paper": Scale(49, 1_000_000),
    },
    expect=(
        better("full", "none", by=0.02, on=EXACT),
        better("line", "none", by=0.02, on=("exact 3", "exact 5")),
        better("learned graph", "learned none", by=0.0, on=LEARNED),
        near("annealed, no edges", "annealed", within=0.03, on=LEARNED),
    ),
)
