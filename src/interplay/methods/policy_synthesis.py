"""Policy synthesis: readable policies for social dilemmas, written again and again from what feedback says of the last.

All agents of a game follow one policy text (`text.policies`). It is played against itself; then a proposer is told how that
went and writes the next. What is studied is the feedback: the reward alone (sparse), or efficiency, equality, sustainability
and peace with it (dense); everything else is the same. The proposer here learns *which kind of change* to try, from what
feedback says: a contextual bandit over the changes of `text.policy_changes`, fitted beforehand on a small map. A language
model behind an endpoint may propose instead, from the same feedback in words.

Source: Gallego, "Cooperation and Exploitation in LLM Policy Synthesis for Sequential Social Dilemmas" (2026).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from interplay import games
from interplay.core.errors import InputError
from interplay.core.names import chosen
from interplay.methods.evolution import (
    Ask,
    Criticize,
    Evolution,
    Generator,
    Proposal,
    Propose,
    Score,
    Searching,
    evolution,
)
from interplay.text import policies, policy_changes
from interplay.text.genome import Genome
from interplay.text.policies import Policy
from interplay.text.policy_play import Evaluator, Scores
from interplay.text.trial import Trial
from interplay.update.archive import Acceptance, Entry, Picked, best

PART = "policy"
METRICS = Scores._fields


@dataclass(frozen=True)
class Settings:
    """What a synthesis is told."""

    game: str = "cleanup"
    """Game that policies are written for"""
    feedback: str = "dense"
    """What the proposer is told: sparse, dense, or shuffled (a control: the metrics of another policy)"""
    start: str = "greedy"
    """The policy to start from, one of `text.policies.REFERENCES`"""
    keep: str = "best"
    """The policy to go on from: the best so far, or the latest, as published"""
    length: int = 400
    """Steps of an episode while searching"""
    episodes: int = 2
    """Episodes that a policy is scored on while searching"""
    report_length: int = 1000
    """Steps of an episode for the report"""
    report_episodes: int = 5
    """Episodes for the report, others than those of the search"""
    batch: int = 4
    """Proposals from one policy before any is played"""
    practice: int = 960
    """Changes tried beforehand on the small map, to learn from; 0: none"""
    practice_game: str = ""
    """The small map; empty: a small one of the same game"""
    temperature: float = 0.05
    """Of the choice between changes, in reward of an agent in ten steps"""
    explore: float = 0.15
    """Share of changes that are drawn evenly"""
    ridge: float = 3.0
    """Experiences that say that no change helps, in units of features squared"""

    def __post_init__(self):
        for name in ("length", "episodes", "report_length", "report_episodes", "batch"):
            if getattr(self, name) < 1:
                raise InputError(f"policy synthesis got {name}={getattr(self, name)}: give 1 or more")
        if self.practice < 0 or self.temperature <= 0 or self.ridge <= 0 or not 0 <= self.explore <= 1:
            raise InputError("practice is 0 or more, temperature and ridge above 0, explore from 0 to 1")
        chosen(FEEDBACK, "the feedback", self.feedback)
        chosen(KEEP, "the policy kept", self.keep)
        chosen(policies.REFERENCES, "the policy to start from", self.start)


ABOUT = f"""The text is a policy that all agents of a grid game follow. It has plans; each follows the first whose
condition holds: if CONDITION: ... else: ..., at most {policies.MOST} plans, or one plan "always:". A CONDITION compares waste
(foul share of the river, 0 to 1), apples (ripe share), rival (steps to the next agent) or id % M with a number, by < or >=.
Lines of a plan:
cleaners N, or: cleaners N, M where waste >= SHARE - how many agents clean the river instead of eating; cleaning costs 1
chosen lowest, nearest or rotating STEPS - which agents clean: lowest ids, nearest to the river, ids that move on
trigger N - foul cells that a cleaning beam must clear to be worth it
apples nearest, zones or closest - any apple, those of one's own zone, those that no other agent is nearer to
idle stand or home - where there is no such apple: stand, or go to the middle of one's zone
fire never, near STEPS or contested STEPS - at rivals in the beam: never, near ones, those near the same apple
Where much of the river is foul no apples grow. The score is the mean return of an agent: higher is better."""

Numbers = Float[np.ndarray, "feature"]


class Told(NamedTuple):
    """One feedback: which metrics it tells, and of which trial (by their numbers in the order of trials)."""

    metrics: tuple[str, ...]
    whose: Callable[[int, str], int]


def _other(number: int, name: str) -> int:
    """An earlier trial, drawn by the trial's name: the metrics of one policy shown for another."""
    return int(name, 16) % number if number else 0


