"""OpenSpiel's games as trees: `openspiel:leduc_poker(players=3)`, `openspiel:goofspiel(num_cards=4,imp_info=True)`.

Any of its games with explicit chances and information states works, names and parameters spelled as OpenSpiel spells them;
where players move at the same time its own conversion lets them move in turn. An information set is what
`information_state_string` tells apart, so that counts, strategies and values can be compared with OpenSpiel's one to one.
"""

import difflib
import os
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import pyspiel
from jaxtyping import Array, Float

from interplay.core.errors import InputError
from interplay.games.sequential import CHANCE, TERMINAL, Sequential

PLAYERS = range(2, 6)


class OpenSpielGame(Sequential):
    """One game of OpenSpiel; states are OpenSpiel's own."""

    def __init__(self, game: Any, name: str):
        self.game, self.name = game, name
        self.players, self.actions = game.num_players(), game.num_distinct_actions()

    def start(self) -> Any:
        return self.game.new_initial_state()

    def mover(self, state: Any) -> int:
        player = state.current_player()
        return player if player >= 0 else CHANCE if player == pyspiel.PlayerId.CHANCE else TERMINAL

    def legal(self, state: Any) -> Sequence[int]:
        return state.legal_actions()

    def chances(self, state: Any) -> Sequence[tuple[int, float]]:
        return state.chance_outcomes()

    def play(self, state: Any, move: int) -> Any:
        return state.child(move)

    def payoffs(self, state: Any) -> Sequence[float]:
        return state.returns()

    def information(self, state: Any) -> Hashable:
        return state.information_state_string()

    def features(self, state: Any) -> np.ndarray | None:
        if not self.game.get_type().provides_information_state_tensor:
            return None
        return np.asarray(state.information_state_tensor(), np.float32)

    def word(self, state: Any, move: int) -> str:
        return state.action_to_string(state.current_player(), move)


def make(name: str, **parameters: Any) -> OpenSpielGame:
    """The game OpenSpiel calls `name`, which may hold parameters: `leduc_poker(players=3)`.

    Raises `InputError` with the nearest names where there is none, and where a game cannot be a tree: it does not tell
    what players know, chance is hidden in it, or it has other than two to five players.

        >>> make("kuhn_poker(players=3)").players
        3
    """
    text = name.replace('"', "").replace("'", "").strip()
    head = text.partition("(")[0]
    if head not in pyspiel.registered_names():
        near = difflib.get_close_matches(head, pyspiel.registered_names(), n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else "`pyspiel.registered_names()` lists all"
        raise InputError(f"OpenSpiel has no game called '{head}': {hint}")
    if parameters:
        written = text.partition("(")[2].removesuffix(")")
        given = [f"{key}={value}" for key, value in parameters.items()]
        text = f"{head}({','.join([written, *given] if written else given)})"
    try:
        game = _turned(_quietly(text))
    except (pyspiel.SpielError, RuntimeError) as wrong:
        raise InputError(f"OpenSpiel cannot make '{text}': {' '.join(str(wrong).split())}") from None
    _check(game, text)
    return OpenSpielGame(game, f"openspiel:{text}")


def _quietly(text: str) -> Any:
    """Load a game; what OpenSpiel's C++ writes to standard error on the way is in the exception too."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        return pyspiel.load_game(text)
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _turned(game: Any) -> Any:
    simultaneous = game.get_type().dynamics == pyspiel.GameType.Dynamics.SIMULTANEOUS
    return pyspiel.convert_to_turn_based(game) if simultaneous else game


def _check(game: Any, text: str) -> None:
    kind = game.get_type()
    if kind.dynamics != pyspiel.GameType.Dynamics.SEQUENTIAL:
        raise InputError(f"'{text}' is a mean-field game and has no tree: choose a game of two to five players")
    if kind.chance_mode == pyspiel.GameType.ChanceMode.SAMPLED_STOCHASTIC:
        raise InputError(f"'{text}' hides its chances and has no tree: choose a game with explicit chances")
    if not kind.provides_information_state_string:
        raise InputError(f"'{text}' does not tell what its players know: choose a game with information states")
    if game.num_players() not in PLAYERS:
        raise InputError(f"'{text}' has {game.num_players()} player(s): trees are for two to five")


def to_policy(tree: Any, strategy: Float[Array | np.ndarray, "information action"]) -> Any:
    """A strategy table of a tree of OpenSpiel's game as `open_spiel.python.policy.TabularPolicy`."""
    from open_spiel.python import policy as policies

    policy = policies.TabularPolicy(tree.record.game.game)
    for row, key in enumerate(tree.labels):
        found = policy.state_lookup[key]
        policy.action_probability_array[found] = 0.0
        width = int(tree.legal[row].sum())
        policy.action_probability_array[found, tree.moves[row, :width]] = np.asarray(strategy[row, :width])
    return policy


def from_policy(tree: Any, policy: Any) -> Float[np.ndarray, "information action"]:
    """The table of any of OpenSpiel's policies, C++ or Python, that answers with probabilities for a state."""
    table = np.zeros(tree.legal.shape)
    for row in range(len(table)):
        answer = policy.action_probabilities(tree.record.state(int(tree.record.sets.node[row])))
        width = int(tree.legal[row].sum())
        table[row, :width] = [answer.get(int(move), 0.0) for move in tree.moves[row, :width]]
    return table
