"""MO-MIX's claim: one team that is told the preference finds a better front than a QMIX for each preference.

Hypervolumes are shares of that of the true front, which is known exactly. The controls spend as many steps of the game: a set
of QMIXs, one for each of eleven preferences; MO-MIX with preferences drawn uniformly and no guide; MO-MIX's agents without a
mixer. One more arm gives every QMIX of the set as many steps as MO-MIX has in all.
"""

import functools
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from interplay import games
from interplay.bench.claim import Claim, Computed, Control, Outcome, Scale
from interplay.bench.verdict import at_least, better
from interplay.core.method import Method
from interplay.core.preferences import simplex
from interplay.games.treasures import reachable
from interplay.games.weighed import weighed
from interplay.measure import pareto
from interplay.methods import mo_mix
from interplay.methods.baselines import dqn, qmix
from interplay.nets import mixing
from interplay.play import scan

GAME = "treasures"
REFERENCE = (-1.0, -1.0)  # below (0, 0), so that the ends of the front count as well
SWEEP, PARTS = 100, 10  # MO-MIX answers 101 preferences; the set has 11 QMIXs
SHARED: dict[str, Any] = {
    "discount": 0.99, "batch": 8, "length": 14, "updates": 12, "sampled": 64, "capacity": 50_000, "rate": 1e-3,
}  # fmt: skip


@functools.cache
def truth(game: str) -> tuple[np.ndarray, float]:
    """The true front and its hypervolume."""
    front = pareto.front(reachable(games.make(game)))
    return front, pareto.volume(front, REFERENCE)


def learned(method: Method, key: jax.Array, steps: int) -> Any:
    """The greedy team after so many steps of the game; compiled by whoever calls it."""
    start, run = jax.random.split(key)
    state, rest = eqx.partition(method.init(start), eqx.is_array)
    update = lambda state, key: (eqx.filter(method.step(eqx.combine(state, rest), key)[0], eqx.is_array), None)
    state, _ = jax.lax.scan(update, state, jax.random.split(run, max(1, steps // method.cost.steps)))
    return method.team(eqx.combine(state, rest)).greedy()


def one_team(mixer: mixing.Making | None = None, **changes: Any) -> Callable[[str, Scale], list[np.ndarray]]:
    """[seed] → the return vectors of one team that is told the preference, under all of a fine grid."""

    def points(game: str, scale: Scale) -> list[np.ndarray]:
        settings = mo_mix.Settings(game=game, **_settings(scale.steps), **changes)
        train = eqx.filter_jit(lambda key: learned(mo_mix.build(settings, mixer), key, scale.steps))
        sweep = lambda seed: pareto.swept(train(_key(seed)), games.make(game), simplex(2, SWEEP), jax.random.key(1))
        return [sweep(seed) for seed in range(scale.seeds)]

    return points


def a_set(share: float) -> Callable[[str, Scale], list[np.ndarray]]:
    """[seed] → the return vectors of a QMIX for each preference, each with a `share` of the steps."""

    def points(game: str, scale: Scale) -> list[np.ndarray]:
        vector, steps, weights = games.make(game), int(scale.steps * share), jnp.asarray(simplex(2, PARTS), jnp.float32)
        settings = qmix.Settings(**_settings(steps))
        mixer = mixing.monotone(width=settings.mixed, hidden=settings.hyper)

        def one(row):
            weight, key = row
            team = learned(dqn.playing(weighed(vector, weight), settings, mixer), key, steps)
            return scan.vector_episodes(team, vector, jax.random.key(1), 1)[0].mean((0, 1))

        every = jax.jit(lambda key: jax.lax.map(one, (weights, jax.random.split(key, len(weights)))))
        return [np.asarray(every(_key(seed))) for seed in range(scale.seeds)]

    return points


def arm(points: Callable[[str, Scale], list[np.ndarray]], about: str) -> Computed:
    """Hypervolume as a share of the truth's; further scores are expected utility, points found, distance and spacing."""

    def work(game: str, scale: Scale) -> Outcome:
        found, (front, most) = points(game, scale), truth(game)
        weights = simplex(2, SWEEP)
        best = pareto.expected_utility(front, weights)
        measures = {
            "expected utility, share": lambda own: pareto.expected_utility(own, weights) / best,
            "points of the front found": lambda own: float((own[:, None] == front).all(-1).any(0).sum()),
            "distance to the front": lambda own: pareto.distance(own, front),
            "spacing": pareto.spacing,
            "sparsity": pareto.sparsity,
        }
        also = {name: [measure(own) for own in found] for name, measure in measures.items()}
        volumes = [pareto.volume(own, REFERENCE) / most for own in found]
        return Outcome(volumes, None, {"steps": scale.steps}, also)

    return Computed(work, about)


def convex(game: str, scale: Scale) -> Outcome:
    """As far as weighted sums can reach."""
    front, most = truth(game)
    return Outcome([pareto.volume(pareto.supported(front), REFERENCE) / most] * scale.seeds)


def _settings(steps: int) -> dict[str, Any]:
    return {**SHARED, "epsilon_steps": steps // 2, "warmup": min(1000, steps // 10)}


def _key(seed: int) -> jax.Array:
    return jax.random.key(100 + seed)


CLAIM = Claim(
    slug="mo-mix",
    method="mo-mix",
    sentence="One team that is told the preference finds a better front than a QMIX for each preference, for as many steps.",
    source="Hu et al. (2023), abstract and experiments (particles and SMAC with two objectives there)",
    paper="hypervolume 17% (particles) and 74% (SMAC) above the set of QMIXs, for about a tenth of its training",
    unit="hypervolume from (−1, −1) as a share of the true front's, greedy",
    games={GAME: "interplay.games.treasures:treasures"},
    arms={
        "mo-mix": arm(one_team(), "one team, 101 preferences"),
        "qmix for each, all steps each": arm(a_set(1.0), "eleven QMIXs with as many steps each as MO-MIX has in all"),
        "convex part": Computed(convex, "as far as weighted sums can reach, exactly"),
    },
    controls={
        "qmix for each": Control(
            arm(a_set(1 / (PARTS + 1)), "eleven QMIXs that share the steps, a preference each"), "mo-mix"
        ),
        "no guide": Control(arm(one_team(guided=0.0), "preferences drawn uniformly"), "mo-mix"),
        "no mixer": Control(arm(one_team(mixing.apart), "agents learn for themselves, with the guide"), "mo-mix"),
    },
    scales={
        "smoke": Scale(2, 4_000),
        "small": Scale(5, 100_000),
        "paper": Scale(10, 1_000_000),
    },
    expect=(better("mo-mix", "qmix for each", by=0.05, on=(GAME,)), at_least("mo-mix", 0.9, on=(GAME,))),
)