SOCIAL = ("equality", "sustainability", "peace")
FEEDBACK = {
    "sparse": Told((), lambda number, name: number),
    "dense": Told(SOCIAL, lambda number, name: number),
    "shuffled": Told(SOCIAL, _other),
}
MEANING = {
    "efficiency": "what all agents together earn in a step",
    "equality": "1 if all earn alike, less the more they differ, below 0 where some lose",
    "sustainability": "the mean step at which rewards come: higher is later",
    "peace": "the mean number of agents that are not put out by a beam",
}


class Scale(NamedTuple):
    """What metrics are measured against: steps of an episode and agents."""

    steps: int
    agents: int


def features(
    told: Told, scale: Scale, now: dict[str, float], before: dict[str, float], shown: dict[str, float]
) -> Numbers:
    """What the bandit sees: φ = (1, r, Δr) and, where feedback is dense, also (E, S, P), each about 1 in size.

    r is the reward of an agent in ten steps, Δr what it gained over its parent; E is cut off below −2, S and P are shares of
    their largest values. `shown` are the metrics that are told.
    """
    rate = lambda of: 10 * of["reward"] / scale.steps
    row = [1.0, np.tanh(rate(now)), np.tanh(rate(now) - rate(before))]
    size = {"equality": 1.0, "sustainability": scale.steps, "peace": scale.agents}
    row += [max(shown[name] / size[name], -2.0) for name in told.metrics]
    return np.array(row)


class Experience(NamedTuple):
    """What was tried: the features of a parent, which change, and what an agent won by it in ten steps, from 0 to 1."""

    features: Float[np.ndarray, "trial feature"]
    change: Int[np.ndarray, "trial"]
    gain: Float[np.ndarray, "trial"]


def expected(past: Sequence[Experience], now: Numbers, ridge: float) -> Float[np.ndarray, "change"]:
    """What each change is expected to win: w_k · φ, with w_k = (Σ φφᵀ + ridge I)⁻¹ Σ φ gain over the trials of change k.

    >>> once = Experience(np.ones((1, 1)), np.array([2]), np.array([1.0]))
    >>> expected([once], np.ones(1), ridge=1.0)[2].round(2)
    np.float64(0.5)
    """
    rows, changes, gains = (np.concatenate(part) for part in zip(*past, strict=True))
    wins = np.zeros(len(policy_changes.NAMES))
    for change in range(len(wins)):
        own = rows[changes == change]
        weights = np.linalg.solve(own.T @ own + ridge * np.eye(len(now)), own.T @ gains[changes == change])
        wins[change] = now @ weights
    return wins


def likely(wins: Float[np.ndarray, "change"], temperature: float, explore: float) -> Float[np.ndarray, "change"]:
    """Chances of changes: (1 − explore) softmax(wins / temperature) + explore / number of changes.

    >>> likely(np.zeros(2), 1.0, 0.5).tolist()
    [0.5, 0.5]
    """
    weight = np.exp((wins - wins.max()) / temperature)
    return (1 - explore) * weight / weight.sum() + explore / len(wins)


def _gain(scale: Scale, now: dict[str, float], before: dict[str, float]) -> float:
    """The improvement; a policy that is worse costs a trial, however much worse it is."""
    return float(np.clip(10 * (now["reward"] - before["reward"]) / scale.steps, 0, 1))


