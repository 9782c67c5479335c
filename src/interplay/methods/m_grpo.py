"""M-GRPO: a planner and the sub-agent that it calls a varying number of times learn from the same attempts at a task.

Every call of a sub-agent is a trajectory of its own, which earns a share of the planner's success and what it did well
itself. Advantages compare an agent with itself over all K attempts at a task, the planner's K trajectories and the
sub-agent's Σ d_k, of which attempt k has d_k:

    A = (R − mean R) / (std R + ε)
    L = −Σ_τ w_τ · mean over own tokens of min(ρ A, clip(ρ, 1 − ε_lo, 1 + ε_hi) A) / Σ_τ w_τ

Alignment makes every attempt count the same, however often it called. `duplicate` fills D slots an attempt: all its
trajectories, then some of them again, or D drawn from more. `weights` is the expectation of that, w = D / d_k. `none` counts
every call once. Weights enter mean, std and loss alike, which is what duplicated rows would do.

Law: where every agent is called once in every rollout, alignment changes nothing and this is GRPO.

Source: "Multi-Agent Deep Research: Training Multi-Agent Systems with M-GRPO" (2025); clip and denominators as released.
"""

import dataclasses
from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int

from interplay.core.errors import InputError
from interplay.core.method import Method
from interplay.core.names import chosen
from interplay.credit import groups
from interplay.credit.segments import distinct
from interplay.lm.transcript import Turns, joined
from interplay.methods.language import LanguageSettings, scene_of, taught
from interplay.objectives.tokens import PolicyLoss, asymmetric, sequence_total, token

PerTurn = Float[np.ndarray, "turn"]
Align = Callable[[Turns, int], PerTurn]
Peers = Callable[[Turns, int], Int[np.ndarray, "turn"]]


@dataclasses.dataclass(frozen=True)
class Settings(LanguageSettings):
    """M-GRPO's settings."""

    game: str = "two-hop"
    """task to speak about, as in `interplay list games`, or MODULE:NAME of a scene of your own"""
    demonstrations: int = 768
    """episodes by the game's script that a tiny model imitates first; 0: it starts from nothing"""
    imitation: int = 20
    """times that it goes through them"""
    imitation_rate: float = 3e-3
    """Adam's learning rate meanwhile; 0: `rate`"""
    clip: float = 0.2
    """how far the ratio of a bad token may fall before it is clipped"""
    clip_high: float = 0.28
    """how far the ratio of a good token may rise before it is clipped"""
    alignment: str = "weights"
    """how often called attempts are made to count like others: duplicate, weights or none"""
    slots: int = 4
    """trajectories of each agent that an attempt is filled up or thinned to"""
    peers: str = "task"
    """whom calls are compared with: task (all attempts at it) or arrival (whichever came in together, as released)"""
    learning: str = "all"
    """agents that learn, joined by +, the others stay as they are; all"""


def build(s: Settings) -> Method:
    if s.slots < 1:
        raise InputError(f"an attempt has {s.slots} slots: give 1 or more")
    align, peers = chosen(ALIGNMENTS, "alignment", s.alignment), chosen(PEERS, "peers", s.peers)
    learns = learning(s.learning, scene_of(s).agents)
    loss = PolicyLoss(ratio=token, clip=asymmetric(s.clip, s.clip_high), average=sequence_total)
    return taught(
        s,
        lambda turns: credit(turns, align(turns, s.slots), peers(turns, s.group)),
        loss,
        sequences=True,
        weigh=lambda turns: align(turns, s.slots) * learns[turns.agent],
        chains=joined,
    )


def credit(turns: Turns, weight: PerTurn, peers: Int[np.ndarray, "turn"]) -> PerTurn:
    """(R − mean R) / (std R + ε) among peers; a trajectory counts its weight once, R is the mean over its turns."""
    count = groups.Count(trajectories(turns), weight)
    return groups.standardize(turns.reward, (peers,), count, scale=groups.population, singleton=groups.zero)


def trajectories(turns: Turns) -> Int[np.ndarray, "turn"]:
    """What an agent said in one invocation of one episode is one trajectory."""
    return distinct(turns.episode, turns.invocation, turns.agent)


def weights(turns: Turns, slots: int) -> PerTurn:
    """w = D / d_k, d_k being the trajectories that the turn's agent has in the turn's episode."""
    first, whole = np.unique(trajectories(turns), return_index=True, return_inverse=True)[1:]
    return groups.by_slot(distinct(turns.episode, turns.agent)[first], slots).weight[whole]


def duplicate(turns: Turns, slots: int) -> PerTurn:
    """How many of D slots hold the turn's trajectory, slots being filled at random; their mean is `weights` if d_k ≤ D."""
    first, whole = np.unique(trajectories(turns), return_index=True, return_inverse=True)[1:]
    attempt = distinct(turns.episode, turns.agent)[first]
    random = np.random.default_rng((turns.noise * 2**32).astype(np.uint64).tolist())
    attempts = int(attempt.max(initial=-1)) + 1
    rows, live = groups.duplicated(attempt, slots, random.random(len(first)), random.random((attempts, slots)))
    return np.bincount(rows[live], minlength=len(first)).astype(float)[whole]


def none(turns: Turns, slots: int) -> PerTurn:
    """Every trajectory counts once: who calls more often counts more."""
    return np.ones(len(turns.task))


def of_the_task(turns: Turns, size: int) -> Int[np.ndarray, "turn"]:
    """Trajectories of one agent in all attempts at one task."""
    return distinct(turns.task, turns.agent)


def by_arrival(turns: Turns, size: int) -> Int[np.ndarray, "turn"]:
    """Calls in groups of `size` as they come in, whatever task they belong to; the outermost team's by task.

    Calls that are the n-th of their episode come in together, in random order.
    """
    first, whole = np.unique(trajectories(turns), return_index=True, return_inverse=True)[1:]
    nested = turns.invocation[first] > 0
    order = np.lexsort((turns.noise[first], turns.invocation[first], turns.agent[first]))
    place = np.empty(len(first), np.int64)
    for agent in np.unique(turns.agent[first]):
        mine = order[(turns.agent[first] == agent)[order] & nested[order]]
        place[mine] = np.arange(len(mine)) // size
    label = np.where(nested, place, turns.task[first])
    return distinct(turns.agent[first], nested, label)[whole]


def learning(names: str, agents: tuple[str, ...]) -> Float[np.ndarray, "agent"]:
    """1 for agents that learn, 0 for others. Raises `InputError` for one that the team does not have.

    >>> learning("seeker", ("planner", "seeker")).tolist()
    [0.0, 1.0]
    """
    if names == "all":
        return np.ones(len(agents))
    wanted = [chosen({agent: agent for agent in agents}, "learning", name) for name in names.split("+")]
    return np.array([float(agent in wanted) for agent in agents])


ALIGNMENTS: dict[str, Align] = {"duplicate": duplicate, "weights": weights, "none": none}
PEERS: dict[str, Peers] = {"task": of_the_task, "arrival": by_arrival}
