"""The ledger: a team is asked for the entry of a name. Half of the names are known by heart, the others must be looked up.

A router reads the name and says `search` or `answer`; a searcher turns the name into one of a few query words; an answerer
reads what is remembered and what was found and says a value. Values are drawn anew for every task. The right query finds
the value, a wrong one finds another. The searcher is needed seldom, and on other tasks than the rest of the team: the
situation in which one baseline for all agents is wrong for each of them.

Source: modeled on the popular and rare questions of Feng et al., "Dr. MAS" (2026), section 5.2.
"""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from interplay.core.errors import InputError
from interplay.lm.model import Request
from interplay.lm.scene import Scene

NAMES = [
    "arlo", "bela", "cosmo", "dora", "egon", "fay", "gita", "hugo",
    "ines", "jonas", "kira", "leon", "mona", "nils", "olga", "pia",
]  # fmt: skip
QUERIES = ["north", "south", "east", "west", "upper", "lower", "inner", "outer"]
VALUES = ["iron", "wool", "salt", "silk", "corn", "clay", "jade", "wine"]
AGENTS = ("router", "searcher", "answerer")
VOCABULARY = (*NAMES, *QUERIES, *VALUES, "search", "answer", "remember", "nothing", "found")
ILLEGAL = -0.1  # for a turn that is none of its legal words
INSTRUCTIONS = {
    "router": "You are given a name. Say search to have it looked up, or answer if it is known. Say one word.",
    "searcher": f"You are given a name. Say where it is filed. Say one word of: {', '.join(QUERIES)}.",
    "answerer": f"Say the word that is remembered, or else the word that was found. Say one word of: {', '.join(VALUES)}.",
}


class Question(NamedTuple):
    """A name and its value; `other` is what a wrong query finds."""

    name: str
    value: str
    other: str

    def __str__(self) -> str:
        return f"{self.name} (entry: {self.value})"


