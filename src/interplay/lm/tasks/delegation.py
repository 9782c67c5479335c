"""Two-hop look-up: a planner answers questions about facts it cannot see, and sends a seeker for one fact at a time.

`two-hop` is a team within the team: each `ask` of the planner starts the seeker anew, which finds the shelf of a name (by
heart), picks what was asked for from what stands there, and reports. Questions need one to four facts (`gold arlo` one,
`gold friend arlo or rival bela` four), so the seeker is called a varying number of times, more often where tasks are hard.
`two-hop-alone` is one clerk who looks up and answers in a single dialogue. Facts are drawn anew for every task.

Source: modeled on the planner and searcher of "Multi-agent deep research: training multi-agent systems with M-GRPO" (2025).
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from interplay.core.errors import InputError
from interplay.lm.model import Request
from interplay.lm.scene import Scene

NAMES = ["arlo", "bela", "cosmo", "dora", "egon", "fay", "gita", "hugo"]
SHELVES = ["north", "south", "east", "west", "upper", "lower", "inner", "outer"]
LINKS = ["friend", "rival"]
MEASURES = ["gold", "age"]
NUMBERS = [str(number) for number in range(10)]
ASKS = [f"ask {name} {relation}" for name in NAMES for relation in (*LINKS, *MEASURES)]
ANSWERS = [f"answer {number}" for number in NUMBERS]
FINDS = [f"find {shelf}" for shelf in SHELVES]
LOOKS = [f"{find} {relation}" for find in FINDS for relation in (*LINKS, *MEASURES)]
REPORTS = [f"report {value}" for value in (*NAMES, *NUMBERS)]
VOCABULARY = (*NAMES, *SHELVES, *LINKS, *MEASURES, *NUMBERS, "ask", "answer", "find", "report", "or", "nothing")


class Question(NamedTuple):
    """The largest `measure` of some people, each named or the link of somebody named; facts are by name and relation."""

    measure: str
    terms: tuple[tuple[str, str], ...]
    facts: Mapping[str, Mapping[str, str]]

    @property
    def words(self) -> str:
        """What the planner reads: `gold arlo or rival bela`."""
        return f"{self.measure} " + " or ".join(f"{link} {name}".strip() for link, name in self.terms)

    @property
    def needed(self) -> int:
        """How many facts settle it."""
        return sum(2 if link else 1 for link, _ in self.terms)

    @property
    def answer(self) -> str:
        """The right number."""
        people = [self.facts[name][link] if link else name for link, name in self.terms]
        return max(self.facts[person][self.measure] for person in people)

    def __str__(self) -> str:
        return f"{self.words} (answer: {self.answer})"


def two_hop(
    form: float = 0.1,
    main: float = 0.5,
    expert: float = 0.4,
    own: float = 0.1,
    asks: int = 6,
    skill: float = 0.9,
    seeking: float = 0.8,
) -> Scene:
    """The scene. The planner earns `form` where all it said was well formed, and 1 − `form` for the right answer.

    The seeker earns, for all it says when called once, `own` where that was well formed, `expert` where its report is
    right, and `main` where the whole episode is. At most `asks` calls. Demonstrations are right with probability `skill` a
    turn of the planner's and `seeking` of the seeker's, and a random legal message otherwise. Raises `InputError` for
    shares outside [0, 1].
    """
    _shares(form=form, main=main, expert=expert, own=own, skill=skill, seeking=seeking)

    async def seek(team, errand):
        """One errand of the seeker's: its report, or a note that there is none."""
        question, asked = errand
        said = [await team.say("seeker", asked)]
        if said[0].text in FINDS:
            said.append(
                await team.say(
                    "seeker", asked, said[0], team.note(_shelf(question, said[0].text, asked.text.split()[2]))
                )
            )
        formed = len(said) == 2 and said[-1].text in REPORTS
        served = formed and said[-1].text.split()[1] == _fact(question, asked.text)
        team.transcript.count("served", int(served))
        for message in said:
            team.reward(message, own * formed + expert * served)
        return said[-1] if formed else team.note("nothing", "seeker")

    async def workflow(team, question: Question) -> dict[str, float]:
        read = [team.note(question.words)]
        said = await team.say("planner", *read)
        while said.text in ASKS and (len(read) - 1) // 2 < asks:
            report = await team.delegate(seek, (question, said))
            read += [said, report]
            said = await team.say("planner", *read)
        formed, right = said.text in ANSWERS, said.text == f"answer {question.answer}"
        team.transcript.count("illegal", int(not formed and said.text not in ASKS))
        team.transcript.count("right", int(right))
        return {"planner": form * formed + (1 - form) * right, "seeker": main * right}

    return Scene(
        name="two-hop",
        agents=("planner", "seeker"),
        workflow=workflow,
        draw=_draw,
        limits={"planner": 4, "seeker": 3},
        vocabulary=VOCABULARY,
        script=_script({"planner": skill, "seeker": seeking}),
        calls=3 * asks + 2,
    )


