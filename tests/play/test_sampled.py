"""Monte-Carlo CFR: the mean over all samples is the full walk exactly, and its average strategy becomes an equilibrium."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from interplay.core.errors import InputError
from interplay.games import tree as trees
from interplay.games.random_tree import random_tree
from interplay.measure import exploit
from interplay.methods import tables
from interplay.play import sampled, walk

GAMES = ["random-tree(players=3,depth=5,actions=2,zero_sum=False)", "openspiel:kuhn_poker"]
SAMPLINGS = [sampled.external, sampled.outcome(0.3)]


@pytest.fixture(autouse=True)
def precise():
    with jax.enable_x64(True):
        yield


class Scripted:
    """Chooses what it is told to, then the first of what is left; keeps what else could have been chosen."""

    def __init__(self, script):
        self.script, self.drawn, self.weight, self.others = script, [], 1.0, []

    def choose(self, shares):
        able = [place for place, share in enumerate(shares) if share > 0]
        if len(self.drawn) < len(self.script):
            able = [self.script[len(self.drawn)]]
        self.others += [(*self.drawn, place) for place in able[1:]]
        self.drawn.append(able[0])
        self.weight *= shares[able[0]]
        return able[0]


def every(walk_of):
    """All samples with their probabilities: what is drawn is tried in every way there is."""
    scripts = [()]
    while scripts:
        chance = Scripted(scripts.pop())
        found = walk_of(chance.choose)
        yield chance.weight, found
        scripts += chance.others


def expected(tree, strategy, player, explore):
    """E of a walk's value, of its regrets, and of the weights of the next player's strategy, as tables."""
    rows = [{} for _ in range(tree.players)]
    for row, (owner, key) in enumerate(zip(tree.record.sets.player, tree.record.sets.key, strict=True)):
        rows[owner][key] = row
    play = lambda mover, key, moves: [float(share) for share in strategy[rows[mover][key]][:moves]]
    total, value = 0.0, 0.0
    regrets, sums = np.zeros(strategy.shape), np.zeros(strategy.shape)
    after = (player + 1) % tree.players
    for weight, found in every(lambda choose: sampled.sample(tree.record.game, play, player, explore, choose)):
        total, value = total + weight, value + weight * found.value
        for key, regret in found.regrets:
            regrets[rows[player][key], : len(regret)] += weight * np.array(regret)
        for key, shares, share in found.averages:
            sums[rows[after][key], : len(shares)] += weight * share * np.array(shares)
    assert total == pytest.approx(1.0)
    return value, regrets, sums


@pytest.mark.parametrize("explore", SAMPLINGS)
@pytest.mark.parametrize("name", GAMES)
def test_the_mean_of_samples_is_the_full_walk(name, explore):
    if "openspiel" in name:
        pytest.importorskip("pyspiel")
    tree = trees.make(name)
    scores = np.random.default_rng(0).random(tree.legal.shape) * tree.legal
    strategy = scores / scores.sum(1, keepdims=True)
    reaches = walk.reaches(tree, jnp.asarray(strategy))
    for player in range(tree.players):
        value, regrets, sums = expected(tree, strategy, player, explore)
        wanted = tables.regrets(tree, reaches, walk.rows(tree, jnp.asarray(strategy), player), player)
        np.testing.assert_allclose(regrets[tree.first[player] : tree.first[player + 1]], wanted, atol=1e-12)
        assert value == pytest.approx(float(walk.expected(tree, jnp.asarray(strategy))[player]))
        after = (player + 1) % tree.players
        rows = slice(tree.first[after], tree.first[after + 1])
        wanted = chance_alone(tree)[rows, None] * reaches[after]
        np.testing.assert_allclose(sums[rows], wanted, atol=1e-12)


def chance_alone(tree):
    """Σ_{h in I} of what chance does on the way to h: the constant that an average's weights may differ by."""
    record, reach = tree.record, np.ones(tree.nodes)
    for node in range(1, tree.nodes):
        reach[node] = reach[record.parent[node]] * record.chance[node]
    known = record.information >= 0
    return np.bincount(record.information[known], reach[known], tree.rows)


@pytest.mark.parametrize(
    ("explore", "iterations", "most"), [(sampled.external, 1000, 0.05), (sampled.outcome(), 4000, 0.1)]
)
def test_kuhn_poker_is_solved(explore, iterations, most):
    pytest.importorskip("pyspiel")
    tree = trees.make("openspiel:kuhn_poker")
    learned = sampled.solve(tree.record.game, explore, iterations, seed=1)
    assert learned.information_sets == tree.rows
    strategy = learned.table(tree)
    assert exploit.exact(tree, strategy) < most
    means, errors = sampled.payoffs(tree.record.game, learned.average, 2000)
    assert abs(means[0] - float(walk.expected(tree, jnp.asarray(strategy))[0])) < 4 * errors[0]


def test_runs_go_on_and_repeat():
    game = random_tree(3, 6, 3)
    first, again = (sampled.solve(game, sampled.outcome(), 30, seed=5) for _ in range(2))
    assert first.regrets == again.regrets and first.sums == again.sums
    more = sampled.solve(game, sampled.external, 5, seed=6, learned=first)
    assert more is first and more.sums != again.sums


def test_a_tree_too_large_to_hold_is_played():
    game = random_tree(2, 60, 4)
    with pytest.raises(InputError, match="mccfr"):
        trees.build(game)
    assert sampled.solve(game, sampled.outcome(), 20).information_sets > 100


def test_bad_input():
    with pytest.raises(InputError, match="exploration"):
        sampled.outcome(0.0)
    with pytest.raises(InputError, match="iterations"):
        sampled.solve(random_tree(), iterations=0)
