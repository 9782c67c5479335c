"""The claim of exploration collapse: sharing one network makes cooperation die as agents explore more; separate ones last.

Outcomes are bistable: a seed ends near full cooperation or near none. So scores are one number per seed, with the share of
seeds that ends high or low beside the mean, and never fewer than 100,000 steps. Arms are named by who learns together and by
B, the mean temperature over the first half of annealing. Controls take the network away (one shared table), the lottery of its
first weights (a head of zeros), and coupling alone (one network that is told the group).
"""

import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from interplay.bench.claim import Claim, Computed, Control, Outcome, Scale
from interplay.bench.verdict import better
from interplay.core.method import Method
from interplay.measure import failure
from interplay.methods import exploration_collapse
from interplay.methods.exploration_collapse import Learning, Settings
from interplay.nets.coded import CODES, features, run
from interplay.run import devices

TEMPERATURES = {"0.12": 0.127, "0.37": 0.460, "0.57": 0.727}  # B -> the first temperature
FULL = 100_000  # steps below which nothing is concluded
POINTS = 100
GAME = "D_r 0.25"


def study(changes: Mapping[str, Any], game: str, scale: Scale) -> Outcome:
    """The share of cooperators in the last twentieth of all steps, when nobody learns any more, seed by seed."""
    settings = Settings(game=game, steps=scale.steps, **changes)
    method = exploration_collapse.build(settings)
    states, rows = trained(method, settings, scale.seeds)
    updates = len(rows["cooperation"])
    last = slice(round(settings.learning * updates), None)
    at_end = lambda name: rows[name][last].mean(0).tolist()
    points = np.unique(np.linspace(0, updates - 1, POINTS).astype(int))
    curve = {
        "steps": ((points + 1) * settings.length).tolist(),
        "curves": rows["cooperation"][points].T.round(4).tolist(),
    }
    also = {
        "value gap": at_end("value_gap"),
        "entropy": rows["entropy"].mean(0).tolist(),
        "repeats after 2": at_end("repeats_2"),
        "at two fifths": rows["cooperation"][round(0.38 * updates) : round(0.4 * updates) + 1].mean(0).tolist(),
    }
    if settings.learner != "table" and settings.told == "nothing":
        also["feature separation"] = separations(method, states, settings)
    networks = states.team.networks.members
    spent = {"steps": scale.steps, "updates": round(settings.learning * scale.steps) // settings.every}
    count = sum(leaf[0].size for leaf in jax.tree.leaves(networks))
    return Outcome(at_end("cooperation"), curve, {**spent, "parameters": count}, also)


def trained(method: Method, settings: Settings, seeds: int) -> tuple[Learning, dict[str, np.ndarray]]:
    """The last state of every seed, and metrics "update seed"."""
    devices.prepare()
    layout = devices.Seeds(method, tuple(range(seeds)))
    states, parts, updates = layout.init(), [], settings.steps // settings.length
    for update in range(0, updates, devices.CHUNK):
        states, rows = layout.advance(states, update, min(devices.CHUNK, updates - update))
        parts.append(rows)
    return states, {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def separations(method: Method, states: Learning, settings: Settings) -> list[float]:
    """Silhouettes of hidden units by preferred action over what was seen of late, mean over groups; 0 where one action is
    preferred everywhere."""
    codes = jnp.arange(CODES, dtype=jnp.uint8)
    view = states.team.watch

    def looked(state: Learning):
        members = state.team.networks.members
        groups = jax.tree.leaves(members)[0].shape[0]
        every = jnp.broadcast_to(codes, (groups, CODES))
        who, when = jnp.zeros(every.shape, jnp.int32), jnp.zeros((), jnp.int32)
        seen = view.features(who, every, when)
        hidden = jax.vmap(lambda member, rows: jax.vmap(lambda row: features(member, row))(rows))(members, seen)
        return hidden, run(view, members)(who, every, when).argmax(-1), jnp.bincount(state.seen.ravel(), length=CODES)

    hidden, action, visits = map(np.asarray, jax.jit(lambda states: jax.lax.map(looked, states))(states))
    silhouette = lambda seed, group: failure.feature_separation(hidden[seed, group], action[seed, group], visits[seed])
    groups = range(hidden.shape[1])
    return [float(np.mean(np.nan_to_num([silhouette(seed, group) for group in groups]))) for seed in range(len(hidden))]


def arm(about: str, temperature: str, **changes: Any) -> Computed:
    return Computed(functools.partial(study, {**changes, "temperature": TEMPERATURES[temperature]}), about)


TABLE: dict[str, Any] = {"learner": "table", "rate": 2e-3}
ALONE: dict[str, Any] = {**TABLE, "groups": 0, "sampled": 4}

CLAIM = Claim(
    slug="exploration-collapse",
    method="exploration-collapse",
    sentence="A shared network loses cooperation as agents explore more; separate ones, or one told of progress, do not.",
    source="Weng and Lee (2026), abstract; settings of the published script",
    paper="figures only: shared DQN falls to low cooperation as B and D_r grow, grouped and augmented ones fall less",
    unit="share of cooperators at the end",
    games={GAME: "interplay.games.lattice:lattice(dilemma=0.25)"},
    arms={
        **{f"shared {b}": arm("one network for all", b) for b in TEMPERATURES},
        **{
            f"grouped {b}": arm("ten networks, for random tenths of the agents", b, groups=10) for b in ("0.12", "0.57")
        },
        **{
            f"alone {b}": arm("a table for each agent, 4 draws of its own at a time", b, **ALONE)
            for b in ("0.12", "0.57")
        },
        "progress 0.57": arm("one network that is told how far training is", "0.57", told="progress"),
    },
    controls={
        "table 0.12": Control(arm("one table for all", "0.12", **TABLE), against="shared 0.12"),
        "table 0.57": Control(arm("one table for all", "0.57", **TABLE), against="grouped 0.57"),
        "zero head 0.12": Control(
            arm("one network, its head zero at first", "0.12", learner="zero-head"), "shared 0.12"
        ),
        "zero head 0.57": Control(
            arm("one network, its head zero at first", "0.57", learner="zero-head"), "grouped 0.57"
        ),
        "told group 0.57": Control(arm("one network that is told the tenth", "0.57", told="group"), "grouped 0.57"),
    },
    scales={
        "smoke": Scale(2, 2000),
        "small": Scale(20, FULL),
        "paper": Scale(30, FULL),
    },
    expect=(
        better("shared 0.12", "shared 0.57", on=(GAME,)),
        better("shared 0.12", "shared 0.57", on=(f"{GAME} @ value gap",)),
        better("grouped 0.57", "shared 0.57", on=(GAME,)),
        better("alone 0.57", "shared 0.57", on=(GAME,)),
        better("progress 0.57", "shared 0.57", on=(GAME,)),
    ),
)
