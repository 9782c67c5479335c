"""Spread as jaxmarl's baselines train on it: one step longer than its limit says, and the limit counts as an end.

Ours cuts an episode after `horizon` steps and bootstraps the value of what is seen then (`truncated`). There the last
of 25 + 1 steps is an end like any other (`terminated`), and nothing is worth anything after it.
"""

import dataclasses

from interplay import games
from interplay.core.game import Game, Spec


class Ending(Game):
    """A game in which to run out of time is to end."""

    spec: Spec
    game: Game

    def reset(self, key):
        return self.game.reset(key)

    def step(self, state, action, key):
        state, seen = self.game.step(state, action, key)
        ended = seen.terminated | seen.truncated
        return state, dataclasses.replace(seen, terminated=ended, truncated=ended & False)

    def draw(self, state):
        return self.game.draw(state)


def spread() -> Ending:
    """jaxmarl's `MPE_simple_spread_v3`, to be named `ending:spread` by programs in this folder."""
    game = games.make("spread", horizon=26)
    return Ending(game.spec, game)
