"""Cross-play: what agents earn among partners (or opponents) they were not trained with.

Seeds that agree among themselves may have settled on conventions that others do not share; two known instances are the
zero-shot coordination score (the matrix off its diagonal) and the payoff tensor of an empirical game, on which PSRO
plans. Here a *side* is a group of agents that come from one team; an entry says which team each side comes from.
"""

import itertools
from collections.abc import Sequence

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Float, PRNGKeyArray

from interplay.core.errors import InputError
from interplay.core.game import AnyGame, SpokenGame, TimeStep
from interplay.core.team import Decision, Memory, Team
from interplay.measure import returns
from interplay.nets.assembly import Agents, joined, pick, strongest

MOST = 10_000  # entries of a tensor; more than that is a slip, or wants sampling


class Mixture(Team):
    """Agents `sides[k]` do as `teams[k]` would: every team decides for all agents, and each agent follows its own.

    Each team draws from the same key, so that a mixture of one team with itself is that team. A team that needs a
    center, or an order, goes by what it would have all the others do.
    """

    teams: tuple[Team, ...]
    sides: tuple[Agents, ...] = eqx.field(static=True)

    @property
    def needs(self) -> str:  # type: ignore[override]
        return strongest(self.teams)

    def begin(self) -> Memory:
        return tuple(team.begin() for team in self.teams)

    def act(self, memory: Memory, time_step: TimeStep, key: PRNGKeyArray) -> tuple[Memory, Decision]:
        pairs = [team.act(own, time_step, key) for team, own in zip(self.teams, memory, strict=True)]
        memory, decisions = zip(*pairs, strict=True)
        rows = [(decision.action, decision.log_prob, decision.value) for decision in decisions]
        own = [
            jax.tree.map(lambda leaf, side=side: pick(leaf, side, 0), row)
            for row, side in zip(rows, self.sides, strict=True)
        ]
        return memory, Decision(*jax.tree.map(lambda *parts: joined(parts, self.sides, 0), *own))


def matrix(
    teams: Sequence[Team], game: AnyGame, key: PRNGKeyArray, episodes: int, side: Agents = (0,)
) -> Float[np.ndarray, "team team agent"]:
    """Mean returns of every pairing: in entry [i, j] the agents of `side` come from team i, all others from team j.

    The diagonal is self-play: exactly what `returns.play(team, game, key, episodes)` gives. All entries are played on
    the same keys, so that they differ by who plays and not by luck. Pass `team.greedy()` for the most likely actions.
    Raises `InputError` where `side` is not some, but not all, of the game's agents.

        >>> matrix([one, other], games.make("spread"), jax.random.key(0), 128).mean(-1)  # doctest: +SKIP

    Source: Hu et al., "Other-play for zero-shot coordination" (2020).
    """
    others = tuple(agent for agent in range(game.spec.agents) if agent not in side)
    return tensor(teams, game, key, episodes, (tuple(side), others))


def tensor(
    teams: Sequence[Team],
    game: AnyGame,
    key: PRNGKeyArray,
    episodes: int,
    sides: Sequence[Agents] | None = None,
) -> Float[np.ndarray, "..."]:
    """Mean returns of every assignment of teams to sides: [team of side 1, …, team of side n, agent].

    `sides` are groups of agents, by default each agent its own. Teams of one architecture are played by one compiled
    program, who plays being data to it; each further combination of architectures is compiled once. Raises `InputError`
    where the sides do not share out the agents, or where there are more than `MOST` assignments.

        >>> tensor(policies, games.make("climbing"), jax.random.key(0), 1)[..., 0]  # doctest: +SKIP
    """
    sides = tuple((agent,) for agent in range(game.spec.agents)) if sides is None else tuple(map(tuple, sides))
    _check(teams, sides, game.spec.agents)
    table = np.zeros((len(teams),) * len(sides) + (game.spec.agents,))
    for seats in itertools.product(range(len(teams)), repeat=len(sides)):
        table[seats] = returns.play(_mixed(teams, seats, sides, game), game, key, episodes).returns.mean(0)
    return table


def _mixed(teams: Sequence[Team], seats: tuple[int, ...], sides: tuple[Agents, ...], game: AnyGame) -> Team:
    """The team in which side k is played by team `seats[k]`: that team itself where there is only one."""
    if len(set(seats)) == 1:
        return teams[seats[0]]
    if isinstance(game, SpokenGame):
        owner = {agent: teams[seat] for seat, side in zip(seats, sides, strict=True) for agent in side}
        return game.mixed([owner[agent] for agent in range(game.spec.agents)])
    # a property stands for the abstract `needs`, which the checker still takes for an argument
    return Mixture(teams=tuple(teams[seat] for seat in seats), sides=sides)  # pyright: ignore[reportCallIssue]


def _check(teams: Sequence[Team], sides: tuple[Agents, ...], agents: int) -> None:
    if not teams:
        raise InputError("cross-play of no teams: pass at least one, better two")
    if agents < 2:
        raise InputError("cross-play mixes the agents of several teams, and this game has one agent: pass another game")
    if sorted(agent for side in sides for agent in side) != list(range(agents)) or not all(sides) or len(sides) < 2:
        raise InputError(
            f"sides {sides} do not share out {agents} agents: name each of 0 to {agents - 1} on one of two sides"
        )
    if len(teams) ** len(sides) > MOST:
        count = len(teams) ** len(sides)
        given = f"{len(teams)} teams on {len(sides)} sides"
        raise InputError(f"{given} are {count:,} assignments: pass fewer teams, or fewer sides")
