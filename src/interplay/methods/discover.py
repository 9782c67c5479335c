"""Solver discovery: rules of regret minimization, as text, that evolve by how far they get on small games.

The search starts from CFR+ and changes the three formulas of a rule (`text.rules`). A candidate runs on every training game,
and its fitness is how many decades of exploitability it is below 1, averaged over games and over several numbers of
iterations: a rule that is good at one horizon only does not win, neither does one that never begins to average, and
exploitabilities below a floor count as the floor, so that rounding is not what is selected for. Parents win a tournament of
three on one game, or on the mean. Games that the search never sees are what a find is reported on.

Source: Li et al., "Discovering multiagent learning algorithms with large language models" (2026), sections 3 and 4. There a
language model proposes; here a typed mutator does (`text.mutator`), or a model behind an endpoint (`lm.client`).
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from interplay.core.errors import InputError
from interplay.core.names import chosen
from interplay.games import tree as trees
from interplay.methods import hosted
from interplay.methods.evolution import Ask, Evolution, Proposal, Propose, Score, evolution
from interplay.text import mutator, rules
from interplay.text.expression import CALLED, Leaves, size
from interplay.text.genome import Genome
from interplay.text.trial import Trial, failed
from interplay.update.archive import Acceptance, Entry, best, islands

Measure = Callable[[str, Sequence[str], Sequence[int]], Float[np.ndarray, "rule horizon"]]
NUMBER = re.compile(r"(?<![A-Za-z_])\d+\.?\d*(e[-+]?\d+)?")
LANES = 16  # rules that walk a game side by side
SIZES = (8.0, 16.0, 24.0, 36.0)
GAINS = (0.5, 1.0, 1.5, 2.0)  # decades won between the first horizon and the last


@dataclass(frozen=True)
class Settings:
    """What a search is told."""

    games: tuple[str, ...] = ("kuhn(players=3)", "leduc(suits=False)")
    """Training games"""
    held_out: tuple[str, ...] = ("kuhn(players=4)", "goofspiel(cards=4)", "liars-dice(sides=4)")
    """Games that finds are reported on"""
    horizons: tuple[int, ...] = (50, 150, 450)
    """Iterations after which candidates are scored"""
    report: tuple[int, ...] = (100, 300, 1000)
    """Iterations after which finds are reported"""
    start: str = "cfr-plus"
    """The rule that the search starts from, one of `text.rules.SEEDS`"""
    batch: int = 32
    """Candidates of one batch"""
    population: int = 20
    """Rules that an island keeps"""
    islands: int = 2
    """Populations apart"""
    largest: int = 60
    """Nodes of a rule at most"""
    parsimony: float = 0.002
    """Decades that a node must be worth"""
    floor: float = 1e-9
    """Exploitability below which nothing counts"""

    def __post_init__(self):
        if not self.games:
            raise InputError("no game to train on: give --games one or more")
        for name in ("horizons", "report"):
            given = getattr(self, name)
            if not given or min(given) < 1 or list(given) != sorted(set(given)):
                raise InputError(f"cannot use {name} {given}: give rising numbers of iterations, 1 or more")
        if min(self.batch, self.population, self.islands) < 1:
            raise InputError("batch, population and islands are 1 or more")
        if self.floor <= 0:
            raise InputError(f"the floor is {self.floor}: give a number above 0")


ABOUT = """The text is a rule that finds equilibria of two-player and many-player games: {purpose}
It has these formulas, each on a line `name = formula`: {slots}. More lines may name parts, before they are used.
Leaves: {leaves}. Everything is a number, a row (one per information set) or a table (one per information set and move).
Operations: + - * / ^ >= > and {called}. fade(t, c) is t^c / (t^c + 1); ema(x, c) is a running mean with weight c of the
newest; before(x) is x of the last iteration; where(condition, a, b) chooses; relu(x) is max(x, 0).
The score is how many decades of exploitability the rule wins on several games and after several numbers of iterations, less a
little for every operation: higher is better, and short rules that work on other games too are wanted."""


class Space(NamedTuple):
    """What kind of rule is searched for: its formulas' names, their leaves, rules to start from, and how rules are measured.

    `measure(game, texts, horizons)` gives exploitabilities "rule horizon", not a number where a rule broke down.
    """

    slots: tuple[str, ...]
    leaves: Leaves
    seeds: Mapping[str, str]
    measure: Measure
    purpose: str

    def about(self) -> str:
        """What a language model is told of the rules."""
        return ABOUT.format(
            purpose=self.purpose, slots=", ".join(self.slots), leaves=", ".join(self.leaves), called=", ".join(CALLED)
        )

    def read(self, text: str) -> rules.Formulas:
        """The rule that a text says. Raises `InputError` as `text.rules.read` does."""
        return rules.read(text, self.slots, self.leaves)

    def genome(self, formulas: rules.Formulas, parents: tuple[str, ...] = (), how: str = "seed") -> Genome:
        """A rule as parts of text."""
        return Genome(rules.parts(formulas, self.slots), parents, how)

    def started(self, name: str) -> list[Genome]:
        """The rule to start from. Raises `InputError` for a name that does not exist."""
        return [self.genome(self.read(chosen(self.seeds, "the start", name)))]


def measured(game: str, texts: Sequence[str], horizons: Sequence[int]) -> Float[np.ndarray, "rule horizon"]:
    """Exploitability of rules, as text, on a game after each number of iterations; not a number where a rule broke down."""
    with jax.enable_x64(True):
        steppers = [rules.stepper(rules.read(text)) for text in texts]
        return hosted.exploitabilities(_side(game), steppers, horizons)


@cache
def _side(game: str) -> hosted.Side:
    return hosted.prepared(trees.make(game), LANES)


SPACE = Space(
    rules.SLOTS,
    rules.LEAVES,
    rules.SEEDS,
    measured,
    "counterfactual regret minimization. accumulate makes the new accumulated regret of the old, R, and this iteration's r; "
    "strategy makes scores of the new R, whose positive part is played in proportion; weigh says how much the strategy just "
    "played, sigma, counts in the average, which is what is scored. t counts iterations from 1.",
)


def decades(exploitability: np.ndarray, floor: float) -> np.ndarray:
    """−log10(max(e, floor)).

    >>> decades(np.array([0.1, 0.0]), 1e-9).tolist()
    [1.0, 9.0]
    """
    return -np.log10(np.maximum(exploitability, floor))


def scorer(space: Space, s: Settings, measure: Measure | None = None) -> Score:
    """Score a batch of genomes on all training games; `measure` may hand the work to other processes."""
    measure = space.measure if measure is None else measure

    def score(genomes: Sequence[Genome]) -> list[Trial]:
        texts = [one.text for one in genomes]
        if not texts:
            return []
        tables = np.stack([_all_measured(measure, game, texts, s.horizons) for game in s.games], 1)
        return [_trial(s, one, found, size(*space.read(one.text))) for one, found in zip(genomes, tables, strict=True)]

    return score


def _all_measured(measure: Measure, game: str, texts: Sequence[str], horizons: Sequence[int]) -> np.ndarray:
    """`measure`, where a rule that makes it raise breaks down alone."""
    try:
        return measure(game, texts, horizons)
    except InputError:
        raise
    except (ArithmeticError, AttributeError, IndexError, TypeError, ValueError):
        if len(texts) == 1:
            return np.full((1, len(horizons)), np.nan)
        return np.concatenate([_all_measured(measure, game, [text], horizons) for text in texts])


def _trial(s: Settings, one: Genome, found: Float[np.ndarray, "game horizon"], nodes: int) -> Trial:
    if not np.isfinite(found).all():
        return failed(one, "a number is not finite or a weight is negative")
    reached = decades(found, s.floor)
    names = [f"{game} @{horizon}" for game in s.games for horizon in s.horizons]
    metrics = dict(zip(names, found.reshape(-1).tolist(), strict=True))
    metrics |= {f"decades {game}": float(row.mean()) for game, row in zip(s.games, reached, strict=True)}
    fitness, gained = float(reached.mean()), float((reached[:, -1] - reached[:, 0]).mean())
    metrics |= {"decades": fitness, "gained": gained, "size": float(nodes)}
    return Trial(one, fitness - s.parsimony * nodes, metrics)


def entry(s: Settings) -> Callable[[Trial], Entry]:
    """What acceptance knows of a rule: its score, its scores on games, how large it is, how much it wins late, and its form.

    Rules that differ in constants alone are of one kind, so that a population is not filled with one rule's exponents.
    """

    def of(trial: Trial) -> Entry:
        per_game = tuple(trial.metrics[f"decades {game}"] for game in s.games)
        like = (trial.metrics["size"], trial.metrics["gained"])
        return Entry(trial.genome.hash, trial.score, per_game, like, NUMBER.sub("c", trial.genome.text))

    return of


def critic(s: Settings) -> Callable[[Trial], str]:
    """Where a rule stands, in words: what a model is told about the parent."""

    def criticize(trial: Trial) -> str:
        if not trial.valid:
            return f"This rule cannot be scored: {trial.failure}."
        at = lambda game: ", ".join(f"{trial.metrics[f'{game} @{count}']:.3g} after {count}" for count in s.horizons)
        lines = [f"{game}: exploitability {at(game)}" for game in s.games]
        return "\n".join([*lines, f"{trial.metrics['size']:.0f} nodes of at most {s.largest}."])

    return criticize


def mutation(space: Space, s: Settings) -> Propose:
    """The typed mutator as a proposer; where it crosses rules, both are parents."""
    language = mutator.Language(space.slots, space.leaves, s.largest)

    def propose(ask: Ask, rng: np.random.Generator) -> Proposal:
        mate = ask.others[0] if ask.others else ask.parent
        parent, other = (space.read(trial.genome.text) for trial in (ask.parent, mate))
        made = mutator.change(language, parent, other, rng, lambda child: ask.known(space.genome(child)))
        if made is None:
            return Proposal(None, failure="no new well-typed change was found")
        crossed = "crossover" in made.how or "another" in made.how
        parents = (ask.parent.genome.hash, *((mate.genome.hash,) if crossed and mate is not ask.parent else ()))
        return Proposal(space.genome(made.formulas, parents, made.how))

    return propose


def build(
    space: Space,
    s: Settings,
    *,
    propose: Propose | None = None,
    acceptance: Acceptance | None = None,
    score: Score | None = None,
) -> Evolution:
    """The search: islands of the best, the typed mutator and scores made here, unless others are passed."""
    return evolution(
        propose or mutation(space, s),
        critic(s),
        acceptance or islands(best(s.population), s.islands),
        score or scorer(space, s),
        entry(s),
        batch=s.batch,
    )
