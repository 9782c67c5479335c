"""Runs side by side: who is who, what differs besides the method, what the seeds can and cannot settle.

Two runs of one method are told apart by the settings in which they differ; runs on several games are pooled only over the
games that every method ran, with scores mapped to 0 … 1 within each game. Every limit of the data (one seed, unequal
steps, intervals that overlap) becomes a sentence: `cautions` and `verdict` write them.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from interplay.measure import stats
from interplay.report import curves
from interplay.report.numbers import MISSING, duration, short, triple
from interplay.report.record import Record

FEW_SEEDS = 5  # below this an interval over seeds is itself uncertain


@dataclass(frozen=True)
class Entry:
    """One run in a comparison: what it is called, its color, its final return by seed and over seeds."""

    record: Record
    label: str
    color: int
    scores: dict[int, float]
    final: stats.Interval | None


def entries(records: Sequence[Record]) -> list[Entry]:
    """Name and color the runs: one label is one method (and settings), in the same color on every game."""
    labels = name_runs(records)
    colors = {label: place for place, label in enumerate(dict.fromkeys(labels))}
    return [
        Entry(record, label, colors[label], curves.final_scores(record), curves.final_return(record))
        for record, label in zip(records, labels, strict=True)
    ]


def name_runs(records: Sequence[Record]) -> list[str]:
    """Call each run by its method; where a game has the method twice, add the differing settings, else the folder."""
    twice = {method for (method, _), count in Counter((r.method, r.game) for r in records).items() if count > 1}
    labels = [_with_settings(r, records) if r.method in twice else r.method for r in records]
    taken = Counter((label, r.game) for label, r in zip(labels, records, strict=True))
    return [
        f"{label} ({r.path.name})" if taken[label, r.game] > 1 else label
        for label, r in zip(labels, records, strict=True)
    ]


def _with_settings(record: Record, records: Sequence[Record]) -> str:
    family = [other for other in records if other.method == record.method]
    values = record.settings.get("settings", {})
    names = [name for name in differing(family) if name in values]
    if not names or len(names) > 2:
        return record.method
    return f"{record.method} ({', '.join(f'{name} {values[name]}' for name in names)})"


def differing(records: Sequence[Record]) -> list[str]:
    """Names of the settings that are not the same in all of the runs; a setting that one lacks differs."""
    tables = [record.settings.get("settings", {}) for record in records]
    names = dict.fromkeys(name for table in tables for name in table)
    missing = object()
    return [name for name in names if any(table.get(name, missing) != tables[0].get(name, missing) for table in tables)]


def by_game(runs: Sequence[Entry]) -> dict[str, list[Entry]]:
    """The runs of each game, in the order given."""
    games: dict[str, list[Entry]] = {}
    for run in runs:
        games.setdefault(run.record.game, []).append(run)
    return games


def shared_games(runs: Sequence[Entry]) -> list[str]:
    """The games on which every label has a run with a score."""
    labels = {run.label for run in runs}
    scored = {game: {run.label for run in found if run.scores} for game, found in by_game(runs).items()}
    return [game for game, present in scored.items() if present == labels]


def normalized(runs: Sequence[Entry]) -> dict[str, dict[str, np.ndarray]]:
    """Scores by label and game, mapped within each game so that its worst seed is 0 and its best is 1: (s − min) / (max − min).

    A game whose scores are all equal maps to 0.5.
    """
    table: dict[str, dict[str, np.ndarray]] = {}
    for game, found in by_game(runs).items():
        everything = [score for run in found for score in run.scores.values()]
        low, high = min(everything, default=0.0), max(everything, default=0.0)
        for run in found:
            if run.scores:
                scores = np.array(list(run.scores.values()))
                scaled = (scores - low) / (high - low) if high > low else np.full_like(scores, 0.5)
                table.setdefault(run.label, {})[game] = scaled
    return table


def matrix(runs: Sequence[Entry], games: Sequence[str]) -> dict[str, np.ndarray]:
    """Normalized scores `[seed, game]` of every label that has a score on all of `games`.

    Where a label has unequal numbers of seeds over the games, the first of each are used, as many as the fewest.
    """
    chosen = {}
    for label, found in normalized(runs).items():
        if games and all(game in found for game in games):
            fewest = min(len(found[game]) for game in games)
            chosen[label] = np.stack([found[game][:fewest] for game in games], axis=1)
    return chosen


def improvements(scores: Mapping[str, np.ndarray]) -> dict[tuple[str, str], stats.Interval]:
    """For each ordered pair of labels: how likely a run of the first beats a run of the second, with its interval."""
    return {
        (first, second): stats.probability_of_improvement(scores[first], scores[second])
        for first in scores
        for second in scores
        if first != second
    }


def enough(first: int, second: int, games: int) -> bool:
    """Whether so many seeds could ever settle which of two is better: 2 / C(n + m, n)^g must be below 5 %.

    That is the chance that, of two equal methods with n and m seeds on g games, one wins every pair: 10 % for 3 against 3 on
    one game, where a bootstrap interval would nevertheless claim [1, 1].

    >>> enough(3, 3, games=1), enough(4, 4, games=1), enough(3, 3, games=2)
    (False, True, True)
    """
    return 2 / math.comb(first + second, first) ** games <= 0.05


def overlap(first: stats.Interval, second: stats.Interval) -> bool:
    """Whether two intervals share a point."""
    return first.low <= second.high and second.low <= first.high


def verdict(found: Sequence[Entry]) -> str:
    """Say for the runs of one game who is ahead, and whether the seeds settle it."""
    scored = [(run, run.final) for run in found if run.final is not None]
    if not scored:
        return "No run finished an episode: there is nothing to compare yet."
    scored.sort(key=lambda pair: -pair[1].mean)
    best, final = scored[0]
    if len(scored) == 1:
        return f"Only {best.label} has scores here: {with_interval(final)}. There is nothing to compare it with."
    alone = [run.label for run, other in scored if not curves.known(other)]
    close = [run.label for run, other in scored[1:] if overlap(final, other)]
    doubts = [f"{listing(alone)} {'has' if len(alone) == 1 else 'have'} a single seed"] if alone else []
    doubts += [f"its interval overlaps with that of {listing(close)}"] if close else []
    opening = (
        f"{best.label} has the highest final return, {with_interval(final)} over {seeds_in_words(len(best.scores))}."
    )
    return f"{opening} {f'The order is not settled: {listing(doubts)}.' if doubts else 'Its interval overlaps with no other.'}"


def cautions(runs: Sequence[Entry]) -> list[str]:
    """Everything that makes the comparison weaker than it looks, one sentence each; empty when nothing does."""
    found = [sentence for game, group in by_game(runs).items() for sentence in _cautions_on(game, group)]
    processors = {str(run.record.environment.get("cpu")) for run in runs}
    devices = {str(run.record.environment.get("devices")) for run in runs}
    if len(processors) > 1 or len(devices) > 1:
        found.append("The runs were made on different machines: do not compare their speeds or seconds.")
    versions = {str(run.record.environment.get("interplay")) for run in runs}
    if len(versions) > 1:
        found.append(f"The runs were made by different versions of interplay: {listing(sorted(versions))}.")
    return found


def _cautions_on(game: str, group: Sequence[Entry]) -> list[str]:
    found = []
    for run in group:
        if not run.scores:
            found.append(f"{run.label} on {game} finished no episode: it is in the table only.")
        elif len(run.scores) == 1:
            found.append(
                f"{run.label} on {game} has one seed: no interval can be given, and luck cannot be told from skill."
            )
        if run.record.state != "done":
            found.append(f"{run.label} on {game} is not complete ({run.record.state}, step {run.record.steps:,}).")
        if run.record.status.get("notes"):
            found.append(f"{run.label} on {game} has failure notes; its own page lists them.")
    steps = {run.record.steps for run in group if run.scores}
    if len(steps) > 1:
        found.append(
            f"On {game} the runs are not equally long ({listing([f'{n:,}' for n in sorted(steps)])} steps): "
            "final returns are taken at the end of each."
        )
    counts = {len(run.scores) for run in group if run.scores}
    if len(counts) > 1:
        found.append(f"On {game} the runs have unequal numbers of seeds ({listing([str(n) for n in sorted(counts)])}).")
    few = [run.label for run in group if 1 < len(run.scores) < FEW_SEEDS]
    if few:
        found.append(f"On {game} {listing(few)} {'has' if len(few) == 1 else 'have'} fewer than {FEW_SEEDS} seeds: "
                     "a rare failure may not have been seen, and intervals then claim too much.")  # fmt: skip
    return found


def table(runs: Sequence[Entry]) -> list[dict[str, Any]]:
    """The rows of the table of runs, as words."""
    return [
        {
            "label": run.label,
            "color": run.color % 8,
            "game": run.record.game,
            "seeds": len(run.record.seeds),
            "steps": f"{run.record.steps:,}",
            "final": with_interval(run.final) if run.final else "no episode finished",
            "speed": short(run.record.steps_per_second),
            "wall": duration(run.record.seconds) if run.record.rows else MISSING,
            "execution": str(run.record.status.get("execution", "not recorded")),
            "state": run.record.state,
            "path": run.record.path,
        }
        for run in runs
    ]


def with_interval(interval: stats.Interval | None) -> str:
    """Write a mean with its interval, or say that there is none."""
    if interval is None:
        return MISSING
    if not curves.known(interval):
        return f"{short(interval.mean)} (one seed, no interval)"
    return "{} [{}, {}]".format(*triple(*interval))


def seeds_in_words(count: int) -> str:
    """One seed, or so many seeds."""
    return "one seed" if count == 1 else f"{count} seeds"


def listing(names: Sequence[str]) -> str:
    """Join names as a sentence does.

    >>> listing(["ippo", "mappo", "happo"])
    'ippo, mappo and happo'
    """
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
