"""Legal answers as a tree of tokens: a model that may only say "search" or "answer" draws among these, and is judged so.

The same mask stands behind every log-probability of an answer, when it is drawn, when it is learned from, and under a
reference policy; otherwise their ratio would not start at one. Two known instances are the actions of a matrix game and the
legal moves of any array game seen through words.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool

from interplay.core.errors import InputError
from interplay.lm.model import Codec, Ids


class Trie:
    """A tree over sequences of tokens; each ends with the codec's end. A place in it is a number, 0 the root.

    >>> tree = Trie([[1, 2], [1, 3]], end=0)
    >>> tree.legal(tree.begin()).tolist(), tree.legal(tree.after(0, 1)).tolist()
    ([1], [2, 3])
    """

    def __init__(self, sequences: Iterable[Sequence[int]], end: int):
        self._children: list[dict[int, int]] = [{}]
        for sequence in sequences:
            place = 0
            for token in (*(int(token) for token in sequence), end):
                if token not in self._children[place]:
                    self._children.append({})
                    self._children[place][token] = len(self._children) - 1
                place = self._children[place][token]
        if not self._children[0]:
            raise InputError("no legal answers: give at least one")
        self._legal = [np.array(sorted(children), np.int64) for children in self._children]

    def begin(self) -> int:
        """The root."""
        return 0

    def legal(self, place: int) -> Ids:
        """Tokens that go on from here; none behind the end of an answer."""
        return self._legal[place]

    def after(self, place: int, token: int) -> int:
        """One step down. Raises `InputError` for a token that is not legal here."""
        if token not in self._children[place]:
            raise InputError(f"token {token} is not legal here: choose one of {self._legal[place].tolist()}")
        return self._children[place][token]


def among(answers: Iterable[str], codec: Codec) -> Trie:
    """The tree of some answers in words, as the model of `codec` would say them.

    Raises `InputError` where two answers are the same tokens, or one is empty.
    """
    encoded = {answer: tuple(codec.encode(answer).tolist()) for answer in answers}
    if len(set(encoded.values())) < len(encoded) or () in encoded.values():
        raise InputError(f"answers {sorted(encoded)} cannot be told apart in tokens: use words the model knows")
    return Trie(encoded.values(), codec.end)


def mask(legal: Sequence[Ids | None], size: int) -> Bool[np.ndarray, "row word"] | None:
    """Rows of a mask over `size` tokens; None where every row is free.

    >>> mask([np.array([1]), None], 3).tolist()
    [[False, True, False], [True, True, True]]
    """
    if all(tokens is None for tokens in legal):
        return None
    rows = np.zeros((len(legal), size), bool)
    for row, tokens in zip(rows, legal, strict=True):
        row[slice(None) if tokens is None else tokens] = True
    return rows


def walked(answers: Any, tokens: Ids) -> tuple[Ids, ...]:
    """The legal tokens at every step of an answer that was given, for tokens that somebody else chose."""
    place, legal = answers.begin(), []
    for token in tokens.tolist():
        legal.append(answers.legal(place))
        place = answers.after(place, token)
    return tuple(legal)


def ending(answers: Any, place: Any, room: int) -> tuple[tuple[int, Ids], ...] | None:
    """The only way from a place to the end, or as far as there is room: tokens, each with the legal ones, itself alone.

    None where there is a choice on the way.

        >>> [token for token, _ in ending(Trie([[1, 2], [3, 4]], end=0), 1, room=9)]
        [2, 0]
    """
    steps: list[tuple[int, Ids]] = []
    while len(steps) < room:
        legal = answers.legal(place)
        if len(legal) > 1:
            return None
        if not len(legal):
            break
        steps.append((int(legal[0]), legal))
        place = answers.after(place, steps[-1][0])
    return tuple(steps)
