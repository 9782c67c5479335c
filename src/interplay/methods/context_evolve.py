"""ContextEvolve: programs that evolve from a context of three small texts instead of from raw history.

A summarizer says what every candidate inherits and what is new in it; a navigator reads how summaries and scores changed along
some tracks and says in which direction to go; a sampler picks examples that bear on that direction, failures too. They play the
parts of a state encoder, a policy gradient and prioritized replay. The proposer changes the parent with these in hand. Without
them (`NEUTRAL`) the search is plain best-of evolution, bit for bit.

Programs are systems code (`text.systems`). All roles, and the proposer, exist without a model (`text.context`,
`text.program_changes`) and by a model behind an endpoint (`text.roles`).

Source: Su, Zheng and Li, "ContextEvolve: Multi-agent context compression for systems code optimization" (2026).
"""

import concurrent.futures
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from interplay.core.budget import Budget
from interplay.core.errors import InputError
from interplay.core.names import chosen
from interplay.lm import client
from interplay.methods import writing
from interplay.methods.evolution import Ask, Evolution, Proposal, Propose, Score, Searching, evolution, guarded
from interplay.text import context, program_changes, programs, roles
from interplay.text.context import History
from interplay.text.genome import Genome
from interplay.text.roles import Aim, Example, Said, Summary, Track
from interplay.text.sandbox import Pool
from interplay.text.systems import named
from interplay.text.systems.task import PART, Instance, Task, of_program
from interplay.text.trial import Trial
from interplay.update.archive import Acceptance, Entry, best, grid, islands

Generator = np.random.Generator
LETTERS, TRAITS = (60.0, 120.0, 200.0, 320.0), (2.0, 4.0, 6.0, 9.0)  # borders between kinds of programs


@dataclass(frozen=True)
class Settings:
    """What a search is told."""

    task: str = "cache"
    """Systems code that is written, one of `text.systems.TASKS`, such as cache or cache(traces='both')"""
    batch: int = 4
    """Candidates between two looks at what came of them"""
    population: int = 12
    """Candidates that the archive best keeps; parents are drawn from an archive by tournaments of three"""
    archive: str = "best"
    """What is kept: best, or grid (the best of every kind, by letters and traits)"""
    islands: int = 1
    """Archives apart, between which the best move"""
    migration: int = 40
    """Candidates between two moves of the best tenth of each island to the next"""
    tracks: int = 5
    """Series of steps that the navigator reads"""
    length: int = 4
    """Steps of a series at most"""
    examples: int = 3
    """Candidates that the proposer is shown besides the parent"""
    ridge: float = 1.0
    """Of the navigator's regression, in steps that say that a trait is worth nothing"""
    strength: float = 1.0
    """Logarithm of how much likelier the best trait is brought in"""
    clip: float = 0.1
    """Change of score beyond which a step counts no more; a failure counts as much"""
    largest: int = 600
    """Letters of a program at most"""

    def __post_init__(self):
        named(self.task)
        chosen(ARCHIVES, "the archive", self.archive)
        for name in ("batch", "population", "islands", "migration", "tracks", "length", "examples", "largest"):
            if getattr(self, name) < 1:
                raise InputError(f"context-evolve got {name}={getattr(self, name)}: give 1 or more")
        if self.ridge <= 0 or self.clip <= 0:
            raise InputError("ridge and clip are above 0")


class Directed(NamedTuple):
    """What a proposer is given, with the parent's summary and an aim."""

    ask: Ask
    summary: Summary
    aim: Aim


Write = Callable[[Directed, Generator], Proposal]


class Roles(NamedTuple):
    """`begin(seed)`, `summarize(child, parent, before)`, `navigate(tracks, rng)` and `sample(examples, before, aim, count)`.

    `sample` is None where the examples are those that selection drew.
    """

    begin: Callable[[Genome], Summary]
    summarize: Callable[[Genome, Genome, Summary], Said[Summary]]
    navigate: Callable[[Sequence[Track], Generator], Said[Aim]]
    sample: Callable[[Sequence[Example], Summary, Aim, int], Said[tuple[Trial, ...]]] | None


