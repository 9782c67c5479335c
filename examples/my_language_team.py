"""A team of language models of your own: a solver adds two numbers modulo ten, a checker may send it back once."""

from interplay.lm.scene import workflow

DIGITS = [str(digit) for digit in range(10)]


@workflow("solver", "checker", roles={"checker": "check"}, solver=2, checker=2)
async def team(team, task):
    """What the agents are paid; any `await team.say(agent, message, …)` in between is recorded and learned from."""
    asked = team.note(task)
    first = await team.say("solver", asked, answers=DIGITS)
    verdict = await team.say("checker", asked, first, answers=("right", "wrong"))
    final = first
    if verdict.text == "wrong":
        final = await team.say("solver", asked, first, verdict, answers=DIGITS)
    truth = (await team.use(added, task)).text
    judged = (verdict.text == "right") == (first.text == truth)
    return {"solver": float(final.text == truth), "checker": 0.5 * judged + 0.5 * (final.text == truth)}


def added(task: str) -> int:
    """A tool is any function; one that raises or hangs is counted, and the talk goes on."""
    return sum(map(int, task.split())) % 10


def tasks(random) -> str:
    """A fresh task."""
    return f"{random.integers(4)} {random.integers(4)}"


tasks.vocabulary = (*DIGITS, "right", "wrong", "check")  # all that a tiny model can say
tasks.script = lambda request, random: random.choice(DIGITS if request.agent == "solver" else ["right", "wrong"])
