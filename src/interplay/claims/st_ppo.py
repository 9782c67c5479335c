"""ST-PPO's claim: a ratio per turn and steps scaled by the clip's bias keep off-policy training from collapsing.

One agent follows chains of names; every update learns from the same dialogues once, four times or eight times, or from
dialogues four updates old. A last game stops passes at the same approximate KL divergence for all arms, because a mean over a
turn moves less than its tokens and is clipped less whatever else it does. Beside each arm stand the share of seeds that
collapse and a diagnostic: whether returns fall after the bias was large. Controls scale steps by the same factors at other
times or on average, and clip tokens at other bounds.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import scipy.stats

from interplay.bench.claim import Claim, Control, Measured, Scale, Trained
from interplay.bench.verdict import better, near, paired_difference

AHEAD = 5  # updates between a bias and the return it is held against
WINDOW = 5  # updates that a return is averaged over
ONE = {"passes": 1, "minibatches": 1}
STALENESS = {
    "on policy": ONE,
    "4 passes": {"passes": 4, "minibatches": 4},
    "8 passes": {"passes": 8, "minibatches": 4},
    "4 updates old": {"passes": 4, "minibatches": 4, "delay": 4},
    "equal KL": {"passes": 16, "minibatches": 4, "most_kl": 0.02},
}
HARSH = ("8 passes", "4 updates old")
Series = dict[str, np.ndarray]


def histories(run: Path) -> list[Series]:
    """Return and bias of every update, seed by seed."""
    from interplay.report.record import read

    rows = read(run).rows
    seeds = sorted({row["seed"] for row in rows})
    pick = lambda seed, name: np.array([row[name] for row in rows if row["seed"] == seed and name in row], float)
    return [{name: pick(seed, name) for name in ("return", "bias")} for seed in seeds]


def each(score: Callable[[Series], float]) -> Callable[[Path], Sequence[float]]:
    """A measure that scores every seed's history."""
    return lambda run: [score(history) for history in histories(run)]


def area(history: Series) -> float:
    """The mean return of all updates: the area under the learning curve."""
    return float(np.mean(history["return"]))


def collapsed(history: Series) -> float:
    """1 where the return ends more than half below its own running best, else 0."""
    smooth = smoothed(history["return"])
    return float(smooth.max() > 0 and smooth[-1] < 0.5 * smooth.max())


def warning(history: Series) -> float:
    """Rank correlation of an update's ‖C‖ with the change of the return until `AHEAD` updates later; 0 where one is flat."""
    smooth, bias = smoothed(history["return"]), history["bias"][WINDOW - 1 :]
    if len(smooth) <= AHEAD + 2:
        return 0.0
    change = smooth[AHEAD:] - smooth[:-AHEAD]
    ranks = [scipy.stats.rankdata(values) for values in (bias[:-AHEAD], change)]
    return float(np.corrcoef(ranks)[0, 1]) if all(np.ptp(one) for one in ranks) else 0.0


def smoothed(values: np.ndarray) -> np.ndarray:
    """Means over `WINDOW` values, or over all there are."""
    size = min(WINDOW, len(values))
    return np.convolve(values, np.ones(size) / size, "valid")


def trained(method: str, on: tuple[str, ...] = (), **settings) -> Trained:
    return Trained(method, settings, each(area), settings_on=STALENESS, on=on)


METHODS = ("ppo", "turn-ppo", "s-ppo", "st-ppo")
CLAIM = Claim(
    slug="st-ppo",
    method="st-ppo",
    sentence="Ratios per turn and steps scaled by the clip's bias keep off-policy training of dialogues from collapsing.",
    source="ST-PPO: Stabilized Off-Policy PPO for Multi-Turn Agents Training (2025), abstract and lemmas 4.1, 4.2",
    paper="token PPO collapses, S-PPO and ST-PPO do not and end higher; no number could be verified",
    unit="mean return over all of training (area under the curve)",
    games=dict.fromkeys(STALENESS, "k-hop"),
    arms={
        **{method: trained(method) for method in METHODS},
        **{f"{method}, collapsed": Measured(method, each(collapsed), "share of seeds") for method in METHODS},
        **{f"{method}, warning": Measured(method, each(warning), "rank correlation") for method in METHODS},
    },
    controls={
        "factors shuffled": Control(trained("st-ppo", HARSH, factor="shuffled"), against="st-ppo"),
        "factors averaged": Control(trained("st-ppo", HARSH, factor="average"), against="st-ppo"),
        "ppo, clip 0.1": Control(trained("ppo", HARSH, clip=0.1), against="st-ppo"),
        "ppo, clip 0.3": Control(trained("ppo", HARSH, clip=0.3), against="st-ppo"),
    },
    scales={
        "smoke": Scale(2, 48, settings={"tasks": 16, "width": 16, "depth": 1, "demonstrations": 32, "imitation": 1}),
        "small": Scale(4, 1_280, settings={"tasks": 32}),
        "paper": Scale(8, 12_800),
    },
    expect=(
        better("st-ppo", "ppo", on=HARSH),
        better("ppo, collapsed", "st-ppo, collapsed", on=HARSH),
        near(
            "st-ppo", "turn-ppo", 0.02, on=("on policy",), relative=False, apart=paired_difference
        ),  # seeds share a warm start
        near("s-ppo", "ppo", 0.02, on=("on policy",), relative=False, apart=paired_difference),
    ),
)
