"""What a claim is: a sentence of a paper, the arms that test it, the controls that could explain it away, and a prediction.

Claims are data with small functions; `bench.campaign` runs them and `bench.verdict` judges them. Two known instances are "a
learned consensus beats an imposed order" (`interplay.claims.cmat`) and "messages make up for what is not seen"
(`interplay.claims.hammer`).

    CLAIM = Claim(
        slug="hammer", method="hammer",
        sentence="Learned messages let agents name a sum of which each sees one number.",
        source="Gupta et al. (2021), section 5", paper="figures only: error near 0 with messages",
        unit="return", games={"sum guessing": "sum-guessing"},
        arms={"message": Trained("hammer", {"message": 1}), "no message": Trained("ippo")},
        controls={"shuffled": Control(Trained("hammer", {"ablation": "shuffle"}), against="message")},
        scales={"smoke": Scale(2, 4096), "small": Scale(5, 400_000), "paper": Scale(10, 10_000_000)},
        expect=(better("message", "no message", by=5.0),),
    )
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from interplay.bench.verdict import Expectation, better
from interplay.core.errors import InputError

SCALES = ("smoke", "small", "paper")
Measure = Callable[[Path], Sequence[float]]


class Outcome(NamedTuple):
    """What one arm came to on one game: a score per seed, and what is worth drawing and counting.

    `curve` is {"steps": [point], "curves": [seed][point]}; `budget` counts what was spent per seed (steps, updates) and
    what there was (parameters). `also` are further scores per seed by heading, such as those after fewer iterations, which
    expectations know as "GAME @ HEADING". `figures` are drawn on the claim's page, in the words of `run.figures`.
    """

    per_seed: Sequence[float]
    curve: dict[str, Any] | None = None
    budget: Mapping[str, float] = MappingProxyType({})
    also: Mapping[str, Sequence[float]] = MappingProxyType({})
    figures: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class Scale:
    """How large a campaign is: seeds, environment steps per seed (on some games another number), settings of all arms."""

    seeds: int
    steps: int
    steps_on: Mapping[str, int] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)


def final_return(run: Path) -> Sequence[float]:
    """The return in the last tenth of training, sampled actions: what learning curves end with."""
    from interplay.report import curves
    from interplay.report.record import read

    scores = curves.final_scores(read(run))
    return [scores[seed] for seed in sorted(scores)]


@dataclass(frozen=True)
class Trained:
    """An arm that trains `method` with `settings` and measures the run.

    `settings_on` changes settings on some games and `games` puts another game in the place of one, by their labels; `on`
    names the games that the arm is for (all where it names none). It takes `longer` times the scale's steps, for arms that
    are to spend as much of something else, such as tokens.
    """

    method: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    measure: Measure = final_return
    about: str = ""
    settings_on: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    games: Mapping[str, str] = field(default_factory=dict)
    on: tuple[str, ...] = ()
    longer: float = 1.0


@dataclass(frozen=True)
class Measured:
    """An arm that looks at the runs of the arm `of` in another way, for example with its messages muted."""

    of: str
    measure: Measure
    about: str = ""
    on: tuple[str, ...] = ()


@dataclass(frozen=True)
class Computed:
    """An arm that is worked out by `function(game, scale)`: exact studies and solved games."""

    function: Callable[[str, Scale], Outcome]
    about: str = ""
    on: tuple[str, ...] = ()


@dataclass(frozen=True)
class Joint:
    """One of several arms that are worked out together: `function(game, scale)` gives the outcome of each by its `name`.

    It is called once a game, by whichever of them comes first, and the campaign keeps what it gave.
    """

    function: Callable[[str, Scale], Mapping[str, Outcome]]
    name: str
    about: str = ""
    on: tuple[str, ...] = ()


Arm = Trained | Measured | Computed | Joint


@dataclass(frozen=True)
class Control:
    """An arm that lacks what is claimed to matter; where it is as good as the arm `against`, that is not what matters."""

    arm: Arm
    against: str


@dataclass(frozen=True)
class Claim:
    """See the file's first paragraph. `games` maps short labels to names; `higher` tells which way scores are better.

    `beats` makes the expectation by which an arm is held against its controls.
    """

    slug: str
    method: str
    sentence: str
    source: str
    paper: str
    unit: str
    games: Mapping[str, str]
    arms: Mapping[str, Arm]
    controls: Mapping[str, Control]
    scales: Mapping[str, Scale]
    expect: tuple[Expectation, ...]
    higher: bool = True
    beats: Callable[..., Expectation] = better

    def everything(self) -> dict[str, Arm]:
        """Arms and controls by name."""
        return {**self.arms, **{name: control.arm for name, control in self.controls.items()}}

    def cells(self) -> list[tuple[str, str]]:
        """(arm, game label) of everything that is run, arms that look at another arm's runs after it."""
        arms = sorted(self.everything().items(), key=lambda pair: isinstance(pair[1], Measured))
        return [(name, label) for name, arm in arms for label in arm.on or self.games]

    def scale(self, name: str) -> Scale:
        """The scale called `name`. Raises `InputError` for another one."""
        if name not in self.scales:
            raise InputError(f"claim {self.slug} has no scale '{name}': use {', '.join(self.scales)}")
        return self.scales[name]


def cell(arm: str, game: str) -> str:
    """The name of an arm on a game, as results and pages show it."""
    return f"{arm} on {game}"
