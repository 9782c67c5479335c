"""Gathering steps from whatever kind of game it is: compiled for pure games, in Python for the others."""

from typing import Any

from interplay.core.errors import ONE_REWARD, InputError
from interplay.core.game import AnyGame, Game
from interplay.play import scan


def steps(game: AnyGame, batch: int, length: int, *, workers: int = 0, timeout: float = 60.0):
    """`scan.steps` for a `Game`, `host.steps` for a `HostGame`: the same records either way.

    `workers` processes play games in Python (0: this process does, and cannot notice one that hangs), each step within
    `timeout` seconds; pure games have no use for either. Raises `InputError` for games of several objectives, of which
    critics know only one.
    """
    if isinstance(game, Game):
        return scan.steps(game, batch, length)
    if game.spec.objectives:
        raise InputError(ONE_REWARD.format(objectives=game.spec.objectives))
    from interplay.play import host

    return host.steps(game.again, batch, length, workers, timeout)


def experience(game: AnyGame, batch: int, length: int, *, workers: int = 0, timeout: float = 60.0) -> Any:
    """`scan.experience` for a `Game`, `host.experience` for a `HostGame`, of however many objectives; see `steps`."""
    if isinstance(game, Game):
        return scan.experience(game, batch, length)
    from interplay.play import host

    return host.experience(game.again, batch, length, workers, timeout)
