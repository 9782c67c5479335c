"""How a conversation of several agents is laid out for a model that was trained to chat with one person.

The model's own chat template is taken apart once into what stands before and behind a message; so a longer conversation always
continues a shorter one, token by token, and what was generated is never encoded again. Templates that cannot be taken apart
(or are not there, as in base models) are replaced by lines of the form `author: text`.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from interplay.lm.model import Ids

NOBODY = ("world", "tool")  # whose words are given without saying whose
SYSTEM, USER, OWN, AGAIN, LAST = "\u27e60\u27e7", "\u27e61\u27e7", "\u27e62\u27e7", "\u27e63\u27e7", "\u27e64\u27e7"


class Frame(NamedTuple):
    """What stands before and behind messages, in words and marks."""

    opening: str
    """before the role"""
    opened: str
    """behind it"""
    other: str
    """before a message of somebody else"""
    own: str
    """before one's own"""
    closing: str
    """behind a message of somebody else"""
    ending: str
    """behind one's own"""


LINES = Frame("", "\n", "", "", "\n", "\n")


def framed(tokenizer: Any) -> Frame | None:
    """The chat template of a tokenizer taken apart; None where it has none or will not be.

    With S, U, Y the words of system, user and model, a template that can be is opening S opened other U closing own Y ending.
    """
    say = lambda role, text: {"role": role, "content": text}
    start = [say("system", SYSTEM), say("user", USER)]
    whole = [*start, say("assistant", OWN), say("user", AGAIN), say("assistant", LAST)]
    render = lambda messages, reply: tokenizer.apply_chat_template(
        messages, tokenize=False, add_generation_prompt=reply
    )
    try:
        asked, opened, full = render(start, True), render(start, False), render(whole, False)
        opening, rest = full.split(SYSTEM)
        between, rest = rest.split(USER)
        turned, rest = rest.split(OWN)
        back, rest = rest.split(AGAIN)
        closing = opened.split(USER)[1]
        own, ending = asked.split(USER)[1].removeprefix(closing), rest.split(LAST)[1]
    except Exception:  # templates are programs of others, and refuse what they do not know
        return None
    other = back.removeprefix(ending)
    fits = turned == closing + own and back == ending + other and between.endswith(other)
    return Frame(opening, between.removesuffix(other), other, own, closing, ending) if fits else None


class Chat:
    """A codec over a tokenizer of transformers; see `interplay.lm.model.Codec`.

    `roles` tell each agent its part where the workflow does not. Words of other agents stand behind their name. Marks of the
    template that occur in somebody's words are ordinary letters there, so that nobody can speak in another's name.
    """

    def __init__(self, tokenizer: Any, size: int, roles: Mapping[str, str] | None = None):
        self.tokenizer, self.size, self.roles = tokenizer, size, dict(roles or {})
        frame = framed(tokenizer) if getattr(tokenizer, "chat_template", None) else None
        self.named = frame is None
        self.frame = frame or LINES
        self.end = self._end()
        tail = self._marked(self.frame.ending)
        self._behind = tail[1:] if len(tail) and tail[0] == self.end else tail
        self._known: dict[tuple[str, str], Ids] = {}

    def encode(self, text: str) -> Ids:
        return self._ids(text, split_special_tokens=True)

    def decode(self, tokens: Ids) -> str:
        return self.tokenizer.decode(tokens.tolist(), skip_special_tokens=True).strip()

    def opening(self, agent: str, role: str) -> Ids:
        return self._once("opening", f"{agent}\n{role or self.roles.get(agent, '')}", self._opening)

    def before(self, author: str) -> Ids:
        return self._once("before", author, self._before)

    def after(self, ended: bool) -> Ids:
        return self._behind if ended else self._once("after", "", lambda _: self._marked(self.frame.closing))

    def reply(self, agent: str) -> Ids:
        return self._once("reply", agent, self._reply)

    def _opening(self, told: str) -> Ids:
        role = told.partition("\n")[2]
        parts = [self._marked(self.frame.opening), self.encode(role), self._marked(self.frame.opened)]
        start = self.tokenizer.bos_token_id
        first = [] if self.frame.opening or start is None else [np.array([start], np.int64)]
        return np.concatenate([*first, *(parts if role or not self.named else [])])

    def _before(self, author: str) -> Ids:
        name = self.encode(f"{author}:") if author not in NOBODY else np.zeros(0, np.int64)
        return np.concatenate([self._marked(self.frame.other), name])

    def _reply(self, agent: str) -> Ids:
        return self.encode(f"{agent}:") if self.named else self._marked(self.frame.own)

    def _end(self) -> int:
        """The mark that a message ends with: the first of the template's, else the end of texts, else a new line."""
        tail = self._marked(self.frame.ending)
        special = set(self.tokenizer.all_special_ids)
        ends = [token for token in tail.tolist() if token in special]
        last = self.tokenizer.eos_token_id if self.tokenizer.eos_token_id is not None else int(tail[-1])
        return ends[0] if ends else int(tail[0]) if self.named else int(last)

    def _once(self, kind: str, told: str, make: Any) -> Ids:
        if (kind, told) not in self._known:
            self._known[kind, told] = make(told)
        return self._known[kind, told]

    def _marked(self, text: str) -> Ids:
        return self._ids(text, split_special_tokens=False)

    def _ids(self, text: str, **how: Any) -> Ids:
        return np.array(self.tokenizer(text, add_special_tokens=False, **how)["input_ids"], np.int64)
