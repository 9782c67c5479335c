"""What pages of searches say of different kinds of searches: for rules of solvers, for policies, and for systems code.

Each function reads what a search kept and found, and gives words, a table and a grid for `report.search`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from interplay.methods.context_evolve import LETTERS, TRAITS
from interplay.methods.discover import GAINS, SIZES
from interplay.report import numbers
from interplay.run.searching import Kept
from interplay.text.trial import Trial

EQUALITIES, SUSTAINED = (0.0, 0.5, 0.8, 0.95), (0.1, 0.25, 0.4, 0.5)


class Table(NamedTuple):
    """A table: rows begin with a name."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


class Grid(NamedTuple):
    """By what candidates are told apart: borders of columns and rows, and a candidate's place in numbers."""

    columns: Sequence[float]
    rows: Sequence[float]
    features: Callable[[Trial], tuple[float, ...]]
    corner: str
    words: str


class Described(NamedTuple):
    """The title (`gain` in bold, then `over`), another sentence, a table, the start's name, the find, how to run it, what
    scores are, and the grid."""

    gain: str
    over: str
    also: str
    table: Table
    start: str
    text: str
    usage: str
    score: str
    grid: Grid


def rules(kept: Kept, found: Mapping[str, Any], best: Trial) -> Described:
    """A search for a rule of a solver (`run.discovering`)."""
    here = f"{numbers.short(found['best']['decades'] - found['start']['decades'])} decades"
    there = None if found["held_out_gain"] is None else f"{numbers.short(found['held_out_gain'])} decades"
    start = found["start"]["name"]
    where = "on games it was not searched on" if there else "on the games it was searched on"
    parsimony = found["settings"]["parsimony"]
    return Described(
        there or here,
        f"below {start} {where}",
        f"{found['per_minute']:.0f} valid a minute. On the games it was searched on it is {here} below.",
        Table("On games it was not searched on", ("game", "after", start, "found", "exploitability is"), _held(found)),
        start,
        found["rule"],
        found["usage"],
        f"Score: decades of exploitability below 1, averaged over games and horizons, less {parsimony} for every node.",
        Grid(
            SIZES,
            GAINS,
            lambda trial: (trial.metrics["size"], trial.metrics["gained"]),
            "won late",
            "By how large a rule is (nodes) and how many decades it wins between the first horizon and the last.",
        ),
    )


def _held(found: Mapping[str, Any]) -> list[list[str]]:
    rows, start = [], found["settings"]["start"]
    for game, table in found["held_out"].items():
        for at in table["found"]:
            before, after = table[start][at], table["found"][at]
            words = [numbers.short(value) if value is not None else "broke" for value in (before, after)]
            rows.append([game, at, *words, _times(before, after)])
    return rows


def _times(before: float | None, after: float | None) -> str:
    if not before or not after:
        return "–"
    ratio = before / after
    return f"{numbers.short(ratio)} × lower" if ratio >= 1 else f"{numbers.short(1 / ratio)} × higher"


def programs(kept: Kept, found: Mapping[str, Any], best: Trial) -> Described:
    """A search for systems code (`run.evolving`)."""
    held = found["held_out"]
    families = [name for name in held["found"] if name.startswith("score ")]
    columns = ("", "score", *(name.removeprefix("score ") for name in families))
    rows = [[name, *(f"{one[each]:.3f}" for each in ("score", *families))] for name, one in held.items()]
    return Described(
        f"{held['found']['score']:.3f}",
        f"on {found['task']}, on instances it was not searched on; it started from {held['start']['score']:.3f}",
        f"The best that people know has {max(held[name]['score'] for name in found['known']):.3f}.",
        Table("On instances it was not searched on", columns, sorted(rows, key=lambda row: -float(row[1]))),
        "start",
        found["program"],
        found["usage"],
        f"Score: {found['purpose']}",
        Grid(
            LETTERS,
            TRAITS,
            lambda trial: (float(len(trial.genome.text)), float(found["traits"].get(trial.genome.hash, 0))),
            "uses",
            "By letters of the program, and how many features and operations it uses.",
        ),
    )


def policies(kept: Kept, found: Mapping[str, Any], best: Trial) -> Described:
    """A search for a policy (`run.synthesizing`)."""
    report, steps = found["report"], found["settings"]["report_length"]
    columns = ("policy", "reward", "efficiency", "equality", "sustainability", "peace")
    rows = [[name, *(f"{one[column]:.2f}" for column in columns[1:])] for name, one in report.items()]
    start = found["settings"]["start"]
    length = found["settings"]["length"]
    return Described(
        f"{report['found']['efficiency']:.2f} a step",
        f"for all agents of {found['settings']['game']}, in fresh episodes; {start}: {report[start]['efficiency']:.2f}",
        f"Feedback was {found['settings']['feedback']}.",
        Table(f"Fresh episodes of {steps:,} steps", columns, rows),
        start,
        found["policy"],
        "",
        f"Score: mean return of an agent in episodes of {length:,} steps.",
        Grid(
            EQUALITIES,
            SUSTAINED,
            lambda trial: (trial.metrics["equality"], trial.metrics["sustainability"] / length),
            "rewards come",
            "By equality (1: all earn alike), and when rewards come (as a share of the episode).",
        ),
    )
