"""Roles of a search over text that need no model: a summarizer of traits, a navigator by regression, a sampler of examples.

They read what the roles of `text.roles` read, and nothing else: the navigator and the sampler see summaries and scores, never a
program. So each can be taken away, or be made worse, and what it was worth is seen.

    summary     inherited = traits of the parent's summary that the child still has, novel = the others
    aim         w = (XᵀWX + λI)⁻¹ XᵀWy over steps of some tracks: x the change of traits, y of the score, W shares of classes;
                lean = strength · w / max|w|
    examples    one after the other the largest of  cos(f, p + η lean) + b · rank|Δ| + c · rarity − d · likeness to those chosen

Sources: Su, Zheng and Li, "ContextEvolve" (2026), for the roles; Hoerl and Kennard, "Ridge regression" (1970); Carbonell and
Goldstein, "The use of MMR, diversity-based reranking" (1998); Schaul et al., "Prioritized experience replay" (2016).
"""

import functools
import json
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from interplay.text.genome import Genome
from interplay.text.roles import Aim, Example, Said, Step, Summary, Track
from interplay.text.trial import Trial

Generator = np.random.Generator
Traits = Callable[[Genome], tuple[str, ...]]
SUMMARY = "summary"  # artefact of a trial
KINDS = ("improvement", "mixed", "decline")
LEAST = 1e-9  # a change of a score that is one
NAMED = 3  # traits that an aim names in words


def summarizer(traits: Traits):
    """What of the parent's summary the child still has, and what is new."""

    def summarize(child: Genome, parent: Genome, before: Summary) -> Said[Summary]:
        now = traits(child)
        kept = tuple(each for each in now if each in before.traits)
        return Said(Summary(kept, tuple(each for each in now if each not in before.traits)))

    return summarize


def amnesiac(traits: Traits):
    """A summarizer that states what is new only, and so forgets: a control."""

    def summarize(child: Genome, parent: Genome, before: Summary) -> Said[Summary]:
        had = traits(parent)
        return Said(Summary((), tuple(each for each in traits(child) if each not in had)))

    return summarize


class History:
    """Trials in their order with their summaries, and the steps between parents and children.

    Scores that fall by more than `clip` count as `clip`, as do failures, so that broken candidates do not outweigh all else.
    """

    def __init__(self, trials: Sequence[Trial], begin: Callable[[Genome], Summary], clip: float, told: Sequence[str]):
        self.trials, self.clip, self.told = trials, clip, told
        self.number = {trial.genome.hash: at for at, trial in enumerate(trials)}
        self._kept: dict[int, dict[str, list[tuple[float, Track]]]] = {}
        self.summaries = [
            _read(trial) or (Summary() if trial.genome.parents else begin(trial.genome)) for trial in trials
        ]

    def summary(self, trial: Trial) -> Summary:
        return self.summaries[self.number[trial.genome.hash]]

    def parent(self, trial: Trial) -> Trial | None:
        """The first parent, where the history has it."""
        names = trial.genome.parents
        return self.trials[self.number[names[0]]] if names and names[0] in self.number else None

    def step(self, trial: Trial) -> Step | None:
        """From the parent to this trial."""
        parent = self.parent(trial)
        if parent is None or not parent.valid:
            return None
        before, after = self.summary(parent), self.summary(trial)
        if not trial.valid:
            return Step(before, after, -self.clip, (), True)
        changes = tuple(trial.metrics[name] - parent.metrics[name] for name in self.told)
        return Step(before, after, float(np.clip(trial.score - parent.score, -self.clip, self.clip)), changes)

    @functools.cached_property
    def steps(self) -> list[Step | None]:
        return [self.step(trial) for trial in self.trials]

    @functools.cached_property
    def examples(self) -> list[Example]:
        """All trials, with what they won over their parents."""
        return [
            Example(trial, summary, step.change if step else 0.0)
            for trial, summary, step in zip(self.trials, self.summaries, self.steps, strict=True)
        ]

    def tracks(self, rng: Generator, count: int, length: int) -> list[Track]:
        """`count` series of at most `length` steps, by turns ones that led up, up and down, and down, where there are such.

        Those that changed the score more are likelier.
        """
        pools = {kind: list(some) for kind, some in self._pools(length).items()}
        found: list[Track] = []
        while len(found) < count and any(pools.values()):
            for pool in pools.values():
                if pool and len(found) < count:
                    weight = np.array([weight for weight, _ in pool])
                    found.append(pool.pop(int(rng.choice(len(pool), p=weight / weight.sum())))[1])
        return found

    def _pools(self, length: int) -> dict[str, list[tuple[float, Track]]]:
        """All series of steps by kind, with how likely each is; worked out once."""
        if length in self._kept:
            return self._kept[length]
        some = [self._track(at, length) for at, step in enumerate(self.steps) if step]
        weighed = [(sum(abs(step.change) for step in track.steps) + 1e-6, track) for track in some]
        self._kept[length] = {kind: [each for each in weighed if each[1].kind == kind] for kind in KINDS}
        return self._kept[length]

    def _track(self, at: int, length: int) -> Track:
        steps: list[Step] = []
        while len(steps) < length and (step := self.steps[at]):
            steps.append(step)
            parent = self.parent(self.trials[at])
            at = self.number[parent.genome.hash] if parent else at
        return Track(tuple(steps[::-1]), kind_of(steps))