def alone(form: float = 0.1, finds: int = 6, skill: float = 0.8) -> Scene:
    """The same questions for a single clerk, who finds shelves itself and reads all of them in one dialogue."""
    _shares(form=form, skill=skill)

    async def workflow(team, question: Question) -> float:
        read = [team.note(question.words)]
        said = await team.say("clerk", *read)
        while said.text in LOOKS and (len(read) - 1) // 2 < finds:
            read += [said, team.note(_shelf(question, said.text, said.text.split()[2]))]
            said = await team.say("clerk", *read)
        formed, right = said.text in ANSWERS, said.text == f"answer {question.answer}"
        team.transcript.count("illegal", int(not formed and said.text not in LOOKS))
        team.transcript.count("right", int(right))
        return form * formed + (1 - form) * right

    return Scene(
        name="two-hop-alone",
        agents=("clerk",),
        workflow=workflow,
        draw=_draw,
        limits={"clerk": 4},
        vocabulary=VOCABULARY,
        script=_script({"clerk": skill}),
        calls=finds + 1,
    )


def filed(name: str) -> str:
    """The shelf that a name stands on: a fixed order, a shelf for each."""
    return SHELVES[(3 * NAMES.index(name) + 5) % len(SHELVES)]


def _draw(random: np.random.Generator) -> Question:
    pick = lambda words: str(words[int(random.integers(len(words)))])
    facts = {}
    for name in NAMES:
        others = [other for other in NAMES if other != name]
        facts[name] = {link: pick(others) for link in LINKS} | {measure: pick(NUMBERS) for measure in MEASURES}
    people = random.choice(NAMES, int(random.integers(1, 3)), replace=False).tolist()
    return Question(pick(MEASURES), tuple((pick(["", "", *LINKS]), name) for name in people), facts)


def _columns(relation: str) -> list[str]:
    return LINKS if relation in LINKS else MEASURES


def _fact(question: Question, ask: str) -> str:
    _, name, relation = ask.split()
    return question.facts[name][relation]


def _shelf(question: Question, find: str, relation: str) -> str:
    """What stands on a shelf in two columns, friend and rival, or gold and age: `bela cosmo`, `7 3`."""
    name = next(name for name in NAMES if filed(name) == find.split()[1])
    return " ".join(question.facts[name][column] for column in _columns(relation))


def _shares(**given: float) -> None:
    for name, share in given.items():
        if not 0 <= share <= 1:
            raise InputError(f"two-hop: {name} is {share}: give a share from 0 to 1")


def _script(skills: Mapping[str, float]):
    """Somebody who does the right thing with the agent's share of turns, else any legal thing."""

    def script(request: Request, random: np.random.Generator) -> str:
        right, legal = RIGHT[request.agent](request)
        return right if random.random() < skills[request.agent] else str(random.choice(legal))

    return script


def _next(question: Question, known: Sequence[str]) -> tuple[str, str] | str:
    """The (name, relation) to ask for next, having been told `known` in order; or the answer, where that is all."""
    told, values = iter(known), []
    for link, name in question.terms:
        person = name
        if link:
            person = next(told, None)
            if person is None:
                return name, link
        value = next(told, None)
        if value is None:
            return person if person in NAMES else name, question.measure
        values.append(value)
    return max((value for value in values if value in NUMBERS), default="0")


def _plan(request: Request) -> tuple[str, Sequence[str]]:
    known = [said.text.split()[-1] for said in request.reads if said.author == "seeker"]
    wanted = _next(request.task, known)
    return f"answer {wanted}" if isinstance(wanted, str) else " ".join(("ask", *wanted)), [*ASKS, *ANSWERS]


def _seek(request: Request) -> tuple[str, Sequence[str]]:
    _, name, relation = request.reads[0].text.split()
    if len(request.reads) == 1:
        return f"find {filed(name)}", FINDS
    return f"report {_read(request.reads[-1].text, relation)}", REPORTS


def _clerk(request: Request) -> tuple[str, Sequence[str]]:
    looks, shelves = request.reads[1::2], request.reads[2::2]
    known = [_read(shelf.text, look.text.split()[2]) for look, shelf in zip(looks, shelves, strict=True)]
    wanted = _next(request.task, known)
    return f"answer {wanted}" if isinstance(wanted, str) else f"find {filed(wanted[0])} {wanted[1]}", [*LOOKS, *ANSWERS]


def _read(shelf: str, relation: str) -> str:
    return shelf.split()[_columns(relation).index(relation)]


RIGHT = {"planner": _plan, "seeker": _seek, "clerk": _clerk}
