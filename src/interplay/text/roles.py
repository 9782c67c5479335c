"""Roles in a search over text, played by a model: summarize, navigate, pick examples, criticize, propose.

Each gets a prompt and gives a typed answer. An answer that cannot be used is told back with the reason, a few times; what still
is none, is a failure in words that costs what it cost. The same roles without a model stand in `text.context`. ContextEvolve
and Reflexion give such roles to language models.

Source: Su, Zheng and Li, "ContextEvolve: Multi-agent context compression for systems code optimization" (2026).
"""

import functools
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Generic, NamedTuple, TypeVar

import jinja2

from interplay.core.budget import Budget
from interplay.core.errors import InputError
from interplay.lm.client import Ask, Message
from interplay.text import edits
from interplay.text.genome import Genome, diff
from interplay.text.trial import Trial

Value = TypeVar("Value")
TRIES = 3  # answers that are asked for until one can be used
SHOWN = 4000  # letters of an unusable answer that it is reminded of
SUMMARY_WORDS, AIM_WORDS = 80, 60
PULL = 1.0  # how strongly a named trait leans


@dataclass(frozen=True)
class Said(Generic[Value]):
    """What a role came to, or nothing and why; and what it cost."""

    value: Value | None
    spent: Budget = field(default_factory=Budget)
    failure: str = ""


class Summary(NamedTuple):
    """What a candidate is like: traits that it has from its parent, and those that are new."""

    inherited: tuple[str, ...] = ()
    novel: tuple[str, ...] = ()

    @property
    def traits(self) -> frozenset[str]:
        return frozenset(self.inherited + self.novel)

    @property
    def text(self) -> str:
        """In words; nothing where there is nothing.

        >>> Summary(("uses age",), ("takes logarithms",)).text
        'Inherited: uses age. New: takes logarithms.'
        """
        parts = (("Inherited", self.inherited), ("New", self.novel))
        return " ".join(f"{name}: {'; '.join(some)}." for name, some in parts if some)


class Aim(NamedTuple):
    """A direction to go on in, in words and as traits to bring in (positive) or take out (negative)."""

    text: str = ""
    lean: Mapping[str, float] = MappingProxyType({})


class Step(NamedTuple):
    """From a parent to its child: both summaries, what the score changed by, and single scores; `failed` where it has none."""

    before: Summary
    after: Summary
    change: float
    changes: tuple[float, ...]
    failed: bool = False


class Track(NamedTuple):
    """Some steps one after the other, and whether they led up, down, or some scores up and others down."""

    steps: tuple[Step, ...]
    kind: str


class Example(NamedTuple):
    """A candidate that could be shown to the proposer, its summary, and what it won over its parent."""

    trial: Trial
    summary: Summary
    change: float


def asked(ask: Ask, talk: Sequence[Message], read: Callable[[str], Value], tries: int = TRIES) -> Said[Value]:
    """Ask until `read` makes something of the answer; its `InputError` goes back to the model as a reason.

    >>> from interplay.lm.client import scripted
    >>> asked(scripted(["{", '{"a": 1}']), [], found).value
    {'a': 1}
    """
    spent, failure, talk = Budget(), "", list(talk)
    for _ in range(tries):
        answer = ask(talk)
        spent = spent.plus(answer.spent)
        if answer.failure:
            return Said(None, spent, answer.failure)
        try:
            return Said(read(answer.text), spent)
        except InputError as wrong:
            failure = str(wrong)
            again = f"That cannot be used: {failure}. Answer again, whole, in the form that was asked for."
            talk = [*talk, _message("assistant", answer.text[:SHOWN]), _message("user", again)]
    return Said(None, spent, f"no usable answer: {_kind(failure)}")


def _message(role: str, text: str) -> Message:
    return {"role": role, "content": text}


def _kind(failure: str) -> str:
    """A failure without what is particular to one answer, so that like ones are counted together."""
    return failure.split("'")[0].split(":")[0].strip(" ,(")[:60]


def prompt(name: str, **words: Any) -> list[Message]:
    """The messages of the template `name`: what a line of three dashes parts is for the system and for the user."""
    system, _, user = _templates().get_template(f"{name}.j2").render(**words).partition("\n---\n")
    return [_message("system", system.strip()), _message("user", user.strip())]


@functools.cache
def _templates() -> jinja2.Environment:
    loader = jinja2.PackageLoader("interplay.text", "prompts")
    return jinja2.Environment(loader=loader, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined)


def found(text: str) -> dict[str, Any]:
    """The JSON object in an answer, whatever stands around it. Raises `InputError` where there is none.

    >>> found('Here it is: {"aim": "less"}')
    {'aim': 'less'}
    """
    match = re.search(r"\{.*\}", text, re.DOTALL)
    try:
        answer = json.loads(match.group() if match else "")
    except (ValueError, RecursionError):
        raise InputError("the answer holds no JSON object: write one, and nothing else") from None
    return answer


