"""A language model at the table of any game of choices, with networks, solved strategies and other models on the other seats.

`game:kuhn` is Kuhn poker between two who speak; in `game:kuhn(others={1: 'runs/kuhn'})` the second is what was trained, or
solved, in that folder. Agents read what `interplay.games.adapters.words` tells and say one of the words for their legal moves;
whoever does not speak reads the arrays. Two known instances are a language model against the equilibrium of a poker game and
a trained team of foragers with a stranger in it.
"""

import asyncio
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from interplay import games
from interplay.core.errors import InputError, at_least
from interplay.core.game import AnyGame, TimeStep
from interplay.games.adapters import words
from interplay.games.adapters.words import Wording
from interplay.lm.model import Request
from interplay.lm.scene import Scene, Workflow
from interplay.lm.words import Pieces, common
from interplay.run import seating
from interplay.run.seating import Table

SAMPLES, STEPS = 4, 12  # episodes, and steps of each, that are looked at for the words there are
LISTED = 32  # most words that are named to a model beforehand
WIDE = 2**31 - 1


class Deal(NamedTuple):
    """One episode to be played: all its luck comes from `seed`."""

    seed: int

    def __str__(self) -> str:
        return f"deal {self.seed}"


class Glance(NamedTuple):
    """What one agent is told at one moment, and the words for what it may do, by the number of the choice."""

    told: str
    choices: dict[str, int]


def make(name: str, others: Mapping[int, Any] | None = None, remembered: int = 0, **parameters: Any) -> Scene:
    """The scene of the game called `name`, as `interplay.games.make` makes it with `parameters`.

    `others` says who does not speak: for an agent's number a `Team`, or the folder of a run or of a solved strategy of this
    game. Agents read what they see now, after what they saw and said in their last `remembered` turns. Demonstrations say any
    legal move alike. Raises `InputError` for games that cannot be said, for seats that do not exist or are all taken, and for a
    guest of another game.
    """
    at_least("game", remembered=(remembered, 0))
    game = games.make(name, **parameters)
    telling, names = words.wording(game), game.spec.names
    guests = seating.guests(dict(others or {}), game, name)
    table = seating.table(game, guests)
    speakers = tuple(agent for agent in range(game.spec.agents) if agent not in guests)
    if not speakers:
        raise InputError(f"game:{name}: all {game.spec.agents} seats are taken by others: leave one for who speaks")

    looked = list(_looked(table, telling, game, speakers))
    known = common(text for look in looked for text in (look.told, *look.choices))
    codec, offered = Pieces(known, ()), list(dict.fromkeys(word for look in looked for word in look.choices))
    longest = max((len(codec.encode(word)) for word in offered), default=8) + 1
    turn = max((len(codec.encode(look.told)) for look in looked), default=64) + longest + 4
    return Scene(
        name=f"game:{name}",
        agents=tuple(names[agent] for agent in speakers),
        workflow=_workflow(table, telling, {agent: names[agent] for agent in speakers}, remembered),
        draw=lambda random: Deal(int(random.integers(WIDE))),
        instructions={names[agent]: _rules(name, names[agent], telling, offered) for agent in speakers},
        limits={names[agent]: longest + longest // 2 for agent in speakers},
        vocabulary=known,
        script=any_legal,
        calls=len(speakers) * game.spec.horizon,
        codec=Pieces,
        context=(turn + turn // 4) * (remembered + 1),
    )


def _workflow(table: Table, telling: Wording, names: Mapping[int, str], remembered: int) -> Workflow:
    """Ask everybody who has a move until the game is over; `names` are those of the agents who speak."""

    async def workflow(team, deal: Deal) -> dict[str, float]:
        at, seen = table.begin(deal.seed)
        heard: dict[int, list] = {agent: [] for agent in names}
        for number in itertools.count():
            asked = [agent for agent in names if seen.active[agent]]
            looks = [glance(telling, table.shown(at), seen, agent) for agent in asked]
            said = await asyncio.gather(
                *(
                    _asked(team, names[agent], look, heard[agent], remembered)
                    for agent, look in zip(asked, looks, strict=True)
                )
            )
            chosen = {agent: look.choices[word] for agent, look, word in zip(asked, looks, said, strict=True)}
            at, seen = table.step(at, seen, chosen, number)
            team.pay({names[agent]: float(seen.reward[agent]) for agent in names})
            if seen.terminated or seen.truncated:
                break
        return team.earned()

    return workflow


def any_legal(request: Request, random: np.random.Generator) -> str:
    """One of the legal moves, all alike."""
    return str(random.choice(request.choices))


def glance(telling: Wording, shown: Any, seen: TimeStep, agent: int) -> Glance:
    """What `agent` is told now, and what it may say. Moves of the same name are told apart by their numbers."""
    names = telling.named(shown, seen, agent)
    legal = [int(choice) for choice in np.flatnonzero(seen.legal[agent])]
    twice = {names[choice] for choice in legal if [names[other] for other in legal].count(names[choice]) > 1}
    return Glance(
        telling.seen(shown, seen, agent),
        {f"{names[choice]} {choice}" if names[choice] in twice else names[choice]: choice for choice in legal},
    )


async def _asked(team, agent: str, look: Glance, heard: list, remembered: int) -> str:
    """The word that `agent` says, having read its last turns and what it sees now."""
    note = team.note(look.told)
    said = await team.say(
        agent, *heard[len(heard) - min(len(heard), 2 * remembered) :], note, answers=tuple(look.choices)
    )
    heard += [note, said]
    if said.text in look.choices:
        return said.text
    team.transcript.count("illegal")  # an endpoint that would not say any of them: the first one counts
    return next(iter(look.choices))


def _looked(table: Table, telling: Wording, game: AnyGame, speakers: Sequence[int]) -> Iterator[Glance]:
    """What is told in a few episodes of chance."""
    random = np.random.default_rng(0)
    for episode in range(SAMPLES):
        at, seen = table.begin(episode)
        for number in range(min(STEPS, game.spec.horizon)):
            asked = [agent for agent in range(game.spec.agents) if seen.active[agent]]
            yield from (glance(telling, table.shown(at), seen, agent) for agent in asked if agent in speakers)
            chosen = {agent: int(random.choice(np.flatnonzero(seen.legal[agent]))) for agent in asked}
            at, seen = table.step(at, seen, chosen, number)
            if seen.terminated or seen.truncated:
                break


def _rules(name: str, agent: str, telling: Wording, offered: Sequence[str]) -> str:
    head = games.parse(name)[0]
    about = f" ({games.OWN[head][1]})" if head in games.OWN else ""
    moves = f" Moves are {', '.join(offered)}." if len(offered) <= LISTED else ""
    return f"You are {agent} in the game {head}{about}. {telling.legend} Say one legal move.{moves}".replace("  ", " ")
