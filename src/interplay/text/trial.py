"""What became of a candidate: a score, what else was measured, what it left behind, what it cost; and when to stop.

Whoever scores is outside the candidate: a trial is made by the search's own process from what it saw. A rule run on small
games and a program run in the sandbox are two known instances.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from interplay.core.budget import Budget
from interplay.core.errors import InputError
from interplay.text.genome import Genome

WORST = -math.inf


@dataclass(frozen=True)
class Trial:
    """A candidate and what it came to; higher scores are better, and a `failure` in words has the worst score there is."""

    genome: Genome
    score: float
    metrics: Mapping[str, float] = field(default_factory=dict)
    artefacts: Mapping[str, str] = field(default_factory=dict)
    failure: str = ""

    @property
    def valid(self) -> bool:
        return not self.failure

    def as_json(self) -> dict:
        """The trial as JSON holds it: no infinities, which JSON does not have."""
        score = None if math.isinf(self.score) else self.score
        said = {"metrics": dict(self.metrics), "artefacts": dict(self.artefacts), "failure": self.failure}
        return {"genome": self.genome.as_json(), "score": score} | said

    @classmethod
    def from_json(cls, found: dict) -> "Trial":
        score = WORST if found["score"] is None else found["score"]
        return cls(Genome.from_json(found["genome"]), score, found["metrics"], found["artefacts"], found["failure"])


def failed(genome: Genome, why: str) -> Trial:
    """The trial of a candidate that could not be scored."""
    return Trial(genome, WORST, failure=why or "it failed and said nothing")


@dataclass(frozen=True)
class Allowance:
    """How much a search may spend; `None` is no limit. It stops at the first that is used up."""

    evaluations: int | None = None
    """Candidates scored, valid or not"""
    seconds: float | None = None
    """Wall-clock time, earlier sittings included"""
    tokens: int | None = None
    """Of a language model, read and written"""
    calls: int | None = None
    """To a language model"""
    money: float | None = None
    """In the currency of the endpoint's prices"""

    def used_up(self, spent: Budget) -> str:
        """The name of what is used up, or nothing.

        >>> Allowance(evaluations=100).used_up(Budget(evaluations=100))
        'evaluations'
        """
        limits = vars(self).items()
        return next((name for name, most in limits if most is not None and getattr(spent, name) >= most), "")

    def share(self, spent: Budget) -> float:
        """How much of the tightest limit is used up, from 0 to 1."""
        shares = [getattr(spent, name) / most for name, most in vars(self).items() if most]
        return min(1.0, max(shares, default=0.0))


UNITS = {"s": 1.0, "sec": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


def allowance(text: str) -> Allowance:
    """The allowance in words: `600` or `600 evaluations`, `20min`, `1e6 tokens`, several with commas.

    Raises `InputError` for what it cannot read.

    >>> allowance("2000, 20min")
    Allowance(evaluations=2000, seconds=1200.0, tokens=None, calls=None, money=None)
    """
    found: dict[str, float] = {}
    for part in text.split(","):
        digits = part.strip().rstrip("abcdefghijklmnopqrstuvwxyz ")
        unit = part.strip()[len(digits) :].strip() or "evaluations"
        try:
            amount = float(digits.replace("_", ""))
        except ValueError:
            amount = math.nan
        name, factor = ("seconds", UNITS[unit]) if unit in UNITS else (unit, 1.0)
        if not 0 < amount < math.inf or name not in Allowance.__dataclass_fields__:
            raise InputError(
                f"cannot read the budget '{part.strip()}': write a number above 0 with evaluations, s, min, h, tokens, "
                "calls or money, such as '2000' or '20min'"
            )
        whole = name in ("evaluations", "tokens", "calls")
        found[name] = int(amount * factor) if whole else amount * factor
    return Allowance(**found)  # type: ignore[arg-type]
