"""Gathering steps from whatever kind of game it is: compiled for pure games, in Python for the others."""

from interplay.core.game import AnyGame, Game
from interplay.play import scan


def steps(game: AnyGame, batch: int, length: int):
    """`scan.steps` for a `Game`, `host.steps` for a `HostGame`: the same records either way."""
    if isinstance(game, Game):
        return scan.steps(game, batch, length)
    from interplay.play import host

    return host.steps(game.again, batch, length)