def _read(trial: Trial) -> Summary | None:
    kept = trial.artefacts.get(SUMMARY)
    return Summary(*map(tuple, json.loads(kept))) if kept else None


def written(summary: Summary) -> str:
    """A summary as a trial keeps it."""
    return json.dumps([list(summary.inherited), list(summary.novel)])


def kind_of(steps: Sequence[Step]) -> str:
    """Whether single scores rose only, rose and fell, or never rose, along some steps; failing is falling."""
    up = any(change > LEAST for step in steps for change in step.changes)
    down = any(step.failed or any(change < -LEAST for change in step.changes) for step in steps)
    return "mixed" if up and down else "improvement" if up else "decline"


class Slope(NamedTuple):
    """What traits are worth: the score that goes with each, by regression."""

    names: tuple[str, ...]
    worth: Float[np.ndarray, "trait"]


def slope(tracks: Sequence[Track], ridge: float) -> Slope:
    """w = (XᵀWX + λI)⁻¹ XᵀWy, with x the change of traits of a step, y of the score, W the share of a step's class."""
    kinds = [track.kind for track in tracks]
    rows = {step: 1 / kinds.count(track.kind) for track in tracks for step in track.steps}
    names = tuple(sorted({name for step in rows for name in step.before.traits ^ step.after.traits}))
    if not names:
        return Slope((), np.zeros(0))
    at = {name: column for column, name in enumerate(names)}
    x = np.zeros((len(rows), len(names)))
    for row, step in enumerate(rows):
        x[row, [at[name] for name in step.after.traits - step.before.traits]] = 1
        x[row, [at[name] for name in step.before.traits - step.after.traits]] = -1
    y, weight = np.array([step.change for step in rows]), np.array(list(rows.values()))
    weight *= len(weight) / weight.sum()
    return Slope(names, np.linalg.solve(x.T @ (weight[:, None] * x) + ridge * np.eye(len(names)), x.T @ (weight * y)))


def navigator(ridge: float = 1.0, strength: float = 1.0):
    """A direction from tracks: traits lean by what they were worth, the most by `strength`."""

    def navigate(tracks: Sequence[Track], rng: Generator) -> Said[Aim]:
        names, worth = slope(tracks, ridge)
        if not len(worth) or not np.abs(worth).max():
            return Said(Aim())
        lean = strength * worth / np.abs(worth).max()
        return Said(Aim(_direction(names, lean), dict(zip(names, lean.tolist(), strict=True))))

    return navigate


