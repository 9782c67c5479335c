"""Solver discovery's claim: search finds rules that beat its start on games it has not seen, and selection matters.

Every seed is a search from CFR+ on two small games with the typed mutator; no language model is involved. The control draws
parents from everything that was tried, so that it has the same changes and the same number of evaluations and lacks selection.
Scores are decades: −log10 of exploitability (of the average strategy, at least 10⁻⁹), the mean of several horizons.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from interplay.bench.claim import Claim, Control, Joint, Outcome, Scale
from interplay.bench.verdict import FAILS, HOLDS, Finding, Scores, better, paired_difference
from interplay.methods import discover
from interplay.methods.discover import SPACE, Measure, Settings
from interplay.run import searching
from interplay.text import rules
from interplay.text.trial import Allowance
from interplay.update.archive import Acceptance, everything

FOLDER = Path("runs") / "claims" / "discover-searches"
WORKERS = 2
SETTINGS = Settings(horizons=(30, 90, 270))
SEARCHED = "training games"
HELD_OUT = {
    "Kuhn 4p": "kuhn(players=4)",
    "Goofspiel 4": "goofspiel(cards=4)",
    "Liar's dice 4": "liars-dice(sides=4)",
    "Leduc, suits": "leduc",
}
ARMS: Mapping[str, Acceptance | None] = {"evolved": None, "unselected": everything()}
KNOWN = ("cfr-plus", "dcfr", "pcfr-plus")


def study(game: str, scale: Scale) -> Mapping[str, Outcome]:
    """Decades that the best rule of every search reaches on a game, and those of rules that people found."""
    games = SETTINGS.games if game == SEARCHED else (game,)
    horizons = SETTINGS.horizons if game == SEARCHED else SETTINGS.report
    with searching.processes(WORKERS, SPACE.measure) as measure:
        finds = {arm: [found(arm, scale.steps, seed, measure) for seed in range(scale.seeds)] for arm in ARMS}
        texts = [text for some in finds.values() for text, _ in some] + [rules.SEEDS[name] for name in KNOWN]
        tables = np.stack([measure(one, texts, horizons) for one in games], 1)
    scores = discover.decades(np.nan_to_num(tables, nan=1.0), SETTINGS.floor).mean((1, 2)).tolist()
    outcomes = {}
    for arm, some in finds.items():
        own, scores = scores[: scale.seeds], scores[scale.seeds :]
        outcomes[arm] = Outcome(own, _curve([curve for _, curve in some]), {"evaluations": scale.steps})
    return outcomes | {name: Outcome([value] * scale.seeds) for name, value in zip(KNOWN, scores, strict=True)}


def found(arm: str, evaluations: int, seed: int, measure: Measure) -> tuple[str, np.ndarray]:
    """The text of a search's best rule, and the best score after every evaluation; the search goes on where it was cut."""
    asked = {"seed": seed, "arm": arm, "settings": searching.plain_settings(SETTINGS)}
    score = discover.scorer(SPACE, SETTINGS, measure)
    search = discover.build(SPACE, SETTINGS, acceptance=ARMS[arm], score=score)
    path, start = FOLDER / f"{arm}-{evaluations}-{seed}", SPACE.started(SETTINGS.start)
    state = searching.run(search, start, path, asked, Allowance(evaluations=evaluations), lambda state, share: None)
    scores = [each.trial.score for each in state.tried.values()]
    return state.best.genome.text, np.maximum.accumulate(scores)


def _curve(curves: list[np.ndarray]) -> dict[str, list]:
    """The best score so far, at twenty points."""
    last = min(map(len, curves))
    at = np.unique(np.linspace(1, last, 20).astype(int))
    return {"steps": at.tolist(), "curves": [curve[at - 1].round(4).tolist() for curve in curves]}


def wins_seeds(a: str, b: str, least: int, on: tuple[str, ...]) -> Callable[[Scores], list[Finding]]:
    """Seed by seed, arm `a` is ahead of arm `b` on the mean of the games `on`, for at least `least` seeds: a count."""

    def look(scores: Scores) -> list[Finding]:
        first, second = (np.mean([scores[game][arm] for game in on], 0) for arm in (a, b))
        won = int((first > second).sum())
        middle, low, high = paired_difference(first, second)
        words = (
            f"{a} beats {b} in {won} of {len(first)} seeds on the mean of {', '.join(on)}, {least} wanted: "
            f"the difference is {middle:.3g} [{low:.3g}, {high:.3g}] decades"
        )
        return [Finding(HOLDS if won >= least else FAILS, words, low, high)]

    return look


def _arm(name: str, about: str = "") -> Joint:
    return Joint(study, name, about)


CLAIM = Claim(
    slug="discover",
    method="discover",
    sentence="Evolving a rule's text on small games finds rules that are better on games that were not searched on.",
    source="Li et al. (2026), sections 3 and 4",
    paper="VAD-CFR, found from CFR+ on four games, is level with or better than the best earlier rule on 10 of 11",
    unit="decades of exploitability below 1, mean of several horizons (typed mutator, no language model)",
    games={SEARCHED: SEARCHED, **HELD_OUT},
    arms={
        "evolved": _arm("evolved", "islands of the best, from CFR+"),
        "cfr-plus": _arm("cfr-plus", "what searches start from"),
        "dcfr": _arm("dcfr", "found by people"),
        "pcfr-plus": _arm("pcfr-plus", "found by people"),
    },
    controls={
        "unselected": Control(_arm("unselected", "the same changes, parents from everything"), against="evolved")
    },
    scales={"smoke": Scale(2, 40), "small": Scale(5, 320), "paper": Scale(10, 5000)},  # steps are evaluations
    expect=(
        wins_seeds("evolved", "cfr-plus", 5, tuple(HELD_OUT)),
        wins_seeds("evolved", "unselected", 4, tuple(HELD_OUT)),
        better("evolved", "unselected", on=(SEARCHED,)),
    ),
)
