"""Do we learn as much per environment step as jaxmarl's IPPO, at jaxmarl's own settings?

Speed counts only where learning is equal. Both sides train spread (3 agents) with 16 games, rollouts of 128 steps, two
tanh layers of 64 for actor and critic, Adam at 2.5e-4 falling to 0, 4 passes over 4 minibatches, clip 0.2, entropy
weight 0.01, value weight 0.5, discount 0.99, lambda 0.95, gradients clipped to norm 0.5. A point of a curve is the mean
undiscounted return over agents and over the episodes that ended in an update, sampled actions.

    JAXMARL_PYTHON=V/bin/python PEER_REPO=… python benchmarks/learning.py [--seeds 10] [--steps 1000000]

`theirs_jaxmarl.py` says how to set V up. Three arms: `jaxmarl`; `ours`, on the same game to the letter (`ending.py`: 26
steps, and the limit is an end); `ours_bootstrapped`, that game with our own reading, in which an episode cut by the clock
is bootstrapped. What still differs between the first two: jaxmarl shuffles single agents' rows by sorting random numbers,
we shuffle joint rows by a keyed bijection (a Feistel network, `core/keys.py`); it standardizes advantages within each
minibatch, we over the whole batch; its learning rate falls once an update, ours once a minibatch.

Writes learning.json and learning.svg beside this file, and a table into README.md. "equal" says whether the
95 % intervals of `jaxmarl` and `ours` overlap at every point compared, each the mean over a twentieth of the training.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import page

from interplay.measure import stats

HERE = Path(__file__).parent
SETTINGS = {"batch": 16, "length": 128, "width": 64, "depth": 2, "rate": 2.5e-4, "max_norm": 0.5, "passes": 4}
SETTINGS |= {
    "minibatches": 4,
    "clip": 0.2,
    "discount": 0.99,
    "trace": 0.95,
    "value_weight": 0.5,
    "entropy_weight": 0.01,
    "scale_decay": 1.0,  # critics learn returns as they are
}
GAMES = {"ours": "ending:spread", "ours_bootstrapped": "spread(horizon=26)"}
POINTS = 10  # compared, evenly along the training
WINDOW = 0.05  # the share of the training that each averages
COLORS = {"jaxmarl": "#D55E00", "ours": "#0072B2", "ours_bootstrapped": "#009E73"}


def ours(game: str, seeds: int, steps: int) -> dict[str, Any]:
    """Train all seeds in this process: {"steps", "curves"[seed][update]}."""
    from interplay import methods
    from interplay.run import devices, training

    devices.prepare()
    method = training.build("ippo", methods.settings("ippo", game=game, steps=steps, **SETTINGS))
    layout = devices.choose(method, tuple(range(seeds)))
    state, rows, updates = layout.init(), [], steps // method.cost.steps
    while sum(map(len, rows)) < updates:
        done = sum(map(len, rows))
        state, metrics = layout.advance(state, done, min(devices.CHUNK, updates - done))
        rows.append(metrics["return"])
        print(f"{game}: update {done + len(rows[-1])} of {updates}", file=sys.stderr, flush=True)
    curves = np.concatenate(rows).T
    return {"steps": [method.cost.steps * (index + 1) for index in range(updates)], "curves": curves.tolist()}


def theirs(seeds: int, steps: int) -> dict[str, Any]:
    """The same from jaxmarl, in its own environment."""
    words = [os.environ["JAXMARL_PYTHON"], str(HERE / "theirs_jaxmarl.py"), f"learn:ippo:{SETTINGS['batch']}"]
    asked = json.dumps({"seeds": seeds, "steps": steps})
    told = subprocess.run([*words, asked], stdout=subprocess.PIPE, text=True, check=True).stdout
    return read(told)


def read(text: str) -> dict[str, Any]:
    """The JSON object in what a program printed; libraries greet on standard output too."""
    return json.loads(next(line for line in text.splitlines() if line.startswith("{")))


def points(arm: dict[str, Any]) -> dict[str, list]:
    """Mean and interval over seeds of the windows that end at each point compared."""
    curves, steps = np.asarray(arm["curves"]), arm["steps"]
    ends = [round(len(steps) * (index + 1) / POINTS) for index in range(POINTS)]
    size = max(1, round(len(steps) * WINDOW))
    found = [stats.interval(np.nanmean(curves[:, end - size : end], axis=1)) for end in ends]
    return {
        "steps": [steps[end - 1] for end in ends],
        **{name: [round(getattr(one, name), 3) for one in found] for name in ("mean", "low", "high")},
    }


def overlapping(one: dict[str, list], other: dict[str, list]) -> list[bool]:
    """At which points two arms' intervals have something in common."""
    return [
        max(a, b) <= min(c, d) for a, b, c, d in zip(one["low"], other["low"], one["high"], other["high"], strict=True)
    ]