def _direction(names: Sequence[str], lean: Float[np.ndarray, "trait"]) -> str:
    order = np.argsort(-lean, kind="stable")
    more: list[str] = [names[int(at)] for at in order[:NAMED] if lean[at] > 0]
    less: list[str] = [names[int(at)] for at in order[::-1][:NAMED] if lean[at] < 0]
    parts = {"More of what has": more, "less of what has": less}
    return "; ".join(f"{words} {', '.join(some)}" for words, some in parts.items() if some) + "."


def prescriptive(ridge: float = 1.0, force: float = 6.0):
    """A navigator that names the one best trait and all but forces it: a control."""
    whole = navigator(ridge)

    def navigate(tracks: Sequence[Track], rng: Generator) -> Said[Aim]:
        aim = whole(tracks, rng).value or Aim()
        best = max(aim.lean, key=aim.lean.__getitem__, default="")
        return Said(Aim(f"Bring in {best}.", {best: force}) if best else Aim())

    return navigate


def shuffled(navigate):
    """A navigator that is shown every step with the change of another: a control."""

    def misled(tracks: Sequence[Track], rng: Generator) -> Said[Aim]:
        steps = list(dict.fromkeys(step for track in tracks for step in track.steps))
        others = dict(zip(steps, (steps[at].change for at in rng.permutation(len(steps))), strict=True))
        changed = lambda track: track._replace(steps=tuple(step._replace(change=others[step]) for step in track.steps))
        return navigate([changed(track) for track in tracks], rng)

    return misled


class Priorities(NamedTuple):
    """What counts for an example: what it won or lost, rarity, unlikeness to the others; and how far ahead is looked."""

    change: float = 0.5
    rarity: float = 0.5
    unlike: float = 1.0
    ahead: float = 1.0


def sampler(weigh: Priorities = Priorities()):  # noqa: B008 - a constant
    """Examples by maximal marginal relevance to where the aim leads from the parent; failures too may be shown."""

    def sample(examples: Sequence[Example], before: Summary, aim: Aim, count: int) -> Said[tuple[Trial, ...]]:
        names = sorted({name for each in examples for name in each.summary.traits} | set(aim.lean))
        at = {name: column for column, name in enumerate(names)}
        has = np.zeros((len(examples), len(names)))
        for row, each in enumerate(examples):
            has[row, [at[name] for name in each.summary.inherited + each.summary.novel]] = 1
        target = np.array([(name in before.traits) + weigh.ahead * aim.lean.get(name, 0.0) for name in names])
        unit = has / np.maximum(np.linalg.norm(has, axis=1, keepdims=True), 1e-12)
        near = unit @ target / max(float(np.linalg.norm(target)), 1e-12)
        changes = np.abs([each.change for each in examples])
        rank = np.argsort(np.argsort(changes, kind="stable")) / max(len(examples) - 1, 1)
        worth = near + weigh.change * rank + weigh.rarity * (1 - unit @ unit.mean(0))
        return Said(tuple(examples[at].trial for at in _apart(worth, unit, weigh.unlike, count)))

    return sample


def _apart(
    worth: Float[np.ndarray, "some"], unit: Float[np.ndarray, "some trait"], unlike: float, count: int
) -> list[int]:
    """`count` of some, one after the other the one of most worth less how like it is to one that was taken."""
    taken: list[int] = []
    while len(taken) < min(count, len(worth)):
        alike = (unit @ unit[taken].T).max(1) if taken else 0.0
        value = worth - unlike * alike
        value[taken] = -np.inf
        taken.append(int(value.argmax()))
    return taken


def best_scores(examples: Sequence[Example], before: Summary, aim: Aim, count: int) -> Said[tuple[Trial, ...]]:
    """The best so far, whatever they are like: a control."""
    return Said(tuple(each.trial for each in sorted(examples, key=lambda each: -each.trial.score)[:count]))
