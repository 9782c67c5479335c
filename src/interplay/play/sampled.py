"""Monte-Carlo CFR: regrets from samples of a game's tree, for games too large to be held as arrays.

Chance and the other players are sampled as they play; what the player who learns looks at is a choice: all its moves at every
decision (`external` sampling), or one, drawn with some exploration (`outcome` sampling). What is learned is a table of the
information sets met on the way. Every sampled regret has the mean of the full walk's (`play.walk`), whatever is sampled.

Source: Lanctot et al., "Monte Carlo sampling for regret minimization in extensive games" (2009), equations 6 to 10.
"""

import itertools
import math
import operator
import random
from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from interplay.core.errors import InputError
from interplay.games.sequential import CHANCE, TERMINAL, Sequential
from interplay.games.tree import Tree

__all__ = ["SAMPLINGS", "Learned", "Sample", "external", "outcome", "payoffs", "sample", "solve"]

Shares = Sequence[float]  # a distribution over the legal moves of one information set
Strategy = Callable[[int, Hashable, int], Shares]  # (player, what it knows, number of moves) → what it plays
Choose = Callable[[Shares], int]  # draws a place
Explore = Callable[
    [Shares, Choose], list[tuple[int, float]]
]  # places to look at, and how probable it was to look there


class Sample(NamedTuple):
    """What one sampled walk says about the player who learns, and about how the next player plays on average.

    `value` estimates what the game is worth to it; `regrets` r(I, ·) at its information sets, `averages` (I, σ(I, ·), weight)
    at the next player's, each in order of being met; an information set may be met more than once.
    """

    value: float
    regrets: list[tuple[Hashable, list[float]]]
    averages: list[tuple[Hashable, Shares, float]]


def external(shares: Shares, choose: Choose) -> list[tuple[int, float]]:
    """Look at every move.

    >>> external([0.25, 0.75], lambda shares: 0)
    [(0, 1.0), (1, 1.0)]
    """
    return [(place, 1.0) for place in range(len(shares))]


def outcome(exploration: float = 0.6) -> Explore:
    """Look at one move, a ~ ξ = ε / moves + (1 − ε) σ, so that a walk is one episode.

        >>> outcome(1.0)([0.0, 1.0], lambda shares: 0)
        [(0, 0.5)]

    Raises `InputError` where ε is not in (0, 1]: moves that are not played now would never be looked at.
    """
    if not 0 < exploration <= 1:
        raise InputError(f"exploration is {exploration}: give a number above 0 and at most 1")

    def explore(shares: Shares, choose: Choose) -> list[tuple[int, float]]:
        mixed = [exploration / len(shares) + (1 - exploration) * share for share in shares]
        place = choose(mixed)
        return [(place, mixed[place])]

    return explore


SAMPLINGS: dict[str, Explore] = {"mccfr-external": external, "mccfr-outcome": outcome()}


def sample(game: Sequential, strategy: Strategy, player: int, explore: Explore, choose: Choose) -> Sample:
    """One sampled walk in which `player` learns from its `strategy` and everybody's.

    v(a) = 1[a looked at] v(after a) / ξ(a),  r(I, a) = (v(a) − Σ_b σ(I, b) v(b)) / Π_{own moves before} ξ,
    weight of the next player's σ = 1 / (Π_{own moves before} ξ · Π_{third players' moves before} σ),

    so that E[Σ r(I, a)] is the counterfactual regret, and E[Σ weight] the next player's own reach of I times Σ_{h in I} of what
    chance does: a constant. (Of third players only moves that they play now are looked at.)
    """
    walk = _Walk(game, strategy, player, explore, choose)
    return Sample(walk.below(game.start(), 1.0, 1.0), walk.regrets, walk.averages)


class _Walk:
    """What one walk has found so far. A class and not a function within `sample`, so that nothing is defined anew per walk."""

    def __init__(self, game: Sequential, strategy: Strategy, player: int, explore: Explore, choose: Choose):
        self.game, self.strategy, self.player, self.explore, self.choose = game, strategy, player, explore, choose
        self.averaged = (player + 1) % game.players
        self.regrets: list[tuple[Hashable, list[float]]] = []
        self.averages: list[tuple[Hashable, Shares, float]] = []

    def below(self, state: Any, own: float, third: float) -> float:
        """The sampled value of a state, which the player's and third players' moves so far reach with `own` and `third`."""
        game = self.game
        mover = game.mover(state)
        if mover == TERMINAL:
            return game.payoffs(state)[self.player]
        if mover == CHANCE:
            moves, shares = zip(*game.chances(state), strict=True)
            return self.below(game.play(state, moves[self.choose(shares)]), own, third)
        moves, known = game.legal(state), game.information(state)
        shares = self.strategy(mover, known, len(moves))
        if mover == self.player:
            return self.decided(state, known, shares, own, third)
        place = self.choose(shares)
        if mover == self.averaged:
            self.averages.append((known, shares, 1 / (own * third)))
        else:
            third *= shares[place]
        return self.below(game.play(state, moves[place]), own, third)

    def decided(self, state: Any, known: Hashable, shares: Shares, own: float, third: float) -> float:
        """`below` where the player itself moves."""
        moves, values = self.game.legal(state), [0.0] * len(shares)
        for place, chance in self.explore(shares, self.choose):
            values[place] = self.below(self.game.play(state, moves[place]), own * chance, third) / chance
        mean = sum(map(operator.mul, shares, values))
        self.regrets.append((known, [(value - mean) / own for value in values]))
        return mean


