"""What a team earns: whole episodes played to their ends, seeds and agents kept apart."""

from typing import NamedTuple

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Float, Int, PRNGKeyArray

from interplay.core.errors import InputError
from interplay.core.game import AnyGame, Game, SpokenGame
from interplay.core.team import Team
from interplay.play import host, scan

SIDE_BY_SIDE = 256  # pure games played at once


class Episodes(NamedTuple):
    """Undiscounted returns per agent, and lengths in steps."""

    returns: Float[np.ndarray, "episode agent"]
    lengths: Int[np.ndarray, "episode"]

    @property
    def mean(self) -> float:
        """The mean over episodes and agents."""
        return float(self.returns.mean())


def play(team: Team, game: AnyGame, key: PRNGKeyArray, episodes: int) -> Episodes:
    """`episodes` whole episodes of `game`; pass `team.greedy()` for the most likely actions.

    >>> play(team.greedy(), games.make("spread"), jax.random.key(0), 64).mean  # doctest: +SKIP
    """
    if episodes < 1:
        raise InputError(f"cannot play {episodes} episodes: give 1 or more")
    if isinstance(game, SpokenGame):
        return Episodes(*game.episodes(team, key, episodes))
    if not isinstance(game, Game):
        return Episodes(*map(np.asarray, host.episodes(team, game.again, key, episodes)))
    size = min(episodes, SIDE_BY_SIDE)
    batches = [_pure(team, game, jax.random.fold_in(key, index), size) for index in range(-(-episodes // size))]
    parts = [np.concatenate([np.asarray(batch[part]) for batch in batches])[:episodes] for part in (0, 1)]
    return Episodes(*parts)


@eqx.filter_jit
def _pure(team: Team, game: Game, key: PRNGKeyArray, count: int):
    return scan.episodes(team, game, key, count)