class History:
    """Trials in their order, as feedback tells of them."""

    def __init__(self, told: Told, scale: Scale, trials: Sequence[Trial]):
        self.told, self.scale, self.trials = told, scale, trials
        self.number = {trial.genome.hash: at for at, trial in enumerate(trials)}

    def features(self, trial: Trial) -> Numbers:
        """`features` of a trial."""
        parent = self.parent(trial) or trial
        shown = self.trials[self.told.whose(self.number[trial.genome.hash], trial.genome.hash)]
        return features(self.told, self.scale, dict(trial.metrics), dict(parent.metrics), dict(shown.metrics))

    def parent(self, trial: Trial) -> Trial | None:
        names = trial.genome.parents
        return self.trials[self.number[names[0]]] if names and names[0] in self.number else None

    def experience(self) -> Experience:
        """What the trials teach."""
        rows, changes, gains = [np.zeros((0, 3 + len(self.told.metrics)))], [], []
        for trial in self.trials:
            parent = self.parent(trial)
            if parent is not None and trial.genome.how in policy_changes.NAMES:
                rows.append(self.features(parent)[None])
                changes.append(policy_changes.NAMES.index(trial.genome.how))
                gains.append(_gain(self.scale, dict(trial.metrics), dict(parent.metrics)))
        return Experience(np.concatenate(rows), np.array(changes, int), np.array(gains))


def genome(policy: Policy, parents: tuple[str, ...] = (), how: str = "seed") -> Genome:
    """A policy as text."""
    return Genome({PART: policies.write(policy)}, parents, how)


def read(text: str) -> Genome:
    """The genome of a policy's text, with or without its name in front. Raises `InputError` as `policies.parse` does."""
    return genome(policies.parse(text.strip().removeprefix(f"{PART} =")))


def scorer(look: Callable[[Sequence[Policy]], Sequence[Scores]]) -> Score:
    """Play genomes; their score is the mean return of an agent."""

    def score(genomes: Sequence[Genome]) -> list[Trial]:
        found = look([policies.parse(one.parts[PART]) for one in genomes]) if genomes else []
        return [Trial(one, float(each.reward), each._asdict()) for one, each in zip(genomes, found, strict=True)]

    return score


def bandit(s: Settings, history: History, learned: Experience) -> Propose:
    """The change that is expected to help most, mostly; what was learned beforehand counts as the trials of this search do."""
    past = [learned, history.experience()]

    def propose(ask: Ask, rng: Generator) -> Proposal:
        wins = expected(past, history.features(ask.parent), s.ridge)
        chances = likely(wins, s.temperature, s.explore)
        parent = policies.parse(ask.parent.genome.parts[PART])
        for how in rng.choice(
            policy_changes.NAMES, size=len(chances), replace=False, p=chances
        ):  # the next where one fails
            made = policy_changes.change(parent, str(how), rng, lambda child: ask.known(genome(child)))
            if made is not None:
                return Proposal(genome(made.policy, (ask.parent.genome.hash,), made.how))
        return Proposal(None, failure="no new policy was found")

    return propose


def critic(history: History) -> Criticize:
    """Feedback in words, a row for each policy so far: the reward, and where it is dense the metrics and what they mean."""

    def criticize(trial: Trial) -> str:
        dense = bool(history.told.metrics)
        rows = [_row(number, history, one) for number, one in enumerate(history.trials) if one.valid]
        meaning = [f"{name}: {words}." for name, words in MEANING.items()] if dense else []
        return "\n".join(["Make the reward of an agent as high as you can. So far:", *rows[-20:], *meaning])

    return criticize


def _row(number: int, history: History, trial: Trial) -> str:
    line = f"policy {number}: reward {trial.metrics['reward']:.2f}"
    if not history.told.metrics:
        return line
    shown = history.trials[history.told.whose(number, trial.genome.hash)].metrics
    return line + "".join(f", {name} {shown[name]:.2f}" for name in MEANING)


