"""Dialogues made ready to be read: who said what, what it was rewarded with, and how much better than others it was.

A run of a language team keeps some episodes in its folder; a page shows attempts at the same task beside each other, each
turn colored by its advantage. Texts are whatever a model or a user's tool wrote, so they are cut to size here and escaped
where they are set.
"""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LONGEST = 2000  # characters of a message that a page shows
MOST = 16  # dialogues of one record
STRONG = 1.5  # the advantage from which on a color is full
WORLD = ("world", "tool", "task")  # authors that are no agents


@dataclass(frozen=True)
class Line:
    """A message as the page sets it; `reward` and `advantage` are None for what no agent said."""

    author: str
    text: str
    reward: float | None
    advantage: float | None
    note: str

    @property
    def shade(self) -> int:
        """How strong the color is, 0 to 10."""
        return round(10 * min(1.0, abs(self.advantage or 0.0) / STRONG))

    @property
    def sign(self) -> str:
        """Whether it was better or worse than others of its group."""
        return (
            "none"
            if self.advantage is None
            else "good"
            if self.advantage > 0
            else "bad"
            if self.advantage < 0
            else "even"
        )


@dataclass(frozen=True)
class Dialogue:
    """One episode."""

    task: str
    group: int
    total: float | None
    lines: list[Line]
    events: str


@dataclass(frozen=True)
class Record:
    """Some episodes of one team."""

    name: str
    seed: int | None
    mode: str
    dialogues: list[Dialogue]


def read_records(folder: Path) -> tuple[list[Record], list[str]]:
    """All records of dialogues in a folder of replays, and a sentence on each that cannot be shown."""
    records, refused = [], []
    for path in sorted(folder.glob("*.json")):
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            if isinstance(data, dict) and "dialogues" in data:
                records.append(_record(path.stem, data))
        except (OSError, ValueError, TypeError, AttributeError, KeyError, RecursionError):
            if b'"dialogues"' in path.read_bytes()[:200_000]:
                refused.append(f"dialogues {path.name} left out: they are torn or not as expected.")
    return records, refused


def is_dialogue(path: Path) -> bool:
    """Whether a replay file holds dialogues, which other readers of the folder leave alone."""
    try:
        return b'"dialogues"' in path.read_bytes()[:200_000]
    except OSError:
        return False


def _record(name: str, data: dict[str, Any]) -> Record:
    shown = [dialogue(one) for one in data["dialogues"][:MOST]]
    return Record(name, data.get("seed"), str(data.get("mode", "unknown")), shown)


def dialogue(data: dict[str, Any]) -> Dialogue:
    """One episode as the page sets it."""
    events = ", ".join(f"{name.replace('_', ' ')}: {count}" for name, count in dict(data.get("events") or {}).items())
    return Dialogue(_cut(data["task"]), int(data["group"]), _number(data["return"]), list(_lines(data)), events)


def _lines(data: dict[str, Any]) -> Iterator[Line]:
    for one in data["messages"]:
        stop = one.get("stop", "end")
        note = "" if stop == "end" else f"stopped: {stop}"
        yield Line(
            str(one["author"])[:80], _cut(one["text"]), _number(one.get("reward")), _number(one.get("advantage")), note
        )


def _cut(text: Any) -> str:
    words = str(text)
    return words if len(words) <= LONGEST else words[:LONGEST] + " …"


def _number(value: Any) -> float | None:
    usable = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if usable else None
