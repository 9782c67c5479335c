"""reasoning-gym's tasks by name: puzzles and sums drawn without end, each with its own verifier, whose score is the reward.

`reasoning-gym:basic_arithmetic` asks "Calculate 5 - 3 - 6." and wants "-4". One agent, the solver, reads a question and
answers; a workflow of your own may have several (`--team`): what it is given has `question`, and `score(words)`. Tiny models
read in pieces (`interplay.lm.words.Pieces`), so that any question can be read and any answer be said.

Source: Stojanovski et al., "Reasoning Gym: Reasoning Environments for Reinforcement Learning with Verifiable Rewards" (2025).
"""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from interplay.core.errors import InputError
from interplay.core.names import nearest
from interplay.lm.model import Request
from interplay.lm.play import within
from interplay.lm.scene import Scene
from interplay.lm.tasks import plain
from interplay.lm.words import Pieces, common

WIDE = 2**31 - 1  # questions of one data set: those of training and those held out are different numbers of it
WHOLE = ("acre", "gsm_symbolic")  # these draw up all their questions at once: one data set for each question
SAMPLES = 32  # questions looked at for the words there are, and for how long they are
SECONDS = 10.0  # that a verifier may take
AGENT = "solver"
ASKED = "Give only the final answer, between <answer> and </answer>."
OPENED, CLOSED = "<answer>", "</answer>"
Entry = dict[str, Any]


@dataclass(frozen=True)
class Question:
    """One question, and what verifies answers to it."""

    entry: Entry
    verify: Callable[[str, Entry], float]

    @property
    def question(self) -> str:
        """What is asked."""
        return self.entry["question"]

    def score(self, words: str) -> float:
        """What the verifier gives for some words, or for those between the last <answer> and </answer>, mostly in [0, 1]."""
        return float(self.verify(answer(words), self.entry))

    def __str__(self) -> str:
        return f"{self.question.strip()} (answer: {self.entry['answer']})"


def make(name: str, skill: float = 0.6, limit: int = 0, **parameters: Any) -> Scene:
    """The scene of reasoning-gym's `name`; `parameters` are those of its data set, `limit` the longest answer in tokens.

    Without a limit it is a little more than the longest of some answers. Demonstrations are right with probability `skill`,
    and otherwise answers to another question. Raises `InputError` where the package is missing, nothing is called so, or the
    parameters do not fit.
    """
    if not 0 <= skill <= 1:
        raise InputError(f"reasoning-gym: skill is {skill}: give a share from 0 to 1")
    entry, verify = source(name, parameters)
    seen = [entry(number) for number in range(SAMPLES)]
    known = common(text for one in seen for text in (one["question"], str(one["answer"])))
    codec = Pieces(known, (AGENT,))
    answers = [str(one["answer"]) for one in seen if one["answer"] is not None]
    longest = max((len(codec.encode(text)) for text in answers), default=64)
    limit = limit or longest + longest // 4 + 2
    asked = max(len(codec.encode(one["question"])) for one in seen)

    def draw(random: np.random.Generator) -> Question:
        return Question(entry(int(random.integers(SAMPLES, WIDE))), verify)

    def script(request: Request, random: np.random.Generator) -> str:
        asked = request.task if random.random() < skill else draw(random)
        return str(asked.entry["answer"])

    return Scene(
        name=f"reasoning-gym:{name}",
        agents=(AGENT,),
        workflow=_alone if name not in plain.EVALUATED else _guarded,
        draw=draw,
        instructions={AGENT: ASKED},
        limits={AGENT: limit},
        vocabulary=known,
        script=script if answers else None,
        calls=1,
        codec=Pieces,
        context=asked + asked // 4 + limit + 4,
    )


async def _alone(team, task: Question) -> float:
    said = await team.say(AGENT, task.question)
    try:
        return task.score(said.text)
    except Exception:  # a verifier of somebody else's that trips over strange words
        team.transcript.count("verifier_errors")
        return 0.0


async def _guarded(team, task: Question) -> float:
    """The same for a verifier that computes with the answer, which may take forever."""
    said = await team.say(AGENT, task.question)
    try:
        return await within(SECONDS, task.score, said.text)
    except Exception:
        team.transcript.count("verifier_errors")
        return 0.0


def source(name: str, parameters: Mapping[str, Any]) -> tuple[Callable[[int], Entry], Callable[[str, Entry], float]]:
    """The question of every number, and the verifier, of the data set called `name`."""
    try:
        from reasoning_gym.factory import DATASETS, create_dataset
    except ModuleNotFoundError as missing:
        raise InputError(
            f"'reasoning-gym:{name}' needs the package {missing.name}: pip install 'interplay[reasoning]'"
        ) from None
    if name not in DATASETS:
        raise InputError(f"reasoning-gym has no task called '{name}': {nearest(name, sorted(DATASETS))}")
    for taken in ("seed", "size"):
        if taken in parameters:
            raise InputError(f"reasoning-gym:{name}: {taken} is set by the run: leave it out")
    try:
        whole = create_dataset(name, seed=0, size=1 if name in WHOLE else WIDE, **parameters)
    except (TypeError, ValueError, AssertionError) as wrong:
        raise InputError(f"cannot make 'reasoning-gym:{name}': {wrong}") from None
    single = lambda number: create_dataset(name, seed=number, size=1, **parameters)[0]
    gate = plain.EVALUATED.get(name)
    verify = functools.partial(_gated, whole.score_answer, gate) if gate else whole.score_answer
    return single if name in WHOLE else whole.__getitem__, verify


def _gated(verify: Callable[[str, Entry], float], gate: Callable[[str], bool], words: str, entry: Entry) -> float:
    return verify(words, entry) if gate(words) else 0.0


def answer(words: str) -> str:
    """The words between the last <answer> and what closes it, or all of them where nothing is marked.

    >>> answer("It is <answer> 4 </answer>."), answer(" 4 ")
    ('4', '4')
    """
    _, opened, marked = words.rpartition(OPENED)
    return (marked.partition(CLOSED)[0] if opened else words).strip()
