"""The page of a talk without learning: what it earned and cost, and who said what."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from interplay.report import dialogues, numbers, page

Told = Mapping[str, Any]


def write(path: Path, found: Told, episodes: Sequence[Told]) -> Path:
    """Write `report.html` of what `run.talking` found, and of its episodes, into `path` and return where it is."""
    return page.write(path / "report.html", "talk.html.j2", view(found, episodes))


def view(found: Told, episodes: Sequence[Told]) -> dict[str, Any]:
    """Everything the page shows, as the template's words."""
    said = episodes[: dialogues.MOST]
    score = found["return"]
    several = found["attempts"] > 1
    return {
        "found": found,
        "model": found["name"] or found["model"],
        "score": numbers.short(score["mean"]),
        "ends": [numbers.short(score[end]) for end in ("low", "high") if score[end] is not None],
        "facts": _facts(found),
        "agents": found["agents"].items(),
        "events": [(name.replace("_", " "), count) for name, count in found["events"].items()],
        "errors": sorted({one["error"] for one in said if one.get("error")})[:5],
        "spoken": dialogues.Record("talk", found["seed"], "sampled", [dialogues.dialogue(dict(one)) for one in said]),
        "peers": "its agent's other turns about the same task" if several else "its agent's other turns",
        "left_out": len(episodes) - len(said),
    }


def _facts(found: Told) -> list[tuple[str, str]]:
    return [
        ("episodes", f"{found['episodes']:,}"),
        ("failed", f"{found['failed']:,}"),
        ("calls", f"{found['calls']:,}"),
        ("tokens said", f"{found['tokens']:,}"),
        ("tokens read", f"{found['tokens_read']:,}"),
        ("time", numbers.duration(found["seconds"])),
    ]
