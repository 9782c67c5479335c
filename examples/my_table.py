"""One table for three: whoever speaks, a network and a solved strategy play Kuhn poker.

interplay talk examples.my_table:table --episodes 64
interplay train grpo --game examples.my_table:table --model tiny --steps 2048
"""

import jax

from interplay import games
from interplay.core.population import shared
from interplay.games import tree
from interplay.methods import tables as solving
from interplay.nets import tabular, views
from interplay.nets.seated import seated
from interplay.run import shared_table
from interplay.update import matching


def table():
    """A scene whose `player_0` speaks; what sits on the other seats may as well be the folder of a run or of a strategy."""
    game, poker = games.make("kuhn(players=3)"), tree.make("kuhn(players=3)")
    solver = solving.solver(matching.cfr_plus())
    solved = solver.average(poker, solver.advance(poker, solver.init(poker), 100))
    network = seated(game.spec, jax.random.key(0), shared(3), views.local, width=16)
    return shared_table.make("kuhn(players=3)", others={1: network, 2: tabular.tabular(game, solved)})
