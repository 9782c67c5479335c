"""ContextEvolve's claim: summaries, an aim and chosen examples find better systems code than plain evolution, at equal cost.

The typed mutator proposes and roles without a model stand for the source's language models: no model is involved. Arms differ
in roles alone. Costs are compared in two ways: equal evaluations, and equal tokens, where tokens are those of the prompts that
a model would have read, and of answers as long as what the roles said (four letters count as a token; nothing was sent). Scores
are those of the best program of a search on instances that it did not see. Controls: a navigator whose changes of score are
shuffled, and parents from everything that was tried.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np

from interplay.bench.claim import Claim, Control, Joint, Outcome, Scale
from interplay.bench.verdict import FAILS, HOLDS, UNCLEAR, Finding, Scores, paired_difference
from interplay.lm.client import Message
from interplay.methods import context_evolve as evolve
from interplay.methods import writing
from interplay.methods.context_evolve import Directed, Roles, Settings, Write, counted
from interplay.methods.evolution import Evolution, Score, Tried
from interplay.run import searching
from interplay.text import context, roles
from interplay.text.genome import diff
from interplay.text.roles import Said
from interplay.text.sandbox import Pool
from interplay.text.systems import TASKS, named
from interplay.text.systems.task import LIMITS, Task, of_program, of_strategy
from interplay.text.trial import Allowance
from interplay.update.archive import everything

FOLDER = Path("runs") / "claims" / "context-evolve-searches"
WORKERS = 4  # as many as a batch has: most of the time is waiting for one another
TOKENS, AREA, SEEN = "equal tokens", "area", "seen"
NARROW = 12  # candidates that a sampler by a model would choose from


def _whole(task: Task, s: Settings) -> Roles:
    return evolve.embedded(task, s)


def _no_summaries(task: Task, s: Settings) -> Roles:
    return _whole(task, s)._replace(begin=evolve.NEUTRAL.begin, summarize=evolve.NEUTRAL.summarize)


def _no_navigator(task: Task, s: Settings) -> Roles:
    return _whole(task, s)._replace(navigate=evolve.NEUTRAL.navigate)


def _no_sampler(task: Task, s: Settings) -> Roles:
    return _whole(task, s)._replace(sample=None)


def _shuffled(task: Task, s: Settings) -> Roles:
    whole = _whole(task, s)
    return whole._replace(navigate=context.shuffled(whole.navigate))


ARMS: Mapping[str, Callable[[Task, Settings], Roles] | None] = {
    "context": _whole,
    "plain": None,
    "no summaries": _no_summaries,
    "no navigator": _no_navigator,
    "no sampler": _no_sampler,
    "shuffled": _shuffled,
    "unselected": None,
}
LACKING = ("no summaries", "no navigator", "no sampler")


def metered(task: Task, parts: Roles) -> Roles:
    """Roles that cost what a model in their place would read and write; an empty answer costs nothing."""
    narrow, choose = context.sampler(), parts.sample or context.sampler()

    def summarize(child, parent, before):
        said = parts.summarize(child, parent, before)
        asked = roles.summary_prompt(child, parent, before)
        return priced(said, asked, said.value.text) if said.value and said.value.traits else said

    def navigate(tracks, rng):
        said = parts.navigate(tracks, rng)
        return priced(said, roles.aim_prompt(tracks), said.value.text) if said.value and said.value.text else said

    def sample(examples, before, aim, count):
        said = choose(examples, before, aim, count)
        some = {trial.genome.hash for trial in narrow(examples, before, aim, NARROW).value or ()}
        shown = [each for each in examples if each.trial.genome.hash in some]
        return priced(said, roles.examples_prompt(shown, before, aim, count), "[0, 1, 2]")

    return Roles(parts.begin, summarize, navigate, sample if parts.sample else None)


def priced(said: Said, asked: Sequence[Message], answer: str) -> Said:
    """What a role said, at the price of a model's question and answer."""
    return dataclasses.replace(said, spent=counted(asked, answer))


def metered_write(task: Task, write: Write) -> Write:
    """A proposer that costs what a model in its place would read, and the change as it would write it."""

    def propose(wanted: Directed, rng: np.random.Generator):
        made = write(wanted, rng)
        asked = writing.prompt(evolve.about(task), wanted.ask, wanted.summary.text, wanted.aim.text)
        return made._replace(spent=counted(asked, diff(wanted.ask.parent.genome, made.genome) if made.genome else ""))

    return propose


def search(arm: str, task: Task, s: Settings, score: Score) -> Evolution:
    """The search of an arm."""
    write, parts = metered_write(task, evolve.mutation(task, s)), ARMS[arm]
    if parts is None:
        keep = everything(s.examples) if arm == "unselected" else None
        return evolve.plain(s, score, write, keep)
    return evolve.build(s, score, metered(task, parts(task, s)), write)


def study(game: str, scale: Scale) -> Mapping[str, Outcome]:
    """Scores on held-out instances of what searches found, at equal evaluations and tokens, and of what people have written."""
    task = named(game)
    with Pool(LIMITS, workers=WORKERS) as pool:
        score = evolve.scorer(task, task.train(), pool)
        finds = {arm: [found(arm, game, scale.steps, seed, score) for seed in range(scale.seeds)] for arm in ARMS}
        unseen = cache(lambda text: of_program(task, task.read(text), task.held_out(), pool).score)
        outcomes = {arm: _outcome(some, finds["plain"], unseen, scale) for arm, some in finds.items()}
    start = unseen_of(task, "start")
    people = unseen_of(task, best_known(game))
    return outcomes | {"start": Outcome([start] * scale.seeds), "best known": Outcome([people] * scale.seeds)}


