"""k-hop look-up: one agent follows a chain of names, one look at a time, and says where it ends.

`three from arlo` asks for the name three steps on. The agent says `three left find arlo`, reads `to bela`, says `two left
find bela`, and so on, until `none left answer dora`. Who leads to whom is drawn anew for every task, so there is no way but
the looks. What stands before `find` and `answer` is its own affair: the words are thought aloud and not judged.

Source: modeled on the multi-turn search of "ST-PPO: Stabilized Off-Policy PPO for Multi-Turn Agents Training" (2025).
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from interplay.core.errors import InputError
from interplay.lm.model import Request
from interplay.lm.scene import Scene

NAMES = ["arlo", "bela", "cosmo", "dora", "egon", "fay", "gita", "hugo"]
COUNTS = ["none", "one", "two", "three", "four"]
VOCABULARY = (*NAMES, *COUNTS, "from", "left", "find", "answer", "to")
ILLEGAL = -0.1  # for a turn that neither finds nor answers


class Walk(NamedTuple):
    """`hops` steps from `start` along `leads`."""

    start: str
    hops: int
    leads: Mapping[str, str]

    @property
    def end(self) -> str:
        """The name that is asked for."""
        name = self.start
        for _ in range(self.hops):
            name = self.leads[name]
        return name

    def __str__(self) -> str:
        return f"{COUNTS[self.hops]} from {self.start} (answer: {self.end})"


def k_hop(least: int = 1, most: int = 3, spare: int = 1, skill: float = 0.8) -> Scene:
    """The scene: `least` to `most` hops, and `spare` looks more than that. The right name earns 1.

    Demonstrations are right with probability `skill` a turn. Raises `InputError` for hops that cannot be counted.
    """
    if not 1 <= least <= most < len(COUNTS):
        raise InputError(f"k-hop: {least} to {most} hops: give 1 to {len(COUNTS) - 1}, the smaller first")
    if not 0 <= skill <= 1:
        raise InputError(f"k-hop: skill is {skill}: give a share from 0 to 1")

    async def workflow(team, walk: Walk) -> float:
        read = [team.note(f"{COUNTS[walk.hops]} from {walk.start}")]
        for _ in range(most + spare + 1):
            said = await team.say("walker", *read)
            act, name = [*said.text.split()[-2:], "", ""][:2]
            if act == "answer" and name in NAMES:
                return float(name == walk.end)
            if act != "find" or name not in NAMES:
                team.transcript.count("illegal")
                return ILLEGAL
            read += [said, team.note(f"to {walk.leads[name]}")]
        return 0.0

    def draw(random: np.random.Generator) -> Walk:
        leads = {name: str(random.choice([other for other in NAMES if other != name])) for name in NAMES}
        return Walk(str(random.choice(NAMES)), int(random.integers(least, most + 1)), leads)

    def script(request: Request, random: np.random.Generator) -> str:
        walk, looks = request.task, (len(request.reads) - 1) // 2
        here = request.reads[-1].text.split()[-1]
        left = max(walk.hops - looks, 0)
        act = "find" if left else "answer"
        if random.random() >= skill:
            act, here = str(random.choice(["find", "answer"])), str(random.choice(NAMES))
        return f"{COUNTS[left]} left {act} {here}"

    return Scene(
        name="k-hop",
        agents=("walker",),
        workflow=workflow,
        draw=draw,
        limits={"walker": 6},
        vocabulary=VOCABULARY,
        script=script,
        calls=most + spare + 1,
    )
