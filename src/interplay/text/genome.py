"""What a search over text varies: named parts of text, with a name made of what they say, and who its parents were.

A rule of regret minimization is one with three parts, a policy program one with a single part, a team of prompted models
one with a prompt for every role.
"""

import difflib
import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from interplay.core.errors import InputError


@dataclass(frozen=True)
class Genome:
    """Parts of text by name; `parents` are the hashes of what it was made of and `how` says what was done."""

    parts: Mapping[str, str]
    parents: tuple[str, ...] = ()
    how: str = "seed"

    @functools.cached_property
    def hash(self) -> str:
        """Twelve letters that stand for all the text, and for nothing else of it.

        >>> Genome({"a": "x"}).hash == Genome({"a": "x"}, ("0",), "copied").hash
        True
        """
        digest = hashlib.sha256()
        for name, text in sorted(self.parts.items()):
            digest.update(f"{len(name)} {name} {len(text)} {text} ".encode())
        return digest.hexdigest()[:12]

    @property
    def text(self) -> str:
        """All parts, one after the other, as `NAME = TEXT`."""
        return "".join(f"{name} = {text}\n" for name, text in self.parts.items())

    def as_json(self) -> dict:
        return {"parts": dict(self.parts), "parents": list(self.parents), "how": self.how}

    @classmethod
    def from_json(cls, found: dict) -> "Genome":
        return cls(found["parts"], tuple(found["parents"]), found["how"])


def diff(before: Genome, after: Genome) -> str:
    """What changed from one to the other, part by part, in the form that `diff -u` has, without line numbers.

    >>> print(diff(Genome({"weigh": "t"}), Genome({"weigh": "t ^ 2"})))
    -weigh = t
    +weigh = t ^ 2
    """
    lines = []
    for name in dict.fromkeys([*before.parts, *after.parts]):
        old, new = (_lines(name, genome.parts.get(name)) for genome in (before, after))
        if old != new:
            lines += [line for line in difflib.unified_diff(old, new, lineterm="", n=2) if line[:2] not in _HEADS]
    return "\n".join(lines)


_HEADS = ("--", "++", "@@")


def _lines(name: str, text: str | None) -> list[str]:
    if text is None:
        return []
    return [f"{name} = {text}"] if "\n" not in text.strip() else [f"{name}:", *text.splitlines()]


def lineage(genomes: Mapping[str, Genome], name: str) -> list[Genome]:
    """From the first ancestor to the genome with that hash, along first parents.

    Raises `InputError` where a hash is unknown.
    """
    line: list[Genome] = []
    while name:
        if name not in genomes:
            raise InputError(f"no candidate has the hash '{name}': take one of the search's own")
        line.append(genomes[name])
        seen = {genome.hash for genome in line}
        name = next(iter(line[-1].parents), "")
        name = "" if name in seen else name
    return line[::-1]
