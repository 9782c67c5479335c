"""The wiring of search over text: pick a parent, say what is wrong with it, propose a child, try it, keep it or not.

Each of these is a function that a method passes, so that two published methods differ by which they pass: FunSearch and
AlphaEvolve (a language model proposes from good examples), genetic programming (a typed mutator), prompt evolution (a critic
writes the feedback). A step makes one batch of children from one state; `run.searching` runs steps and keeps what came of them.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from interplay.core.budget import Budget
from interplay.core.errors import InputError
from interplay.text.genome import Genome
from interplay.text.trial import Trial, failed
from interplay.update.archive import Acceptance, Entry, State

Generator = np.random.Generator


class Ask(NamedTuple):
    """What a proposer is given: a parent, other good candidates, what the critic says, and what was tried already."""

    parent: Trial
    others: tuple[Trial, ...]
    feedback: str
    known: Callable[[Genome], bool]


class Proposal(NamedTuple):
    """What a proposer came to: a genome, or why there is none; what it cost; and notes to keep among the trial's artefacts."""

    genome: Genome | None
    spent: Budget = Budget()
    failure: str = ""
    notes: Mapping[str, str] = MappingProxyType({})


class Tried(NamedTuple):
    """A trial, the island it went to, the batch it was in, and the tokens that the search had spent when it was proposed."""

    trial: Trial
    place: int
    batch: int
    tokens: int = 0


class Searching(NamedTuple):
    """The state of a search: everything tried, by hash and in order, what is kept of it, what it cost, batches so far."""

    tried: Mapping[str, Tried]
    archive: State
    spent: Budget
    batch: int
    lost: Mapping[str, int]  # why there was no candidate → how often

    @property
    def best(self) -> Trial:
        return max((each.trial for each in self.tried.values()), key=lambda trial: trial.score)


Propose = Callable[[Ask, Generator], Proposal]
Criticize = Callable[[Trial], str]
Score = Callable[[Sequence[Genome]], Sequence[Trial]]


class Evolution(NamedTuple):
    """`init(genomes)` tries the seeds; `step(state, rng, most)` is one batch, of at most so many, and also gives what was tried
    in it; `replay` is the state of a search that was written down."""

    init: Callable[[Sequence[Genome]], Searching]
    step: Callable[[Searching, Generator, int | None], tuple[Searching, list[Tried]]]
    replay: Callable[[Sequence[Tried], Budget, int, Mapping[str, int]], Searching]


def evolution(
    propose: Propose,
    criticize: Criticize,
    acceptance: Acceptance,
    score: Score,
    entry: Callable[[Trial], Entry],
    *,
    batch: int = 32,
) -> Evolution:
    """Search by `propose` from parents that `acceptance` picks; `entry` tells it what a trial is like."""

    def taken(state: Searching, tried: Sequence[Tried], spent: Budget, lost: Sequence[str]) -> Searching:
        archive = state.archive
        for each in tried:
            if each.trial.valid:
                archive = acceptance.accept(archive, entry(each.trial), each.place)
        counts = dict(state.lost)
        for why in lost:
            counts[why] = counts.get(why, 0) + 1
        known = {**state.tried, **{each.trial.genome.hash: each for each in tried}}
        return Searching(known, archive, state.spent.plus(spent), state.batch + 1, counts)

    def init(genomes: Sequence[Genome]) -> Searching:
        tried = [Tried(trial, 0, 0) for trial in score(genomes)]
        good = [each for each in tried if each.trial.valid]
        if not good:
            raise InputError(f"no seed can be scored: {tried[0].trial.failure}")
        return taken(_nothing(acceptance), tried, Budget(evaluations=len(tried)), ())

    def step(state: Searching, rng: Generator, most: int | None = None) -> tuple[Searching, list[Tried]]:
        fresh: dict[str, Genome] = {}
        about: dict[str, tuple[int, int, Mapping[str, str]]] = {}  # place, tokens, notes
        spent, lost = Budget(), []
        known = lambda genome: genome.hash in state.tried or genome.hash in fresh
        for _ in range(batch if most is None else min(batch, most)):
            picked = acceptance.pick(state.archive, rng)
            trial = lambda one: state.tried[one.name].trial
            parent = trial(picked.parent)
            proposal = propose(Ask(parent, tuple(map(trial, picked.mates)), criticize(parent), known), rng)
            spent = spent.plus(proposal.spent)
            if proposal.genome is None or known(proposal.genome):
                lost.append(proposal.failure or "tried already")
                continue
            fresh[proposal.genome.hash] = proposal.genome
            tokens = state.spent.tokens + spent.tokens
            about[proposal.genome.hash] = (picked.place, tokens, proposal.notes)
        tried = []
        for scored in score(list(fresh.values())):
            place, tokens, notes = about[scored.genome.hash]
            noted = dataclasses.replace(scored, artefacts={**scored.artefacts, **notes}) if notes else scored
            tried.append(Tried(noted, place, state.batch, tokens))
        return taken(state, tried, spent.plus(Budget(evaluations=len(tried))), lost), tried

    def replay(tried: Sequence[Tried], spent: Budget, batches: int, lost: Mapping[str, int]) -> Searching:
        state = taken(_nothing(acceptance), tried, spent, ())
        return state._replace(batch=batches, lost=lost)

    return Evolution(init, step, replay)


def _nothing(acceptance: Acceptance) -> Searching:
    return Searching({}, acceptance.init(), Budget(), 0, {})


def guarded(score: Callable[[Genome], Trial]) -> Score:
    """One after the other, where a scorer that raises fails its candidate and not the search."""

    def each(genome: Genome) -> Trial:
        try:
            return score(genome)
        except Exception as wrong:
            return failed(genome, f"the scorer raised {type(wrong).__name__}: {str(wrong)[:200]}")

    return lambda genomes: [each(genome) for genome in genomes]