class Learned:
    """Sums of sampled regrets and of weighed strategies, by player and information set, grown as they are met."""

    def __init__(self, players: int):
        self.regrets: list[dict[Hashable, list[float]]] = [{} for _ in range(players)]
        self.sums: list[dict[Hashable, list[float]]] = [{} for _ in range(players)]

    @property
    def information_sets(self) -> int:
        """How many have been met."""
        return sum(len(regrets.keys() | sums.keys()) for regrets, sums in zip(self.regrets, self.sums, strict=True))

    def now(self, player: int, known: Hashable, moves: int) -> Shares:
        """Regret matching: σ(I, a) ∝ R(I, a)⁺, evenly where no regret is positive."""
        return _matched(self.regrets[player].get(known), moves)

    def average(self, player: int, known: Hashable, moves: int) -> Shares:
        """The average strategy, which is what approaches equilibrium in games for two with zero sum; evenly where never met."""
        return _matched(self.sums[player].get(known), moves)

    def take(self, player: int, found: Sample) -> None:
        """R ← R + r for the player who learned, S ← S + weight σ for the next."""
        for known, regret in found.regrets:
            _add(self.regrets[player], known, regret, 1.0)
        after = self.sums[(player + 1) % len(self.sums)]
        for known, shares, weight in found.averages:
            _add(after, known, shares, weight)

    def table(self, tree: Tree) -> Float[np.ndarray, "information action"]:
        """The average as a strategy of the game's tree, for games small enough to hold one after all."""
        strategy = np.zeros(tree.legal.shape)
        sets = tree.record.sets
        for row, (player, known, moves) in enumerate(zip(sets.player, sets.key, sets.width, strict=True)):
            strategy[row, :moves] = self.average(int(player), known, int(moves))
        return strategy


def solve(
    game: Sequential, explore: Explore = external, iterations: int = 1000, seed: int = 0, learned: Learned | None = None
) -> Learned:
    """Monte-Carlo CFR: every iteration one sampled walk for each player in turn; goes on from `learned` where given.

    Raises `InputError` for fewer than one iteration.

        >>> from interplay.games.random_tree import random_tree
        >>> solve(random_tree(depth=3), external, 100).information_sets
        4
    """
    if iterations < 1:
        raise InputError(f"cannot solve in {iterations} iterations: give 1 or more")
    learned, choose = learned or Learned(game.players), chooser(seed)
    for _ in range(iterations):
        for player in range(game.players):
            learned.take(player, sample(game, learned.now, player, explore, choose))
    return learned


def payoffs(
    game: Sequential, strategy: Strategy, episodes: int, seed: int = 0
) -> tuple[Float[np.ndarray, "player"], Float[np.ndarray, "player"]]:
    """What every player gets on average where all follow `strategy`, and the standard error, from sampled episodes.

    >>> from interplay.games.random_tree import random_tree
    >>> payoffs(random_tree(depth=3), lambda player, known, moves: [1 / moves] * moves, 50)[0].shape
    (2,)
    """
    choose, paid = chooser(seed), []
    for _ in range(episodes):
        state = game.start()
        while (mover := game.mover(state)) != TERMINAL:
            if mover == CHANCE:
                moves, shares = zip(*game.chances(state), strict=True)
            else:
                moves = game.legal(state)
                shares = strategy(mover, game.information(state), len(moves))
            state = game.play(state, moves[choose(shares)])
        paid.append(game.payoffs(state))
    table = np.asarray(paid, float)
    return table.mean(0), table.std(0) / math.sqrt(max(episodes - 1, 1))


def chooser(seed: int) -> Choose:
    """Draws places by their shares, the same ones for the same seed."""
    random_ = random.Random(seed).random

    def choose(shares: Shares) -> int:
        at = random_() * sum(shares)
        for place, total in enumerate(itertools.accumulate(shares)):
            if at < total:
                return place
        return max(place for place, share in enumerate(shares) if share > 0)  # rounding

    return choose


def _matched(scores: Sequence[float] | None, moves: int) -> Shares:
    if scores is not None:
        positive = [score if score > 0 else 0.0 for score in scores]
        if (total := sum(positive)) > 0:
            return [score / total for score in positive]
    return [1 / moves] * moves


def _add(table: dict[Hashable, list[float]], known: Hashable, row: Shares, weight: float) -> None:
    held = table.get(known)
    if held is None:
        table[known] = [weight * entry for entry in row]
    else:
        for place, entry in enumerate(row):
            held[place] += weight * entry