def table(result: dict[str, Any]) -> str:
    """Returns at every other point as a Markdown table, and what follows from them."""
    arms, some = result["points"], slice(1, None, 2)
    names = [name.replace("_", ", ") for name in arms]
    lines = [f"| environment steps | {' | '.join(names)} |", "| ---: |" + " ---: |" * len(arms)]
    for index, steps in list(enumerate(arms["ours"]["steps"]))[some]:
        cells = [
            f"{arm['mean'][index]:.2f} ({arm['low'][index]:.2f} to {arm['high'][index]:.2f})" for arm in arms.values()
        ]
        lines.append(f"| {steps:,} | {' | '.join(cells)} |")
    count, points = sum(result["overlap"]), len(result["overlap"])
    pair = f"`jaxmarl` and `ours` ({result['seeds']} seeds each)"
    verdict = f"The 95 % intervals of {pair} overlap at {count} of {points} points."
    return "\n".join([*lines, "", verdict])


def draw(arms: dict[str, Any], path: Path) -> None:
    """Mean curves with their intervals."""
    import matplotlib

    matplotlib.use("svg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4))
    for name, arm in arms.items():
        curves = np.asarray(arm["curves"])
        smooth = np.stack([np.convolve(row, np.ones(9) / 9, "valid") for row in curves])
        smooth, steps = smooth[:, ::4], np.asarray(arm["steps"])[4:-4:4]
        band = stats.mean_curve(smooth)
        axes.plot(steps, band.mean, color=COLORS[name], label=f"{name.replace('_', ', ')} ({len(curves)} seeds)")
        axes.fill_between(steps, band.low, band.high, color=COLORS[name], alpha=0.2, linewidth=0)
    axes.set(
        xlabel="environment steps", ylabel="mean return", title="IPPO on spread, jaxmarl's settings, 95 % intervals"
    )
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--steps", type=int, default=1_000_000)
    parser.add_argument(
        "--theirs", type=Path, help="what theirs_jaxmarl.py printed before, instead of training it anew"
    )
    parser.add_argument("--out", type=Path, default=HERE / "learning.json")
    parser.add_argument("--page", type=Path, default=HERE / "README.md")
    arguments = parser.parse_args()
    if arguments.theirs is None and not {"JAXMARL_PYTHON", "PEER_REPO"} <= set(os.environ):
        raise SystemExit("set JAXMARL_PYTHON and PEER_REPO: theirs_jaxmarl.py says how to set them up")
    arms = {name: ours(game, arguments.seeds, arguments.steps) for name, game in GAMES.items()}
    given = read(arguments.theirs.read_text()) if arguments.theirs else theirs(arguments.seeds, arguments.steps)
    arms = {"jaxmarl": given, **arms}
    compared = {name: points(arm) for name, arm in arms.items()}
    shared = overlapping(compared["jaxmarl"], compared["ours"])
    result = {
        "seeds": arguments.seeds,
        "settings": SETTINGS,
        "equal": all(shared),
        "overlap": shared,
        "overlap_bootstrapped": overlapping(compared["jaxmarl"], compared["ours_bootstrapped"]),
        "points": compared,
    }
    draw(arms, arguments.out.with_suffix(".svg"))
    curves = {
        name: {"steps": arm["steps"], "mean": np.mean(arm["curves"], 0).round(3).tolist()} for name, arm in arms.items()
    }
    arguments.out.write_text(json.dumps({**result, "curves": curves}) + "\n")
    page.put("learning", table(result), arguments.page)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
