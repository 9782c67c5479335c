"""Any game of choices in words: what an agent sees as a line or a small map, and what each of its choices is called.

A language model reads the words and says one of them; whoever reads arrays (networks, tables) sits at the same table. Tree
games tell what a player knows, grid worlds draw what an agent sees, and a game that is told in no way of its own gives its
numbers. Two known instances are Kuhn poker ("card 2: pass") and cleanup, whose agents see a map turned to where they look.

Nothing is told that the agent's own observation does not hold. Say how a game of your own is told by registering a function:
`@words.wording.register(MyGame)`.
"""

import functools
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from interplay.core.errors import InputError
from interplay.core.game import Discrete, TimeStep
from interplay.games.cleanup import Cleanup
from interplay.games.foraging import Foraging
from interplay.games.gathering import Gathering
from interplay.games.harvest import Harvest
from interplay.games.matrix import Matrix
from interplay.games.staged import Staged

WAYS = ("wait", "north", "south", "west", "east", "load")
TURNS = ("forward", "backward", "left", "right", "turn-left", "turn-right", "fire", "stand", "clean")
MARKS = {"wall": "#", "beam": "*", "other": "o", "out": "x", "apple": "a", "waste": "w", "river": "~", "cleaning": "+"}
APPLES, RIVER = ("apple",), ("apple", "waste", "river", "cleaning")
OVER = ("beam", "cleaning", "other", "out", "apple", "waste", "wall", "river")  # what hides what, the first on top
ME, GROUND = "^", "."

Seen = Callable[[Any, TimeStep, int], str]
Named = Callable[[Any, TimeStep, int], Sequence[str]]


@dataclass(frozen=True)
class Wording:
    """How a game is told. Both functions read (state, time step, agent); the state is None where a game has none to show."""

    seen: Seen
    """what the agent sees"""
    named: Named
    """what its choices are called, in their order; words for choices it does not have may be anything"""
    legend: str = ""
    """what the signs mean, for whoever reads them for the first time"""


@functools.singledispatch
def wording(game: Any) -> Wording:
    """How `game` is told: by its own words where there are some, otherwise by the numbers that an agent observes.

    Raises `InputError` for games whose actions are real numbers, or which pay in several objectives.

        >>> from interplay import games
        >>> telling = wording(games.make("climbing"))
        >>> telling.named(None, None, 0)
        ('0', '1', '2')
    """
    choices = tuple(map(str, range(counted(game))))
    return Wording(lambda state, seen, agent: numbers(seen.observation[agent]), lambda state, seen, agent: choices)


def counted(game: Any) -> int:
    """How many choices there are. Raises `InputError` where an action is no choice, or a reward no number."""
    kind = type(game).__name__
    if not isinstance(game.spec.action, Discrete):
        raise InputError(f"{kind} is played with real numbers, which cannot be said: choose a game of choices")
    if game.spec.objectives:
        raise InputError(f"{kind} pays in several objectives: weigh them, as weighed(game=…, weights=…) does")
    return game.spec.action.count


def numbers(observation: Float[Any, "feature"]) -> str:
    """Numbers to two digits, whole ones without a point.

    >>> numbers(np.array([1.0, -0.25, 0.333]))
    '1 -0.25 0.33'
    """
    return " ".join(f"{round(float(value), 2):g}" for value in observation)


@wording.register
def _(game: Staged) -> Wording:
    record, sets = game.record, game.record.sets

    @functools.lru_cache(maxsize=4096)
    def words(row: int) -> tuple[str, ...]:
        node, names = record.state(int(sets.node[row])), [str(move) for move in range(record.game.actions)]
        for move in record.game.legal(node):
            names[move] = record.game.word(node, move)
        return tuple(names)

    row = lambda state: int(game.nodes.row[int(state.node)])
    return Wording(lambda state, seen, agent: str(sets.key[row(state)]), lambda state, seen, agent: words(row(state)))


@wording.register
def _(game: Matrix) -> Wording:
    """Which round it is and what all did in the last one; the first numbers of an observation say who sees it."""
    bounds = np.cumsum((0, *game.spec.action_sizes))
    names = tuple(map(str, range(game.spec.action.width)))

    def seen(state: Any, seen: TimeStep, agent: int) -> str:
        left, *last = seen.observation[agent][game.spec.agents :]
        told = f"{game.spec.names[agent]} round {round((1 - left) * game.spec.horizon) + 1} of {game.spec.horizon}"
        if not any(last):
            return told
        did = [int(np.argmax(last[low:high])) for low, high in itertools.pairwise(bounds)]
        return f"{told}: last {' '.join(map(str, did))}"

    return Wording(seen, lambda state, seen, agent: names)


@wording.register
def _(game: Foraging) -> Wording:
    def seen(state: Any, seen: TimeStep, agent: int) -> str:
        rows = np.asarray(seen.observation[agent]).astype(int).reshape(-1, 3)
        food, me, others = rows[: game.food], rows[game.food], rows[game.food + 1 :]
        told = [f"you {_placed(me)}", *(f"food {_placed(one)}" for one in food if one[2] > 0)]
        return "; ".join([*told, *(f"agent {_placed(one)}" for one in others if one[2] > 0)])

    legend = "What is seen is told as its row, its column and its level."
    return Wording(seen, lambda state, seen, agent: WAYS, legend)


def _placed(row: Any) -> str:
    return f"{row[0]} {row[1]} level {row[2]}"


@wording.register(Gathering)
@wording.register(Harvest)
def _(game: Gathering | Harvest) -> Wording:
    return mapped(game, APPLES)


@wording.register
def _(game: Cleanup) -> Wording:
    return mapped(game, RIVER)


def mapped(game: Gathering | Harvest | Cleanup, layers: Sequence[str]) -> Wording:
    """A grid world as a map of letters that looks up where the agent looks; `layers` follow walls, beams and bodies."""
    rules, window = game.rules, game.window
    names = ("wall", "beam", "other", *(("out",) if rules.timeout else ()), *layers)
    height, width = window.shape

    def seen(state: Any, seen: TimeStep, agent: int) -> str:
        flat = np.asarray(seen.observation[agent])[: len(names) * height * width]
        by_name = dict(zip(names, flat.reshape(len(names), height, width) > 0.5, strict=True))
        drawn = np.full((height, width), GROUND)
        for name in reversed(OVER):
            if name in by_name:
                drawn[by_name[name]] = MARKS[name]
        drawn[window.ahead, window.side] = ME
        return "\n".join("".join(line) for line in drawn)

    legend = f"The map looks up where you look: {ME} you, " + ", ".join(f"{MARKS[name]} {name}" for name in names) + "."
    return Wording(seen, lambda state, seen, agent: TURNS, legend)