def ledger(
    known: float = 0.9, unknown: float = 0.1, searches: int = 2, cost: float = 0.05, skill: float = 0.7
) -> Scene:
    """The scene. The first half of the names is remembered with probability `known`, the second with `unknown`.

    At most `searches` look-ups, each of which costs `cost` of the reward, 1 for the right value. Demonstrations are right
    with probability `skill` a turn, and a random legal word otherwise. Raises `InputError` for shares outside [0, 1].
    """
    for name, share in (("known", known), ("unknown", unknown), ("skill", skill)):
        if not 0 <= share <= 1:
            raise InputError(f"ledger: {name} is {share}: give a share from 0 to 1")

    async def workflow(team, question: Question) -> float:
        asked = team.note(question.name)
        found = []
        while len(found) < searches:
            route = await team.say("router", asked, *found)
            _fined(team, route, ("search", "answer"))
            if route.text != "search":
                break
            query = await team.say("searcher", asked)
            _fined(team, query, QUERIES)
            found.append(team.note(f"found {_looked_up(question, query.text)}"))
        heart = team.random.random() < (known if NAMES.index(question.name) < len(NAMES) // 2 else unknown)
        memory = team.note(f"remember {question.value if heart else 'nothing'}")
        answer = await team.say("answerer", memory, *found[-1:])
        _fined(team, answer, VALUES)
        return float(answer.text == question.value) - cost * len(found)

    return Scene(
        name="ledger",
        agents=AGENTS,
        workflow=workflow,
        draw=_draw,
        instructions=INSTRUCTIONS,
        limits=dict.fromkeys(AGENTS, 2),
        vocabulary=VOCABULARY,
        script=_script(skill),
        calls=2 * searches + 2,
    )


def alone(known: float = 0.9, unknown: float = 0.1, searches: int = 2, cost: float = 0.05, skill: float = 0.7) -> Scene:
    """The same task for a single clerk, who reads all that was said and found and routes, searches and answers."""

    async def workflow(team, question: Question) -> float:
        read = [team.note(question.name)]
        found = 0
        while found < searches:
            said = await team.say("clerk", *read)
            _fined(team, said, ("answer", *(f"search {query}" for query in QUERIES)))
            read.append(said)
            if not said.text.startswith("search"):
                break
            found += 1
            read += [team.note(f"found {_looked_up(question, said.text.split()[-1])}")]
        heart = team.random.random() < (known if NAMES.index(question.name) < len(NAMES) // 2 else unknown)
        answer = await team.say("clerk", *read, team.note(f"remember {question.value if heart else 'nothing'}"))
        _fined(team, answer, VALUES)
        return float(answer.text == question.value) - cost * found

    return Scene(
        name="ledger-alone",
        agents=("clerk",),
        workflow=workflow,
        draw=_draw,
        limits={"clerk": 3},
        vocabulary=VOCABULARY,
        script=_script(skill),
        calls=searches + 1,
    )


class _Chance:
    """A conversation in which chance speaks for the router."""

    def __init__(self, team, share: float):
        self._team, self._share = team, share

    def __getattr__(self, name: str):
        return getattr(self._team, name)

    async def say(self, agent: str, *parts, **given):
        if agent != "router":
            return await self._team.say(agent, *parts, **given)
        searches = len(parts) < 2 and self._team.random.random() < self._share
        return self._team.note("search" if searches else "answer", "router")


def routed(share: float = 0.3) -> Scene:
    """The ledger whose router is chance: it searches with probability `share`, once. For studies of the searcher."""
    scene = ledger()
    return dataclasses.replace(
        scene, name="ledger-routed", workflow=lambda team, question: scene.workflow(_Chance(team, share), question)
    )


def right_query(name: str) -> str:
    """The word under which a name is filed: a fixed order, two names a word."""
    return QUERIES[(5 * NAMES.index(name) + 3) % len(QUERIES)]


def _draw(random: np.random.Generator) -> Question:
    name = NAMES[int(random.integers(len(NAMES)))]
    value, other = random.choice(VALUES, 2, replace=False)
    return Question(name, str(value), str(other))


def _looked_up(question: Question, query: str) -> str:
    return question.value if query == right_query(question.name) else question.other


def _fined(team, message, legal) -> None:
    if message.text not in legal:
        team.transcript.count("illegal")
        team.reward(message, ILLEGAL)


def _script(skill: float):
    """Somebody who does the right thing with probability `skill`, else any legal thing."""

    def script(request: Request, random: np.random.Generator) -> str:
        right, legal = RIGHT[request.agent](request)
        return right if random.random() < skill else str(random.choice(legal))

    return script


def _route(request: Request) -> tuple[str, Sequence[str]]:
    known = NAMES.index(request.task.name) < len(NAMES) // 2
    return "answer" if known or len(request.reads) > 1 else "search", ["search", "answer"]


def _search(request: Request) -> tuple[str, Sequence[str]]:
    return right_query(request.task.name), QUERIES


def _answer(request: Request) -> tuple[str, Sequence[str]]:
    last = [said.text.split()[-1] for said in request.reads]
    named = [word for word in last if word != "nothing"]
    return (named[0] if named else VALUES[0]), VALUES


def _clerk(request: Request) -> tuple[str, Sequence[str]]:
    last = request.reads[-1].text
    if last.startswith("remember"):
        notes = [said for said in request.reads if said.author != "clerk"]
        seen = [said.text.split()[-1] for said in reversed(notes) if said.text.split()[-1] in VALUES]
        return (seen[0] if seen else VALUES[0]), VALUES
    known = NAMES.index(request.task.name) < len(NAMES) // 2
    right = "answer" if known or len(request.reads) > 1 else f"search {right_query(request.task.name)}"
    return right, ["answer", *(f"search {query}" for query in QUERIES)]


RIGHT = {"router": _route, "searcher": _search, "answerer": _answer, "clerk": _clerk}
