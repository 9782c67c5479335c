"""Two share goods for several rounds and ask for what they want at once: Split, with everything in sight, and Trust-and-Split.

Where together they ask for more than there is, each gets a share in proportion to what it asked for. Asking for all is the
best answer to anybody, but two who leave the other what it values more earn far more over time. In Split three kinds of goods
have known values; in Trust-and-Split the value of coins hangs on hidden hands of rock, paper and scissors, and each may send
one message first.

Source: "Learning robust social strategies with large language models" (2025), Split and Trust-and-Split.
"""

import asyncio
import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from interplay.core.errors import InputError
from interplay.lm.model import Request
from interplay.lm.scene import Scene

AGENTS = ("first", "second")
UNITS, HIGH, LOW = 10, 10, 1
KINDS = 3
AMOUNTS = tuple(str(amount) for amount in range(UNITS + 1))
DEMANDS = tuple(" ".join(demand) for demand in itertools.product(AMOUNTS, repeat=KINDS))
HANDS = ("rock", "paper", "scissors")  # each has the upper hand over the one before it, the first over the last
PLEAS = ("all", "half", "none")
MESSAGES = tuple(f"{hand} {plea}" for hand in HANDS for plea in PLEAS)
SPLIT_RULES = (
    "Each round you and another player share 10 units each of three goods. You see what a unit is worth to you and to "
    "the other. Say how many units of each good you want, three numbers from 0 to 10. If both want more than 10 of a "
    "good, it is shared in proportion. Get many points."
)
TRUST_RULES = (
    "Each round you and another player share 10 coins. Each has a hidden hand: rock beats scissors, scissors beats paper, "
    "paper beats rock. A coin is worth 10 to who has the upper hand and 1 to the other. Each sends one message, then both "
    "say at once how many coins they want, 0 to 10. If both want more than 10, coins are shared in proportion."
)


class Values(NamedTuple):
    """What a unit of each kind is worth to each agent, round by round: "round agent kind"."""

    rounds: tuple[tuple[tuple[int, ...], ...], ...]

    def __str__(self) -> str:
        return "; ".join(" against ".join(" ".join(map(str, row)) for row in one) for one in self.rounds)


class Deal(NamedTuple):
    """The hands of both, round by round, and who speaks first in the first round."""

    hands: tuple[tuple[str, str], ...]
    opens: int

    def __str__(self) -> str:
        return "; ".join(" against ".join(pair) for pair in self.hands)


def shared(demands: Sequence[int]) -> tuple[float, ...]:
    """q_i = 10 d_i / max(10, d_0 + d_1): what each gets of ten units.

    >>> shared((4, 6)), shared((10, 10)), shared((10, 0))
    ((4.0, 6.0), (5.0, 5.0), (10.0, 0.0))
    """
    return tuple(UNITS * demand / max(UNITS, sum(demands)) for demand in demands)


def split(rounds: int = 10, remembered: int = 2, prior: float = 0.6) -> Scene:
    """Split, without talk. Agents read the last `remembered` rounds (values, own demand, the other's) and the new values.

    Demonstrations leave the other what it values more with probability `prior`, and ask for anything at all otherwise.
    Raises `InputError` for no rounds or a wrong share.
    """
    _checked("split", rounds, remembered, prior)

    async def workflow(team, task: Values) -> dict[str, float]:
        past: list[list[tuple]] = [[], []]
        for values in task.rounds:
            shown = [team.note(_told(values[place], values[1 - place])) for place in (0, 1)]
            said = await asyncio.gather(
                *(
                    team.say(agent, *_recent(past[place], remembered), shown[place], answers=DEMANDS)
                    for place, agent in enumerate(AGENTS)
                )
            )
            for place in (0, 1):
                past[place].append((shown[place], said[place], said[1 - place]))
            demands = [[int(word) for word in message.text.split()] for message in said]
            team.pay(dict(zip(AGENTS, points(demands, values), strict=True)))
        return team.earned()

    return Scene(
        name="split",
        agents=AGENTS,
        workflow=workflow,
        draw=lambda random: Values(tuple(_values(random) for _ in range(rounds))),
        instructions=dict.fromkeys(AGENTS, SPLIT_RULES),
        limits=dict.fromkeys(AGENTS, 2 * KINDS + 2),
        vocabulary=(*AMOUNTS, "values", "other"),
        script=_fairly(prior, _fair_demand, DEMANDS),
        calls=2 * rounds,
    )


def points(demands: Sequence[Sequence[int]], values: Sequence[Sequence[int]]) -> tuple[float, float]:
    """Σ_kinds value · share for each of both.

    >>> points([[10, 0, 0], [0, 10, 10]], [[10, 1, 1], [1, 1, 10]])
    (100.0, 110.0)
    """
    shares = [shared(pair) for pair in zip(*demands, strict=True)]
    total = lambda place: float(sum(value * share[place] for value, share in zip(values[place], shares, strict=True)))
    return total(0), total(1)


