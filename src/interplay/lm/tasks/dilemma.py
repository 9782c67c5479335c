"""The iterated prisoner's dilemma for two who speak: each says A or B, hears what the other said, and so on for some rounds.

A is to cooperate and B to defect, but the words do not say so. Both speak at once; every round pays, and each agent has an
outcome of its own. Reward, punishment, temptation and the sucker's payoff are 3, 1, 5 and 0 a round.

Source: Axelrod, "The evolution of cooperation" (1984); the form is that of "Learning robust social strategies with large
language models" (2025).
"""

import asyncio

import numpy as np

from interplay.core.errors import InputError
from interplay.lm.model import Request
from interplay.lm.scene import Scene

AGENTS = ("first", "second")
COOPERATE, DEFECT = "A", "B"
WORDS = (COOPERATE, DEFECT)
PAYOFFS = {
    (COOPERATE, COOPERATE): (3, 3),
    (COOPERATE, DEFECT): (0, 5),
    (DEFECT, COOPERATE): (5, 0),
    (DEFECT, DEFECT): (1, 1),
}
RULES = (
    "You play a game of several rounds with another player. Each round both of you say A or B at once. "
    "Points: both A, 3 each; both B, 1 each; one A and one B, 0 for the A and 5 for the B. Get many points."
)


def dilemma(rounds: int = 10, remembered: int = 10, prior: float = 0.73) -> Scene:
    """The scene. Agents read what both said in the last `remembered` rounds, their own words before the other's.

    Demonstrations cooperate with probability `prior` whatever happened before. Raises `InputError` for no rounds or a share
    outside [0, 1].
    """
    if rounds < 1 or remembered < 0 or not 0 <= prior <= 1:
        raise InputError(
            f"dilemma got rounds={rounds}, remembered={remembered}, prior={prior}: give 1 or more, 0 or more, 0 to 1"
        )

    async def workflow(team, task: str) -> dict[str, float]:
        heard: list[tuple] = []
        for _ in range(rounds):
            said = await asyncio.gather(
                *(
                    team.say(agent, *_read(heard, place, remembered), answers=WORDS)
                    for place, agent in enumerate(AGENTS)
                )
            )
            heard.append(tuple(said))
            team.pay(dict(zip(AGENTS, PAYOFFS[said[0].text, said[1].text], strict=True)))
        return team.earned()

    return Scene(
        name="dilemma",
        agents=AGENTS,
        workflow=workflow,
        draw=lambda random: "a match",
        instructions=dict.fromkeys(AGENTS, RULES),
        limits=dict.fromkeys(AGENTS, 4),
        vocabulary=WORDS,
        script=mostly(prior),
        calls=2 * rounds,
    )


def mostly(share: float):
    """A script that cooperates with probability `share`."""
    return lambda request, random: COOPERATE if random.random() < share else DEFECT


def tit_for_tat(request: Request, random: np.random.Generator) -> str:
    """What the other said last; A in the first round."""
    others = [said.text for said in request.reads if said.author != request.agent]
    return others[-1] if others else COOPERATE


def grim(request: Request, random: np.random.Generator) -> str:
    """A until the other has said B within what is read."""
    return DEFECT if any(said.author != request.agent and said.text == DEFECT for said in request.reads) else COOPERATE


def _read(heard: list[tuple], place: int, remembered: int) -> list:
    """The last rounds as one of both sees them: its own word, the other's."""
    recent = heard[max(len(heard) - remembered, 0) :]
    return [message for both in recent for message in (both[place], both[1 - place])]
