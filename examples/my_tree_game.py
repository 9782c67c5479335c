"""A sealed-bid auction: you know what the vase is worth to you, bid at most that, and the highest bid buys. A whole game."""

import itertools

from interplay.games.sequential import CHANCE, TERMINAL, Sequential


class Auction(Sequential):
    def __init__(self, players: int = 2, worth: int = 3):
        self.name = f"auction(players={players}, worth={worth})"
        self.players, self.actions, self.highest = players, worth + 1, worth

    def start(self):
        return (), ()  # what the vase is worth to each player, and what was bid so far

    def mover(self, state):
        worth, bids = state
        return CHANCE if not worth else TERMINAL if len(bids) == self.players else len(bids)

    def chances(self, state):
        count = (self.highest + 1) ** self.players
        return [(outcome, 1 / count) for outcome in range(count)]

    def legal(self, state):
        worth, bids = state
        return range(worth[len(bids)] + 1)

    def play(self, state, move):
        worth, bids = state
        if not worth:
            every = itertools.product(range(self.highest + 1), repeat=self.players)
            return next(itertools.islice(every, move, None)), ()
        return worth, (*bids, move)

    def information(self, state):
        worth, bids = state
        return f"worth {worth[len(bids)]} to you"  # nobody sees the others' bids

    def payoffs(self, state):
        worth, bids = state
        share = 1 / bids.count(max(bids))  # a tie is drawn by lot
        return [share * (worth[who] - bid) * (bid == max(bids)) for who, bid in enumerate(bids)]
