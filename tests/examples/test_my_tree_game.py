"""The example of a tree game of one's own is right, is solved, and is played step by step."""

import jax
import jax.numpy as jnp
import numpy as np

from examples.my_tree_game import Auction
from interplay.games import staged, tree
from interplay.measure import exploit
from interplay.methods import tables
from interplay.play import walk
from interplay.update import matching


def test_the_auction_is_solved_and_bids_are_shaded():
    built = tree.build(Auction())
    assert built.rows == 8 and len(built.record.terminal) == 10 * 10
    solver = tables.solver(matching.cfr_plus())
    strategy = np.asarray(solver.average(built, solver.advance(built, solver.init(built), 500)))
    assert exploit.exact(built, strategy) < 0.01
    mean_bid = [float(strategy[row] @ np.maximum(built.moves[row], 0)) for row in range(built.first[1])]
    worth = [int(label.split()[1]) for label in built.labels[: built.first[1]]]
    assert all(bid < 0.75 * value + 1e-6 for bid, value in zip(mean_bid, worth, strict=True)), "nobody bids all it has"
    assert float(walk.expected(built, jnp.asarray(strategy))[0]) > 0.4


def test_the_auction_is_played_step_by_step():
    game = staged.staged(Auction(players=3))
    state, seen = game.reset(jax.random.key(0))
    for turn in range(3):
        assert np.flatnonzero(seen.active).tolist() == [turn]
        state, seen = game.step(state, jnp.zeros(3, jnp.int32), jax.random.key(turn))
    worth = game.record.state(int(state.node))[0]
    assert seen.terminated and np.allclose(seen.reward, np.array(worth) / 3)