def _outcome(
    some: Sequence[Sequence[Tried]], plain: Sequence[Sequence[Tried]], unseen: Callable[[str], float], scale: Scale
) -> Outcome:
    limits = [one[-1].tokens for one in plain]
    early = [[each for each in one if each.tokens <= limit] for one, limit in zip(some, limits, strict=True)]
    curves = [np.maximum.accumulate([each.trial.score for each in one]) for one in some]
    also = {TOKENS: [unseen(_best(one)) for one in early]}
    also |= {AREA: [float(curve.mean()) for curve in curves], SEEN: [float(curve[-1]) for curve in curves]}
    spent = {"evaluations": scale.steps, "tokens": float(np.mean([one[-1].tokens for one in some]))}
    return Outcome([unseen(_best(one)) for one in some], _curve(curves), spent, also)


def _best(tried: Sequence[Tried]) -> str:
    return max((each.trial for each in tried), key=lambda trial: trial.score).genome.text


def found(arm: str, game: str, evaluations: int, seed: int, score: Score) -> list[Tried]:
    """What a search tried, in order; it goes on where it was cut."""
    s, task = Settings(task=game), named(game)
    asked = {"seed": seed, "arm": arm, "settings": searching.plain_settings(s)}
    path, allowed = FOLDER / f"{game}-{arm.replace(' ', '-')}-{evaluations}-{seed}", Allowance(evaluations=evaluations)
    start = [task.genome(task.start)]
    state = searching.run(search(arm, task, s, score), start, path, asked, allowed, lambda state, share: None)
    return list(state.tried.values())


@cache
def best_known(game: str) -> str:
    """Which of the strategies that people know is best on the instances that are searched on."""
    task = named(game)
    names = [*task.known, *task.strategies]
    with Pool(LIMITS) as pool:
        of = {name: of_program(task, task.genome(text), task.train(), pool).score for name, text in task.known.items()}
    of |= {name: of_strategy(task, make, task.train())["score"] for name, make in task.strategies.items()}
    return max(names, key=of.__getitem__)


def unseen_of(task: Task, name: str) -> float:
    """The score of a known strategy, or of the start, on held-out instances."""
    if name in task.strategies:
        return of_strategy(task, task.strategies[name], task.held_out())["score"]
    with Pool(LIMITS) as pool:
        text = task.start if name == "start" else task.known[name]
        return of_program(task, task.genome(text), task.held_out(), pool).score


def _curve(curves: Sequence[np.ndarray]) -> dict[str, list]:
    last = min(map(len, curves))
    at = np.unique(np.linspace(1, last, 20).astype(int))
    return {"steps": at.tolist(), "curves": [curve[at - 1].round(4).tolist() for curve in curves]}


def ahead(a: str, b: str, heading: str = "") -> Callable[[Scores], list[Finding]]:
    """Arm `a` beats arm `b`, seed by seed, on the mean of the tasks."""

    def look(scores: Scores) -> list[Finding]:
        games = [f"{label} @ {heading}" if heading else label for label in TASKS]
        if any(arm not in scores.get(game, {}) for arm in (a, b) for game in games):
            return [Finding(UNCLEAR, f"{a} or {b} has no result on some task", -np.inf, np.inf)]
        first, second = (np.mean([scores[game][arm] for game in games], 0) for arm in (a, b))
        middle, low, high = paired_difference(first, second)
        words = f"{a} beats {b} on the mean of the tasks{f' ({heading})' if heading else ''}"
        state = HOLDS if low > 0 else FAILS if high < 0 else UNCLEAR
        return [Finding(state, f"{words}: the difference is {middle:.3g} [{low:.3g}, {high:.3g}]", low, high)]

    return look


def pooled(a: str, b: str, by: float = 0.0, *, on: Sequence[str] = (), higher: bool = True):
    """`ahead`, as controls are judged."""
    return ahead(a, b)


CLAIM = Claim(
    slug="context-evolve",
    method="context-evolve",
    sentence="Summaries, an aim and chosen examples find better systems code than plain evolution does, at equal cost.",
    source="Su, Zheng and Li (2026), abstract (language models there)",
    paper="33.3 % better than the best baseline with 29.0 % fewer tokens, on the ADRS tasks",
    unit="score from 0 to 1 on instances not searched on (typed mutator and embedded roles, no language model)",
    games={name: name for name in TASKS},
    arms={
        "context": Joint(study, "context", "all roles"),
        "plain": Joint(study, "plain", "no roles: best-of evolution"),
        **{name: Joint(study, name, f"{name.removeprefix('no ')} left away") for name in LACKING},
        "start": Joint(study, "start", "the program that searches start from"),
        "best known": Joint(study, "best known", "people's strategy that is best on the instances searched on"),
    },
    controls={
        "shuffled": Control(Joint(study, "shuffled", "the navigator sees changes of other steps"), against="context"),
        "unselected": Control(Joint(study, "unselected", "parents from everything that was tried"), against="context"),
    },
    scales={"smoke": Scale(2, 5), "small": Scale(5, 80), "paper": Scale(10, 200)},  # steps are evaluations
    expect=(
        ahead("context", "plain"),
        ahead("context", "plain", TOKENS),
        *(ahead("context", arm) for arm in LACKING),
    ),
    beats=pooled,
)
