"""Policy synthesis' claims: one number can hide opposite mistakes, and feedback that tells them apart finds better policies.

The first part needs no search: in Cleanup, policies in which n agents clean earn most for some n in between, so that too few
and too many cleaners look alike by reward and need opposite changes; in Gathering, a family of ever more aggressive policies.
The second part searches with the embedded proposer, a bandit over typed changes (no language model is involved): reward alone
against reward with social metrics, equal in everything else. Controls: metrics of another policy, and changes drawn evenly.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from interplay.bench.claim import Claim, Control, Joint, Outcome, Scale
from interplay.bench.verdict import FAILS, HOLDS, Finding, Scores, better, difference
from interplay.methods import policy_synthesis as synthesis
from interplay.methods.policy_synthesis import Settings
from interplay.run import searching
from interplay.text import policies
from interplay.text.policies import Plan, Policy
from interplay.text.trial import Allowance

FOLDER = Path("runs") / "claims" / "policy-synthesis-searches"
SEARCHED: Mapping[str, Settings] = {
    "dense": Settings(feedback="dense"),
    "sparse": Settings(feedback="sparse"),
    "shuffled": Settings(feedback="shuffled"),
    "even": Settings(feedback="sparse", practice=0, explore=1.0),
}
EARLY = (16, 32)  # evaluations after which searches are also looked at
LANES = 8
FAMILIES: Mapping[str, Mapping[str, Policy]] = {
    "cleanup": {f"{count} clean": Policy((), policies.fixed(count)) for count in range(7)},
    "gathering": {
        "no fire": Policy((), Plan()),
        **{f"fire within {steps}": Policy((), Plan(fire="near", within=steps)) for steps in (1, 2, 4, 7, 10, 20)},
    },
}
KNOWN = {name: policies.REFERENCES[name] for name in ("zones", "2 rotate", "2 rotate, zones")}
LABELS = {"Cleanup": "cleanup", "Gathering": "gathering"}
TOLD = ("equality", "sustainability", "peace")


def study(game: str, scale: Scale) -> Mapping[str, Outcome]:
    """Efficiency in fresh long episodes: of what searches found, a number per search; of given policies, per episode."""
    finds = {arm: [found(arm, game, scale.steps, seed) for seed in range(scale.seeds)] for arm in SEARCHED}
    given = {**FAMILIES[game], **KNOWN}
    texts = list(dict.fromkeys(text for some in finds.values() for one in some for text in one[0]))
    s = Settings()
    look = synthesis.player(game, s.report_length, max(s.report_episodes, scale.seeds), LANES, key=1)
    table = look.episodes([*map(policies.parse, texts), *given.values()])
    efficiency = dict(zip(texts, table.efficiency[:, : s.report_episodes].mean(1).tolist(), strict=False))
    outcomes = {}
    for arm, some in finds.items():
        *early, last = zip(*([efficiency[text] for text in one] for one, _ in some), strict=True)
        also = {f"after {count}": list(row) for count, row in zip(EARLY, early, strict=True)}
        outcomes[arm] = Outcome(list(last), _curve([curve for _, curve in some]), {"evaluations": scale.steps}, also)
    for at, name in enumerate(given, len(texts)):
        rows = {metric: getattr(table, metric)[at, : scale.seeds].tolist() for metric in TOLD}
        outcomes[name] = Outcome(table.efficiency[at, : scale.seeds].tolist(), also=rows)
    return outcomes


def found(arm: str, game: str, evaluations: int, seed: int) -> tuple[list[str], np.ndarray]:
    """The best texts of a search after few evaluations and at its end, and the best score after each evaluation."""
    s = dataclasses.replace(SEARCHED[arm], game=game)
    asked = {"seed": seed, "arm": arm, "settings": searching.plain_settings(s)}
    start, path = synthesis.genome(policies.REFERENCES[s.start]), FOLDER / f"{game}-{arm}-{evaluations}-{seed}"
    allowed = Allowance(evaluations=evaluations)
    state = searching.run(synthesis.build(s), [start], path, asked, allowed, lambda state, share: None)
    trials = [each.trial for each in state.tried.values()]
    best = lambda count: max(trials[:count], key=lambda trial: trial.score).genome.parts[synthesis.PART]
    return [best(count) for count in (*EARLY, len(trials))], np.maximum.accumulate([trial.score for trial in trials])


def _curve(curves: list[np.ndarray]) -> dict[str, list]:
    last = min(map(len, curves))
    return {"steps": list(range(1, last + 1)), "curves": [curve[:last].round(4).tolist() for curve in curves]}


def aliased(game: str, family: Sequence[str], exists: bool, within: float = 0.15) -> Callable[[Scores], list[Finding]]:
    """Whether two policies of a family earn alike, while one between them earns more, and other metrics tell them apart.

    Alike: their mean efficiencies differ by at most `within` of the family's best. More: by at least twice that. Told apart:
    Welch's interval of the difference in equality or sustainability leaves out 0. `exists` says what is expected.
    """

    def look(scores: Scores) -> list[Finding]:
        mean = {name: float(np.mean(scores[game][name])) for name in family}
        near = within * max(mean.values())
        pairs = []
        for low, high in combinations(range(len(family)), 2):
            first, second = family[low], family[high]
            top = max((mean[name] for name in family[low + 1 : high]), default=-np.inf)
            alike = abs(mean[first] - mean[second]) <= near and top >= max(mean[first], mean[second]) + 2 * near
            if alike and _apart(scores, game, first, second):
                pairs.append(f"{first} ({mean[first]:.2f}) and {second} ({mean[second]:.2f}), between them {top:.2f}")
        words = (
            f"{game}: {'; '.join(pairs)} earn alike" if pairs else f"{game}: no two policies of the family are aliased"
        )
        return [Finding(HOLDS if bool(pairs) == exists else FAILS, words, -np.inf, np.inf)]

    return look


def _apart(scores: Scores, game: str, first: str, second: str) -> bool:
    for metric in ("equality", "sustainability"):
        rows = scores[f"{game} @ {metric}"]
        _, low, high = difference(rows[first], rows[second])
        if low > 0 or high < 0:
            return True
    return False


def _given(label: str) -> dict[str, Joint]:
    return {name: Joint(study, name, "given policy", on=(label,)) for name in FAMILIES[LABELS[label]]}


CLAIM = Claim(
    slug="policy-synthesis",
    method="policy-synthesis",
    sentence="Reward alone hides opposite mistakes in Cleanup; feedback with social metrics finds better policies there.",
    source="Gallego (2026), main results (language models there)",
    paper="efficiency, sparse to dense: Cleanup 1.79 to 2.75 and 1.14 to 1.37, Gathering 4.58 to 4.59 and 3.47 to 3.53",
    unit="efficiency: reward of all agents in a step, fresh episodes of 1,000 steps (typed proposer, no language model)",
    games=LABELS,
    arms={
        "dense": Joint(study, "dense", "reward and social metrics"),
        "sparse": Joint(study, "sparse", "reward only"),
        **_given("Cleanup"),
        **_given("Gathering"),
        **{name: Joint(study, name, "given policy") for name in KNOWN},
    },
    controls={
        "shuffled": Control(
            Joint(study, "shuffled", "reward, and the social metrics of another policy"), against="dense"
        ),
        "even": Control(Joint(study, "even", "nothing learned: changes drawn evenly"), against="dense"),
    },
    scales={"smoke": Scale(2, 8), "small": Scale(10, 60), "paper": Scale(30, 200)},  # steps are evaluations
    expect=(
        aliased("Cleanup", tuple(FAMILIES["cleanup"]), exists=True),
        aliased("Gathering", tuple(FAMILIES["gathering"]), exists=False),
        better("dense", "sparse", on=("Cleanup",)),
    ),
)
