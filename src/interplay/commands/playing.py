"""A person at the table: play."""

import random
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from interplay.commands.words import DONE, Outcome, command
from interplay.core.errors import InputError

if TYPE_CHECKING:
    from interplay.games.tree import Tree

Choose = Callable[[Any, int], int]  # state and player -> the place of the move among the legal ones


@command
def play(
    game: Annotated[str, tyro.conf.Positional],
    /,
    *,
    strategy: Path,
    seat: int = 0,
    games: int = 1,
    seed: int | None = None,
    json: bool = False,
) -> Outcome:
    """Play a tree game in the terminal against a strategy that was solved.

    Args:
        game: a tree game such as kuhn or leduc(suits=False)
        strategy: what `interplay solve GAME --out DIR` left, for this game or the same one told otherwise
        seat: which player you are, from 0; all others play the strategy
        games: how many to play
        seed: of the cards and of the others' choices; by default they are different each time
        json: print one JSON object at the end
    """
    from interplay.games import pairing
    from interplay.games import tree as trees
    from interplay.run import strategies

    if games < 1:
        raise InputError(f"cannot play {games} games: give 1 or more")
    kept = strategies.load(strategy)
    tree, table = kept.tree, kept.strategy
    if game != kept.about["game"]:
        tree = trees.make(game)
        table = pairing.carried(kept.tree, table, tree)
    if not 0 <= seat < tree.players:
        raise InputError(f"{game} has seats 0 to {tree.players - 1}: seat {seat} is not one")
    luck = random.Random(seed)
    other = _tabular(tree, table, luck)
    seats: list[Choose] = [_asking(tree) if player == seat else other for player in range(tree.players)]
    returns = [_told(tree, seats, seat, luck) for _ in range(games)]
    mean = [sum(column) / games for column in zip(*returns, strict=True)]
    if json:
        return 0, {"game": game, "seat": seat, "games": games, "returns": mean}
    if games > 1:
        print(f"after {games} games you have {mean[seat] * games:+g}, {mean[seat]:+.3f} a game")
    return DONE


def _told(tree: "Tree", seats: Sequence[Choose], seat: int, luck: random.Random) -> Sequence[float]:
    """One game from start to end; says at the end what everybody did, and who got what."""
    from interplay.games.sequential import CHANCE, TERMINAL

    game = tree.record.game
    state, story = game.start(), []
    while (mover := game.mover(state)) != TERMINAL:
        if mover == CHANCE:
            outcomes, chances = zip(*game.chances(state), strict=True)
            move = luck.choices(outcomes, chances)[0]
            story.append(f"chance {move}")
        else:
            move = game.legal(state)[seats[mover](state, mover)]
            story.append(f"{'you' if mover == seat else f'player {mover}'} {game.word(state, move)}")
        state = game.play(state, move)
    paid = game.payoffs(state)
    print(f"the whole story: {', '.join(story)}")
    print(f"you {'win' if paid[seat] > 0 else 'lose' if paid[seat] < 0 else 'get'} {abs(paid[seat]):g}")
    if tree.players > 2:
        print(f"everybody: {', '.join(f'player {who} {share:+g}' for who, share in enumerate(paid))}")
    return paid


def _tabular(tree: "Tree", table: Any, luck: random.Random) -> Choose:
    """Whoever plays the strategy."""
    sets = tree.record.sets
    rows = {(int(player), key): row for row, (player, key) in enumerate(zip(sets.player, sets.key, strict=True))}

    def choose(state: Any, player: int) -> int:
        row = rows[player, tree.record.game.information(state)]
        width = int(tree.legal[row].sum())
        return luck.choices(range(width), table[row, :width])[0]

    return choose


def _asking(tree: "Tree") -> Choose:
    """Whoever sits at the keyboard: shown what it knows and what it may do, asked until it names a move."""
    game = tree.record.game

    def choose(state: Any, player: int) -> int:
        words = [game.word(state, move) for move in game.legal(state)]
        offered = ", ".join(words)
        print(f"\nyou are player {player} and know: {game.information(state)}\nmoves: {offered}")
        while True:
            print("your move: ", end="", flush=True)
            line = sys.stdin.readline()
            if not line:
                print()
                raise InputError("the input ended before the game did: give one move a line")
            found = _meant(line.strip(), words)
            if found is not None:
                return found
            print(f"'{line.strip()}' is not one move here, type one of: {offered}")

    return choose


def _meant(said: str, words: Sequence[str]) -> int | None:
    """The place of the word that was said, or of the only one that begins so."""
    plain = [word.casefold() for word in words]
    if said.casefold() in plain:
        return plain.index(said.casefold())
    begun = [at for at, word in enumerate(plain) if said and word.startswith(said.casefold())]
    return begun[0] if len(begun) == 1 else None