NEUTRAL = Roles(lambda seed: Summary(), lambda *_: Said(Summary()), lambda *_: Said(Aim()), None)


def embedded(task: Task, s: Settings) -> Roles:
    """The roles without a model."""
    read = traits(task)
    begin = lambda seed: Summary((), read(seed))
    return Roles(begin, context.summarizer(read), context.navigator(s.ridge, s.strength), context.sampler())


def modeled(task: Task, ask: client.Ask, count: int = 12) -> Roles:
    """The roles by a model; the sampler chooses among the `count` that the embedded one finds best."""
    read, narrow, choose = traits(task), context.sampler(), roles.sampler(ask)

    def sample(examples: Sequence[Example], before: Summary, aim: Aim, wanted: int) -> Said[tuple[Trial, ...]]:
        some = {trial.genome.hash for trial in narrow(examples, before, aim, count).value or ()}
        return choose([each for each in examples if each.trial.genome.hash in some], before, aim, wanted)

    return Roles(lambda seed: Summary((), read(seed)), roles.summarizer(ask), roles.navigator(ask), sample)


def traits(task: Task) -> Callable[[Genome], tuple[str, ...]]:
    """What a program uses: features with their sign, and operations."""
    return lambda genome: programs.traits(genome.parts[PART], task.interface)


def mutation(task: Task, s: Settings) -> Write:
    """The typed mutator: the aim leans its choices, examples are what it crosses with."""
    language = program_changes.Language(task.interface, s.largest)

    def write(wanted: Directed, rng: Generator) -> Proposal:
        parent, others = wanted.ask.parent, wanted.ask.others or (wanted.ask.parent,)
        mate = others[int(rng.integers(len(others)))]
        refuse = lambda text: wanted.ask.known(Genome({PART: text}))
        texts = [each.genome.parts[PART] for each in (parent, mate)]
        made = program_changes.change(language, texts[0], texts[1], rng, refuse, wanted.aim.lean)
        if made is None:
            return Proposal(None, failure="no new change was found")
        crossed = mate is not parent and any(word in made.how for word in program_changes.TAKES)
        parents = (parent.genome.hash, *((mate.genome.hash,) if crossed else ()))
        return Proposal(Genome({PART: made.text}, parents, made.how))

    return write


def about(task: Task) -> str:
    """The task for a model."""
    return f"The text is a Python program. {task.purpose}\n{task.interface.about()}\nHigher scores are better."


def written(task: Task, ask: client.Ask) -> Write:
    """A model as the proposer."""

    def write(wanted: Directed, rng: Generator) -> Proposal:
        prompt = lambda about, asked: writing.prompt(about, asked, wanted.summary.text, wanted.aim.text)
        return writing.proposer(ask, about(task), task.read, prompt)(wanted.ask, rng)

    return write


def plainly(write: Write) -> Propose:
    """A proposer without context: no summary, no aim, the examples that selection drew."""
    return lambda ask, rng: write(Directed(ask, Summary(), Aim()), rng)


def directed(s: Settings, parts: Roles, write: Write, history: History) -> Propose:
    """One iteration: navigate, sample, propose, summarize. A role that fails leaves its text empty, and the search goes on."""

    def propose(ask: Ask, rng: Generator) -> Proposal:
        side = rng.spawn(1)[0]  # roles draw apart, so that what is proposed does not depend on how much they draw
        before = history.summary(ask.parent)
        aim = parts.navigate(history.tracks(side, s.tracks, s.length), side)
        going = aim.value or Aim()
        shown: Said[tuple[Trial, ...]] = Said(ask.others)
        if parts.sample is not None:
            others = [each for each in history.examples if each.trial is not ask.parent]
            shown = parts.sample(others, before, going, s.examples) if others else shown
        examples = ask.others if shown.value is None else shown.value
        made = write(Directed(ask._replace(others=examples), before, going), rng)
        spent = aim.spent.plus(shown.spent).plus(made.spent)
        if made.genome is None or ask.known(made.genome):
            return made._replace(spent=spent)
        now = parts.summarize(made.genome, ask.parent.genome, before)
        notes = {
            "aim": going.text,
            context.SUMMARY: context.written(now.value) if now.value and now.value.traits else "",
        }
        notes["lost roles"] = "; ".join(each.failure for each in (aim, shown, now) if each.failure)
        return made._replace(spent=spent.plus(now.spent), notes={name: text for name, text in notes.items() if text})

    return propose


