"""Word-level tokens: one number a word of a fixed vocabulary. What tiny models read and write.

`Words` knows whole words and nothing else; `Pieces` can read and say any text, common words as one token and others in bytes.
Each agent has a mark of its own, so that one model can play several agents and every reader knows who said what.
"""

import collections
import re
from collections.abc import Iterable, Sequence

import numpy as np

from interplay.core.errors import InputError
from interplay.lm.model import NO_IDS, Ids

MARKS = ("<pad>", "<end>", "<unknown>", "<note>", "<say>")
PAD, END, UNKNOWN, NOTE, SAY = range(len(MARKS))
PIECE = re.compile(r" ?[A-Za-z]+|.", re.DOTALL)


class Words:
    """A codec over the words of `vocabulary` and a mark for each agent.

    An agent reads: its own mark, then of every message the mark of who said it (`<note>` for what no agent said), its
    words and `<end>`, then `<say>`. Words that are not in the vocabulary become `<unknown>`.

        >>> words = Words(["yes", "no"], ["solver", "checker"])
        >>> words.decode(words.encode("no maybe yes"))
        'no <unknown> yes'
    """

    end = END

    def __init__(self, vocabulary: Sequence[str], agents: Sequence[str]):
        self.words = (*MARKS, *(f"<{agent}>" for agent in agents), *dict.fromkeys(vocabulary))
        broken = [word for word in vocabulary if len(word.split()) != 1]
        if broken:
            raise InputError(f"the vocabulary has {broken[0]!r}, which is not one word: split it")
        self.size = len(self.words)
        self._number = {word: index for index, word in enumerate(self.words)}

    def encode(self, text: str) -> Ids:
        return np.array([self._number.get(word, UNKNOWN) for word in text.split()], np.int64)

    def decode(self, tokens: Ids) -> str:
        return " ".join(self.words[token] for token in tokens.tolist() if token not in (PAD, END))

    def opening(self, agent: str, role: str) -> Ids:
        """The agent's mark and, where it has one, the words of its role."""
        return np.concatenate([self._mark(agent), self.encode(role)]) if role else self._mark(agent)

    def before(self, author: str) -> Ids:
        mark = self._number.get(f"<{author}>", NOTE)
        return np.array([mark], np.int64)

    def after(self, ended: bool) -> Ids:
        return np.array([] if ended else [END], np.int64)

    def reply(self, agent: str) -> Ids:
        return np.array([SAY], np.int64)

    def _mark(self, agent: str) -> Ids:
        if f"<{agent}>" not in self._number:
            raise InputError(f"the model knows no agent called '{agent}': name it among the team's agents")
        return np.array([self._number[f"<{agent}>"]], np.int64)


class Wordless(Words):
    """A codec without words, of models that take words and give words: nothing they read or say is ever made tokens."""

    def __init__(self):
        super().__init__((), ())

    def encode(self, text: str) -> Ids:
        return NO_IDS

    def opening(self, agent: str, role: str) -> Ids:
        return NO_IDS


def pieces(text: str) -> list[str]:
    """Words with the space before them, and every other character by itself; digits are told one by one.

    >>> pieces("Calculate 5 - 31.")
    ['Calculate', ' ', '5', ' ', '-', ' ', '3', '1', '.']
    """
    return PIECE.findall(text)


def common(texts: Iterable[str], most: int = 512) -> tuple[str, ...]:
    """The words of some texts that come twice or more, at most so many, the commonest first: what `Pieces` should know.

    >>> common(["a bet, a pass", "a bet"])
    (' bet',)
    """
    counts = collections.Counter(piece for text in texts for piece in pieces(text))
    ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return tuple(piece for piece, count in ranked if count > 1 and len(piece) > 1)[:most]


class Pieces(Words):
    """A codec that can say anything: one token a known piece, and a token a byte for what is not known.

    Nothing is lost on the way, spaces and lines neither.

        >>> known = Pieces([" plus"], ["solver"])
        >>> [len(known.encode(text)) for text in (" plus", " minus")], known.decode(known.encode("5 plus ½\\n"))
        ([1, 6], '5 plus ½\\n')
    """

    def __init__(self, vocabulary: Sequence[str], agents: Sequence[str]):
        marks = [mark.encode() for mark in (*MARKS, *(f"<{agent}>" for agent in agents))]
        known = [piece.encode() for piece in dict.fromkeys(vocabulary) if len(piece.encode()) > 1]
        self._bytes = (*marks, *(bytes([value]) for value in range(256)), *known)
        self.words = tuple(value.decode("utf-8", "replace") for value in self._bytes)
        self.size, self._first = len(self._bytes), len(marks)
        self._number = {mark.decode(): index for index, mark in enumerate(marks)}
        self._piece = {value.decode(): index for index, value in enumerate(self._bytes) if value in set(known)}

    def encode(self, text: str) -> Ids:
        tokens: list[int] = []
        for piece in pieces(text):
            known = self._piece.get(piece)
            tokens += [self._first + value for value in piece.encode()] if known is None else [known]
        return np.array(tokens, np.int64)

    def decode(self, tokens: Ids) -> str:
        said = b"".join(self._bytes[token] for token in tokens.tolist() if token not in (PAD, END))
        return said.decode("utf-8", "replace")