def trust_and_split(rounds: int = 10, remembered: int = 2, prior: float = 0.6, spoken: int = 0) -> Scene:
    """Trust-and-Split. Each sends a message, whoever spoke second in one round first in the next, then both ask for coins.

    Messages claim a hand and ask for all, half or none of the coins; with `spoken` above 0 they are free words of at most so
    many tokens. Agents read the last `remembered` rounds (messages, own demand, and what the other had and asked for) and
    their own hand. Demonstrations tell the truth and leave the coins to the upper hand with probability `prior`. Raises
    `InputError` for no rounds or a wrong share.
    """
    _checked("trust-and-split", rounds, remembered, prior)
    messages = None if spoken else MESSAGES

    async def workflow(team, task: Deal) -> dict[str, float]:
        past: list[list[tuple]] = [[], []]
        for number, hands in enumerate(task.hands):
            shown = [team.note(f"hand {hand}") for hand in hands]
            read = [[*_recent(past[place], remembered), shown[place]] for place in (0, 1)]
            heard = await _messages(team, read, (task.opens + number) % 2, messages)
            said = await asyncio.gather(
                *(team.say(agent, *read[place], *heard, answers=AMOUNTS) for place, agent in enumerate(AGENTS))
            )
            demands = [int(message.text) for message in said]
            worth = worths(hands)
            for place in (0, 1):
                had = "upper" if worth[1 - place] == HIGH else "lower"
                past[place].append((shown[place], *heard, said[place], team.note(f"other {had} {demands[1 - place]}")))
            team.pay({agent: worth[place] * shared(demands)[place] for place, agent in enumerate(AGENTS)})
        return team.earned()

    return Scene(
        name="trust-and-split",
        agents=AGENTS,
        workflow=workflow,
        draw=lambda random: Deal(tuple(_hands(random) for _ in range(rounds)), int(random.integers(2))),
        instructions=dict.fromkeys(AGENTS, TRUST_RULES),
        limits=dict.fromkeys(AGENTS, spoken or 4),
        vocabulary=(*HANDS, *PLEAS, *AMOUNTS, "hand", "other", "upper", "lower"),
        script=_fairly(prior, _fair_word, (*MESSAGES, *AMOUNTS)),
        calls=4 * rounds,
    )


def worths(hands: Sequence[str]) -> tuple[int, int]:
    """What a coin is worth to each of two different hands.

    >>> worths(("rock", "scissors")), worths(("rock", "paper"))
    ((10, 1), (1, 10))
    """
    wins = (HANDS.index(hands[0]) - HANDS.index(hands[1])) % 3 == 1
    return (HIGH, LOW) if wins else (LOW, HIGH)


def greedy(request: Request, random: np.random.Generator) -> str:
    """A script that asks for everything, and says so."""
    if request.answers is not None and _is_message(request):
        return f"{_own_hand(request)} all"
    return " ".join([str(UNITS)] * (KINDS if request.reads[-1].text.startswith("values") else 1))


async def _messages(team, read: list[list], opens: int, answers) -> list:
    """Both speak once, one after the other; each hears what was said before."""
    heard: list = []
    for place in (opens, 1 - opens):
        heard.append(await team.say(AGENTS[place], *read[place], *heard, answers=answers))
    return heard


def _is_message(request: Request) -> bool:
    """Whether a message is asked for rather than a number of coins: not both have spoken since the hand was shown."""
    if not any(said.text.startswith("hand") for said in request.reads):
        return False
    since = [said.text for said in request.reads]
    last = max(place for place, text in enumerate(since) if text.startswith("hand"))
    return len(since) - last - 1 < 2


def _own_hand(request: Request) -> str:
    return next(said.text.split()[1] for said in reversed(request.reads) if said.text.startswith("hand"))


def _fair_demand(request: Request) -> str:
    mine, _, theirs = request.reads[-1].text.removeprefix("values ").partition(" other ")
    pairs = zip(map(int, mine.split()), map(int, theirs.split()), strict=True)
    return " ".join(str(UNITS if own > other else UNITS // 2 if own == other else 0) for own, other in pairs)


def _fair_word(request: Request) -> str:
    own = _own_hand(request)
    if _is_message(request):
        return f"{own} half"
    claimed = next((said.text.split()[0] for said in reversed(request.reads) if said.author != request.agent), own)
    if claimed not in HANDS or claimed == own:
        return str(UNITS // 2)
    return str(UNITS if worths((own, claimed))[0] == HIGH else 0)


def _fairly(prior: float, fair, words: Sequence[str]):
    """The fair thing with probability `prior`, else anything of the same kind."""

    def script(request: Request, random: np.random.Generator) -> str:
        right = fair(request)
        alike = AMOUNTS if right in AMOUNTS else MESSAGES if right in MESSAGES else words
        return right if random.random() < prior else str(random.choice(alike))

    return script


def _told(mine: Sequence[int], theirs: Sequence[int]) -> str:
    return f"values {' '.join(map(str, mine))} other {' '.join(map(str, theirs))}"


def _recent(past: list[tuple], remembered: int) -> list:
    return [message for one in past[max(len(past) - remembered, 0) :] for message in one]


def _values(random: np.random.Generator) -> tuple[tuple[int, ...], ...]:
    """Values of 1 or 10 that add up alike for both and differ somewhere."""
    while True:
        drawn = random.choice([LOW, HIGH], (2, KINDS))
        if drawn[0].sum() == drawn[1].sum() and (drawn[0] != drawn[1]).any():
            return tuple(tuple(int(value) for value in row) for row in drawn)


def _hands(random: np.random.Generator) -> tuple[str, str]:
    first, second = random.choice(HANDS, 2, replace=False)
    return str(first), str(second)


def _checked(name: str, rounds: int, remembered: int, prior: float) -> None:
    if rounds < 1 or remembered < 0 or not 0 <= prior <= 1:
        raise InputError(
            f"{name} got rounds={rounds}, remembered={remembered}, prior={prior}: give 1 or more, 0 or more, 0 to 1"
        )