def critic(task: Task) -> Callable[[Trial], str]:
    """The score of every family of instances: what a model is told about the parent."""
    families = told(task)
    return lambda trial: (
        "Scores by kind of instance: "
        + ", ".join(f"{name.removeprefix('score ')} {trial.metrics[name]:.3f}" for name in families)
    )


def told(task: Task) -> tuple[str, ...]:
    """The names of the scores of the families."""
    return tuple(dict.fromkeys(f"score {one.family}" for one in task.train()))


def scorer(task: Task, instances: Sequence[Instance], pool: Pool) -> Score:
    """Run programs in the sandboxes of a pool, as many at once as it has."""
    one = lambda genome: guarded(lambda each: of_program(task, each, instances, pool))([genome])[0]
    task.prelude()  # read once before there are threads: Python 3.11 cannot parse in several at once

    def score(genomes: Sequence[Genome]) -> list[Trial]:
        if min(pool.workers, len(genomes)) < 2:
            return [one(genome) for genome in genomes]
        with concurrent.futures.ThreadPoolExecutor(pool.workers) as threads:
            return list(threads.map(one, genomes))

    return score


def plain(s: Settings, score: Score, write: Write, acceptance: Acceptance | None = None) -> Evolution:
    """Plain best-of evolution: parents and examples by tournament among the best."""
    return _evolution(s, score, plainly(write), acceptance)


def build(s: Settings, score: Score, parts: Roles, write: Write, acceptance: Acceptance | None = None) -> Evolution:
    """The search. What roles know is a function of what was tried, so that a search that was cut goes on as if it was not."""
    task = named(s.task)
    names = told(task)

    def step(state: Searching, rng: Generator, most: int | None = None):
        history = History([each.trial for each in state.tried.values()], parts.begin, s.clip, names)
        return _evolution(s, score, directed(s, parts, write, history), acceptance).step(state, rng, most)

    first = _evolution(s, score, plainly(write), acceptance)
    return Evolution(first.init, step, first.replay)


def _evolution(s: Settings, score: Score, propose: Propose, acceptance: Acceptance | None) -> Evolution:
    task, keep = named(s.task), acceptance or kept(s)
    return evolution(propose, critic(task), keep, score, entered(task), batch=s.batch)


def entered(task: Task) -> Callable[[Trial], Entry]:
    """What archives know of a trial; its features are letters and traits."""
    read = traits(task)
    features = lambda genome: (float(len(genome.text)), float(len(read(genome))))
    return lambda trial: Entry(trial.genome.hash, trial.score, features=features(trial.genome))


ARCHIVES: Mapping[str, Callable[[Settings], Acceptance]] = {
    "best": lambda s: best(s.population, mates=s.examples),
    "grid": lambda s: grid((LETTERS, TRAITS), mates=s.examples),
}


def kept(s: Settings) -> Acceptance:
    """What a search keeps: on one island it is the archive alone, bit for bit.

    >>> keep = kept(Settings(population=1))
    >>> state = keep.accept(keep.accept(keep.init(), Entry("a", 1.0), 0), Entry("b", 2.0), 0)
    >>> [entry.name for entry in keep.members(state)]
    ['b']
    """
    return islands(ARCHIVES[s.archive](s), s.islands, s.migration)


def counted(messages: Sequence[client.Message], answer: str) -> Budget:
    """One call with as many tokens as its letters make, which nobody made: for searches without a model."""
    letters = sum(len(message["content"]) for message in messages) + len(answer)
    return Budget(calls=1, tokens=letters // client.LETTERS)