def latest() -> Acceptance:
    """Go on from what was tried last, better or not, as published."""
    return Acceptance(
        lambda: (), lambda state, entry, place: (entry,), lambda state, rng: Picked(state[0], ()), lambda state: state
    )


KEEP: dict[str, Callable[[], Acceptance]] = {"best": lambda: best(1, mates=0), "latest": latest}


def build(
    s: Settings, *, score: Score | None = None, propose: Propose | None = None, learned: Experience | None = None
) -> Evolution:
    """The search: the bandit proposes unless another proposer is passed; `score` is self-play on the game unless passed.

    The state of the bandit is a function of what was tried, so that a search that is read from a file goes on as if never cut.
    """
    game = games.make(s.game)
    told, scale = FEEDBACK[s.feedback], Scale(s.length, game.spec.agents)
    score = score or scorer(player(s.game, s.length, s.episodes, s.batch))
    learned = practiced(s) if learned is None else learned
    entry = lambda trial: Entry(trial.genome.hash, trial.score)
    keep = KEEP[s.keep]()

    def told_so_far(trials: Sequence[Trial]) -> Evolution:
        history = History(told, scale, trials)
        return evolution(propose or bandit(s, history, learned), critic(history), keep, score, entry, batch=s.batch)

    def step(state: Searching, rng: Generator, most: int | None = None):
        return told_so_far([each.trial for each in state.tried.values()]).step(state, rng, most)

    first = told_so_far(())
    return Evolution(first.init, step, first.replay)


@cache
def player(game: str, steps: int, episodes: int, lanes: int, key: int = 0) -> Evaluator:
    """Self-play on a game, compiled once."""
    return Evaluator(games.make(game), steps=steps, seeds=episodes, lanes=lanes, key=key)


PRACTICE = {
    "cleanup": "cleanup(map='pond', agents=4)",
    "gathering": "gathering(map='garden', agents=3)",
    "harvest": "harvest(map='garden', agents=3)",
}
WALKS = 24  # policies that wander side by side in practice
STRAY = 0.3  # chance to go on from a worse child


def practiced(s: Settings) -> Experience:
    """What evenly drawn changes win on the small map, in the words of the feedback: walks that mostly climb, from the start.

    The same changes are tried whatever the feedback is.
    """
    width = 3 + len(FEEDBACK[s.feedback].metrics)
    if not s.practice:
        return Experience(np.zeros((0, width)), np.zeros(0, int), np.zeros(0))
    small = s.practice_game or chosen(PRACTICE, "the game to practice on (practice_game)", s.game.split("(")[0])
    scale = Scale(s.length, games.make(small).spec.agents)
    history = History(FEEDBACK[s.feedback], scale, _walked(small, s.start, s.length, s.practice))
    return history.experience()


@cache
def _walked(game: str, start: str, steps: int, count: int) -> tuple[Trial, ...]:
    rng, score = np.random.default_rng(0), scorer(player(game, steps, 1, WALKS))
    tried = {trial.genome.hash: trial for trial in score([genome(policies.REFERENCES[start])])}
    now = [next(iter(tried.values()))] * WALKS
    while len(tried) <= count:
        fresh: dict[str, tuple[int, Genome]] = {}
        for walk, trial in enumerate(now):
            how = policy_changes.NAMES[int(rng.integers(len(policy_changes.NAMES)))]
            refuse = lambda child, fresh=fresh: genome(child).hash in tried or genome(child).hash in fresh
            made = policy_changes.change(policies.parse(trial.genome.parts[PART]), how, rng, refuse)
            if made is not None:
                child = genome(made.policy, (trial.genome.hash,), how)
                fresh[child.hash] = (walk, child)
        for (walk, _), trial in zip(fresh.values(), score([child for _, child in fresh.values()]), strict=True):
            tried[trial.genome.hash] = trial
            if trial.score > now[walk].score or rng.random() < STRAY:
                now[walk] = trial
    return tuple(tried.values())