def _strings(answer: dict[str, Any], name: str) -> tuple[str, ...]:
    some = answer.get(name, [])
    if not isinstance(some, list) or not all(isinstance(each, str) and each.strip() for each in some):
        raise InputError(f'{name} is no list of texts: write one, such as ["uses age"]')
    return tuple(each.strip() for each in some)


def _words(answer: dict[str, Any], name: str, most: int) -> str:
    text = answer.get(name)
    if not isinstance(text, str) or not text.strip():
        raise InputError(f"{name} is missing: write it in words")
    if len(text.split()) > most:
        raise InputError(f"{name} has {len(text.split())} words: write at most {most}")
    return text.strip()


def summary_prompt(child: Genome, parent: Genome | None, before: Summary) -> list[Message]:
    """What a summarizer is asked."""
    changed = diff(parent, child) if parent else child.text
    return prompt("summarize", changed=changed, before=before.text, child=child.text, most=SUMMARY_WORDS)


def summarizer(ask: Ask):
    """Summaries by a model: what is inherited and what is new, both, in few words."""

    def summarize(child: Genome, parent: Genome, before: Summary) -> Said[Summary]:
        def read(text: str) -> Summary:
            answer = found(text)
            summary = Summary(_strings(answer, "inherited"), _strings(answer, "novel"))
            if not summary.novel or (before.traits and not summary.inherited):
                raise InputError("a list is empty: say both what is inherited and what is new")
            if len(summary.text.split()) > SUMMARY_WORDS + 2:
                raise InputError(f"{len(summary.text.split())} words: write at most {SUMMARY_WORDS}")
            return summary

        return asked(ask, summary_prompt(child, parent, before), read)

    return summarize


def aim_prompt(tracks: Sequence[Track], traits: Sequence[str] = ()) -> list[Message]:
    """What a navigator is asked; `traits` are those that it may name."""
    return prompt("navigate", tracks=tracks, traits=traits, most=AIM_WORDS)


def navigator(ask: Ask, traits: Sequence[str] = ()):
    """Aims by a model, from steps that were tried: a direction, not a recipe."""

    def navigate(tracks: Sequence[Track], rng: Any) -> Said[Aim]:
        if not tracks:
            return Said(Aim())

        def read(text: str) -> Aim:
            answer = found(text)
            more, less = (_strings(answer, name) for name in ("more", "less"))
            for each in (*more, *less):
                if traits and each not in traits:
                    raise InputError(
                        f"'{each}' is none of the traits: name those of the list, or leave the lists empty"
                    )
            return Aim(_words(answer, "aim", AIM_WORDS), dict.fromkeys(less, -PULL) | dict.fromkeys(more, PULL))

        return asked(ask, aim_prompt(tracks, traits), read)

    return navigate


def examples_prompt(examples: Sequence[Example], before: Summary, aim: Aim, count: int) -> list[Message]:
    """What a sampler is asked."""
    return prompt("sample", examples=examples, before=before.text, aim=aim.text, count=count)


def sampler(ask: Ask):
    """Examples chosen by a model from summaries and scores."""

    def sample(examples: Sequence[Example], before: Summary, aim: Aim, count: int) -> Said[tuple[Trial, ...]]:
        if len(examples) <= count:
            return Said(tuple(each.trial for each in examples))

        def read(text: str) -> tuple[Trial, ...]:
            chosen = found(text).get("chosen")
            if not isinstance(chosen, list) or not all(isinstance(at, int) for at in chosen):
                chosen = []
            if not set(chosen) <= set(range(len(examples))) or not 1 <= len(set(chosen)) <= count:
                raise InputError(f"chosen is no list of 1 to {count} numbers of candidates: write such a list")
            return tuple(examples[at].trial for at in dict.fromkeys(chosen))

        return asked(ask, examples_prompt(examples, before, aim, count), read)

    return sample


def critic(ask: Ask, about: str):
    """Criticism by a model: where a candidate is weak and why, from its text and its single scores."""

    def criticize(trial: Trial) -> Said[str]:
        def read(text: str) -> str:
            answer = found(text)
            return f"{_words(answer, 'weakness', AIM_WORDS)} {_words(answer, 'reason', AIM_WORDS)}"

        return asked(ask, prompt("criticize", about=about, trial=trial, most=AIM_WORDS), read)

    return criticize


def propose(
    ask: Ask, talk: Sequence[Message], parent: Genome, read: Callable[[str], Genome], known: Callable[[Genome], bool]
) -> Said[Genome]:
    """A child of `parent` by SEARCH and REPLACE blocks; `read` makes a genome of the changed text, which must be a new one."""

    def changed(answer: str) -> Genome:
        child = read(edits.applied(parent.text, edits.blocks(answer)))
        if known(child):
            raise InputError("this text was tried already: change something else")
        return Genome(child.parts, (parent.hash,), "model")

    return asked(ask, talk, changed)
