"""Word-level tokens: one number a word of a fixed vocabulary. What tiny models read and write.

Each agent has a mark of its own, so that one model can play several agents and every reader knows who said what.
"""

from collections.abc import Sequence

import numpy as np

from interplay.core.errors import InputError
from interplay.lm.model import NO_IDS, Ids

MARKS = ("<pad>", "<end>", "<unknown>", "<note>", "<say>")
PAD, END, UNKNOWN, NOTE, SAY = range(len(MARKS))


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
