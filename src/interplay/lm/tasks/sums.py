"""Modular sums with a verifier: a solver adds, a verifier says whether that is right, and what it rejects is tried again.

`7 plus 9` modulo 10 is 6. The verifier reads the sum and the solver's answer and says `right` or `wrong`; after `wrong` the
solver may answer again, having read the verdict. Both earn 1 where the answer that stands is right, less for every further
round, and the verifier something of its own for each true verdict.

Source: the solver and verifier loop of Feng et al., "Dr. MAS" (2026), section 5.1, on sums instead of contest problems.
"""

from typing import NamedTuple

import numpy as np

from interplay.core.errors import InputError
from interplay.lm.model import Request
from interplay.lm.scene import Scene

VERDICTS = ["right", "wrong"]
ILLEGAL = -0.1  # for a turn that is none of its legal words


class Sum(NamedTuple):
    """Two numbers, and the modulus."""

    first: int
    second: int
    modulus: int

    @property
    def answer(self) -> str:
        """(first + second) modulo modulus."""
        return str((self.first + self.second) % self.modulus)

    def __str__(self) -> str:
        return f"{self.first} plus {self.second} (answer: {self.answer})"


def modular_sums(
    modulus: int = 10, rounds: int = 2, cost: float = 0.1, verdict: float = 0.2, skill: float = 0.6
) -> Scene:
    """The scene. `cost` for every round but the first, `verdict` to the verifier for each true verdict.

    Demonstrations are right with probability `skill` a turn. Raises `InputError` for a modulus below 2, no rounds, or a
    share outside [0, 1].
    """
    if modulus < 2 or rounds < 1:
        raise InputError(f"modular-sums: modulus {modulus}, {rounds} rounds: give 2 or more, and 1 or more")
    if not 0 <= skill <= 1:
        raise InputError(f"modular-sums: skill is {skill}: give a share from 0 to 1")
    numbers = [str(number) for number in range(modulus)]

    async def workflow(team, task: Sum) -> float:
        asked = team.note(f"{task.first} plus {task.second}")
        read, spent = [asked], 0
        while True:
            said = await team.say("solver", *read)
            _fined(team, said, numbers)
            judged = await team.say("verifier", asked, said)
            _fined(team, judged, VERDICTS)
            true = (judged.text == "right") == (said.text == task.answer) and judged.text in VERDICTS
            team.reward(judged, verdict * true)
            if judged.text != "wrong" or spent + 1 == rounds:
                return float(said.text == task.answer) - cost * spent
            read, spent = [*read, said, judged], spent + 1

    def draw(random: np.random.Generator) -> Sum:
        first, second = random.integers(modulus, size=2).tolist()
        return Sum(first, second, modulus)

    def script(request: Request, random: np.random.Generator) -> str:
        if request.agent == "solver":
            right, legal = request.task.answer, numbers
        else:
            right, legal = VERDICTS[request.reads[-1].text != request.task.answer], VERDICTS
        return right if random.random() < skill else str(random.choice(legal))

    return Scene(
        name="modular-sums",
        agents=("solver", "verifier"),
        workflow=workflow,
        draw=draw,
        limits={"solver": 2, "verifier": 2},
        vocabulary=(*numbers, "plus", *VERDICTS),
        script=script,
        calls=2 * rounds,
    )


def _fined(team, message, legal) -> None:
    if message.text not in legal:
        team.transcript.count("illegal")
        team.reward(message, ILLEGAL)
