"""A team within a team, and a tool of somebody else's: an asker sends a clerk, who looks on a shelf that a server keeps."""

import functools
import sys
from pathlib import Path

from interplay.lm.scene import workflow
from interplay.lm.tools import mcp

ENTRIES = {"arlo": "iron", "bela": "wool", "cosmo": "salt", "dora": "silk"}
SHELVES = ("north", "south")


@functools.cache
def server():
    """Started once, when it is needed first; it ends with this process."""
    return mcp([sys.executable, str(Path(__file__).with_name("my_tool_server.py"))])


async def errand(team, asked):
    """The clerk's own workflow: every call of it is an invocation with a number of its own."""
    shelf = await team.say("clerk", asked, answers=SHELVES)
    found = await team.use(server()["look"], shelf.text, asked.text, seconds=30)
    team.reward(shelf, 0.2 * (found.text != "nothing"))  # this turn alone
    return found


@workflow("asker", "clerk", asker=2, clerk=2)
async def team(team, name):
    """All are paid for the right entry."""
    asked = team.note(name)
    found = await team.delegate(errand, asked)
    answer = await team.say("asker", asked, found, answers=tuple(ENTRIES.values()))
    return float(answer.text == ENTRIES[name])


def script(request, random):
    """Somebody who finds the right shelf three times in four, and repeats what was found."""
    if request.agent == "clerk":
        right = "north" if request.task in ("arlo", "cosmo") else "south"
        return right if random.random() < 0.75 else str(random.choice(SHELVES))
    found = request.reads[-1].text
    return found if found in ENTRIES.values() else "iron"


def tasks(random) -> str:
    """A name to ask for."""
    return str(random.choice(list(ENTRIES)))


tasks.vocabulary, tasks.script = (*ENTRIES, *ENTRIES.values(), *SHELVES, "nothing"), script
