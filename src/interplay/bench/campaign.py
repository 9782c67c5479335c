"""Running a claim: every arm on every game with all its seeds, one cell after another or several at once.

A cell is one arm on one game. What is done is kept in the campaign's folder, so that the same command goes on where it was
stopped; a training run that was cut resumes. Cells run in this process, in several (`workers`), or on a Ray cluster.
"""

import concurrent.futures
import dataclasses
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from interplay import claims
from interplay.bench.claim import Arm, Claim, Computed, Joint, Measured, Outcome, Scale, Trained, cell
from interplay.bench.verdict import ALSO, judge
from interplay.core.errors import DivergenceError, GameError, InputError
from interplay.measure import stats
from interplay.run import faults, folder, spread

POINTS = 24  # of a curve that a result keeps
Done = dict[str, Any]
Watch = Callable[[int, int, str], None]


@dataclasses.dataclass(frozen=True)
class Campaign:
    """One claim at one scale in one folder."""

    claim: Claim
    scale: str
    path: Path

    def place(self, arm: str, game: str) -> Path:
        """The folder of one cell."""
        name = "-".join("".join(c if c.isalnum() else "-" for c in word) for word in (arm, game))
        return self.path / name

    def finished(self, arm: str, game: str) -> Done | None:
        """What a cell came to, or None where it has not been run to its end, or only in another size than is asked for."""
        path = self.place(arm, game) / "cell.json"
        done = json.loads(path.read_text()) if path.exists() else None
        return done if done and done.get("asked", self.asked(game)) == self.asked(game) else None

    def asked(self, game: str) -> dict[str, Any]:
        """How large a cell on this game is to be, as JSON has it."""
        scale = self.claim.scale(self.scale)
        steps = scale.steps_on.get(game, scale.steps)
        return json.loads(
            json.dumps({"seeds": scale.seeds, "steps": steps, "settings": dict(scale.settings)}, default=str)
        )


def run(
    slug: str, scale: str, *, out: Path | None = None, fresh: bool = False, workers: int = 1, on: str = "", watch: Watch
) -> Campaign:
    """Run all cells of a claim that are not done yet. Raises `InputError` for a name or a scale that does not exist."""
    claim = claims.load(slug)
    claim.scale(scale)
    campaign = Campaign(claim, scale, out or Path("runs") / "claims" / f"{slug}-{scale}")
    if fresh and campaign.path.exists():
        shutil.rmtree(campaign.path)
    cells = claim.cells()
    left = [pair for pair in cells if campaign.finished(*pair) is None]
    done = len(cells) - len(left)
    for stage in (False, True):  # arms that look at another arm's runs come after it
        some = [pair for pair in left if isinstance(claim.everything()[pair[0]], Measured) == stage]
        for arm, game in _executor(workers, on)(campaign, some):
            done += 1
            watch(done, len(cells), cell(arm, game))
    return campaign


def _executor(workers: int, on: str):
    spread.place(on)  # a place that does not exist is said
    if workers < 1:
        raise InputError(f"cannot run in {workers} processes: give 1 or more")
    return _on_ray if on == "ray" else _here if workers == 1 else lambda *given: _in_processes(*given, workers=workers)


def _here(campaign: Campaign, cells: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    for arm, game in cells:
        run_cell(campaign, arm, game)
        yield arm, game


def _in_processes(campaign: Campaign, cells: list[tuple[str, str]], workers: int) -> Iterator[tuple[str, str]]:
    """Each cell in a process of its own with its share of the cores."""
    cores = max(1, len(os.sched_getaffinity(0)) // workers)
    environment = {**os.environ, "INTERPLAY_DEVICES": str(cores)}

    def one(pair):
        arm, game = pair
        words = [campaign.claim.slug, campaign.scale, str(campaign.path), arm, game]
        told = subprocess.run(
            [sys.executable, "-m", "interplay.bench.cell", *words], env=environment, capture_output=True, text=True
        )
        if told.returncode:
            raise InputError(f"{cell(arm, game)} stopped: {(told.stderr.strip().splitlines() or ['no word'])[-1]}")
        return pair

    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        for future in concurrent.futures.as_completed([pool.submit(one, pair) for pair in cells]):
            yield future.result()


def _on_ray(campaign: Campaign, cells: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Each cell as a task of the cluster at RAY_ADDRESS (one on this machine where there is none)."""
    ray = spread.connected()
    slug, scale, path = campaign.claim.slug, campaign.scale, str(campaign.path.resolve())

    @ray.remote(num_cpus=1, max_retries=1)
    def one(arm, game):
        run_cell(Campaign(claims.load(slug), scale, Path(path)), arm, game)
        return arm, game

    waiting = [one.remote(arm, game) for arm, game in cells]
    while waiting:
        ready, waiting = ray.wait(waiting)
        yield from ray.get(ready)


def run_cell(campaign: Campaign, arm: str, game: str) -> Done:
    """Run one cell and keep what it came to; a cell whose training breaks down is kept as failed."""
    kind, scale, place = (
        campaign.claim.everything()[arm],
        campaign.claim.scale(campaign.scale),
        campaign.place(arm, game),
    )
    if (place / "cell.json").exists():  # of another size
        shutil.rmtree(place)
    place.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    done: Done = {"arm": arm, "game": game, "about": kind.about, "state": "done", "asked": campaign.asked(game)}
    try:
        outcome = _outcome(campaign, kind, game, scale, place)
        done |= _plain(outcome)
    except (DivergenceError, GameError) as wrong:
        done |= {"state": "failed", "message": faults.line(wrong), **_plain(Outcome(()))}
    done["budget"].setdefault("seconds", time.perf_counter() - began)
    folder.write_json_atomic(place / "cell.json", done)
    return done


def _plain(outcome: Outcome) -> Done:
    """An outcome as JSON has it."""
    also = {heading: list(map(float, scores)) for heading, scores in outcome.also.items()}
    return {
        **outcome._asdict(),
        "per_seed": list(map(float, outcome.per_seed)),
        "budget": dict(outcome.budget),
        "also": also,
        "figures": [dict(figure) for figure in outcome.figures],
    }


def _jointly(campaign: Campaign, kind: Joint, game: str, scale: Scale) -> Outcome:
    """The arm's part of what was worked out for all, now or before; its share of the seconds goes with it."""
    path = campaign.place(f"joint {kind.function.__name__}", game).with_suffix(".json")
    asked = campaign.asked(game)
    if not path.exists() or json.loads(path.read_text()).get("asked") != asked:
        began = time.perf_counter()
        found = kind.function(campaign.claim.games[game], scale)
        share = {"seconds": (time.perf_counter() - began) / len(found)}
        parts = {name: {**_plain(one), "budget": {**one.budget, **share}} for name, one in found.items()}
        folder.write_json_atomic(path, {"asked": asked, "parts": parts})
    return Outcome(**json.loads(path.read_text())["parts"][kind.name])


def _outcome(campaign: Campaign, kind: Arm, game: str, scale: Scale, place: Path) -> Outcome:
    if isinstance(kind, Computed):
        return kind.function(campaign.claim.games[game], scale)
    if isinstance(kind, Joint):
        return _jointly(campaign, kind, game, scale)
    if isinstance(kind, Measured):
        if (campaign.finished(kind.of, game) or {}).get("state") == "failed":
            raise DivergenceError(f"there is no team to look at: {cell(kind.of, game)} broke down")
        return Outcome(kind.measure(campaign.place(kind.of, game) / "run"))
    path = _trained(campaign, kind, game, scale, place / "run")
    return Outcome(kind.measure(path), _curve(path), _budget(path), figures=_figures(path))


def _trained(campaign: Campaign, arm: Trained, game: str, scale: Scale, path: Path) -> Path:
    """The run of an arm: as it is where it is done, resumed where it was cut, or trained."""
    from interplay.run import training

    if (path / "settings.json").exists():
        found = folder.open_run(path)
        if found.status()["state"] == "done":
            return path
        if any(found.checkpoints.glob("*")):
            training.resume(path)
            return path
        shutil.rmtree(path)
    settings = {**arm.settings, **arm.settings_on.get(game, {}), **scale.settings}
    name = arm.games.get(game, campaign.claim.games[game])
    steps = round(arm.longer * scale.steps_on.get(game, scale.steps))
    training.train(arm.method, name, steps=steps, seeds=scale.seeds, out=path, **settings)
    return path


def _curve(path: Path) -> dict[str, Any] | None:
    from interplay.report.record import read

    rows = [(row["seed"], row["step"], row.get("return")) for row in read(path).rows]
    try:
        aligned = stats.align(rows, sorted({seed for seed, *_ in rows}), 100)
    except InputError:
        return None
    return {"steps": aligned.steps.tolist(), "curves": np.round(aligned.curves, 4).tolist()}


def _figures(path: Path) -> list[dict[str, Any]]:
    """What the first seed of a run shows."""
    from interplay.report import figures

    run = folder.open_run(path)
    return [one for one in figures.read(run.figures_file) if one["seed"] == run.settings["seed"]]


def _budget(path: Path) -> dict[str, float]:
    """What one seed of a run spent, and how many parameters its team has."""
    import jax

    from interplay.run import training

    run = folder.open_run(path)
    method, status = training.method_of(run), run.status()
    begun = lambda key: method.team(method.init(key))
    team = jax.eval_shape(begun, jax.random.key(0)) if method.compiled else begun(jax.random.key(0))
    learned = lambda leaf: hasattr(leaf, "dtype") and jax.numpy.issubdtype(leaf.dtype, jax.numpy.floating)
    updates = status["step"] // max(1, method.cost.steps)
    return {
        "steps": status["step"],
        "updates": updates * method.cost.updates,
        "parameters": sum(leaf.size for leaf in jax.tree.leaves(team) if learned(leaf)),
        "training_seconds": status["step"] * run.settings["seeds"] / max(status["steps_per_second"] or 1.0, 1e-9),
        **_tokens(run.metrics(), run.settings["seeds"], method.cost.steps),
    }


def _tokens(rows: list[dict[str, Any]], seeds: int, episodes: int) -> dict[str, float]:
    """Tokens that one seed's agents said while they learned, where its log tells how many an episode has."""
    said = [row["tokens"] for row in rows if "tokens" in row]
    return {"tokens": sum(said) * episodes / seeds} if said else {}


def result(campaign: Campaign) -> Done:
    """All that came of a campaign: arms and controls with intervals, the verdict and why, budgets, seconds."""
    claim, scale = campaign.claim, campaign.claim.scale(campaign.scale)
    cells = {pair: done for pair in claim.cells() if (done := campaign.finished(*pair)) is not None}
    scores: dict[str, dict[str, list[float]]] = {label: {} for label in claim.games}
    for (arm, game), done in cells.items():
        if done["per_seed"]:
            scores[game][arm] = done["per_seed"]
        for heading, more in done.get("also", {}).items():
            scores.setdefault(f"{game}{ALSO}{heading}", {})[arm] = more
    controls = {name: control.against for name, control in claim.controls.items()}
    verdict = judge(scores, claim.expect, controls, claim.higher, games=tuple(claim.games), beats=claim.beats)
    about = {cell(*pair): _words(done) for pair, done in cells.items()}
    chosen = lambda names: {cell(*pair): about[cell(*pair)] for pair in cells if pair[0] in names}
    return {
        "claim": claim.slug,
        "method": claim.method,
        "sentence": claim.sentence,
        "source": claim.source,
        "paper": claim.paper,
        "unit": claim.unit,
        "scale": campaign.scale,
        "seeds": scale.seeds,
        "steps": scale.steps,
        "games": dict(claim.games),
        "verdict": verdict.verdict,
        "summary": verdict.summary,
        "because": verdict.because,
        "explained_by": verdict.explained_by,
        "arms": chosen(claim.arms),
        "controls": chosen(claim.controls),
        "seconds": sum(done["budget"]["seconds"] for done in cells.values()),
    }


def _words(done: Done) -> Done:
    scores = done["per_seed"]
    interval = stats.interval(scores).as_dict() if scores else {"mean": None, "low": None, "high": None}
    budget = {name: round(value, 1) for name, value in done["budget"].items()}
    state = {} if done["state"] == "done" else {"failed": done["message"]}
    curve = {"curve": _thinned(done["curve"])} if done["curve"] else {}
    also = {"also": done["also"]} if done.get("also") else {}
    return {
        **interval,
        "seeds": len(scores),
        "per_seed": scores,
        **also,
        "about": done["about"],
        "budget": budget,
        **curve,
        **state,
    }


def _thinned(curve: dict[str, Any]) -> dict[str, list[float | None]]:
    """A curve at no more than `POINTS` points: the mean over seeds and its interval."""
    each = np.asarray(curve["curves"], float)
    kept = np.unique(np.linspace(0, each.shape[1] - 1, POINTS).round().astype(int))
    band = stats.mean_curve(each[:, kept])
    rows = {"mean": band.mean, "low": band.low, "high": band.high}
    plain = lambda values: [float(f"{value:.4g}") if np.isfinite(value) else None for value in values]
    return {"steps": [curve["steps"][at] for at in kept]} | {name: plain(values) for name, values in rows.items()}
