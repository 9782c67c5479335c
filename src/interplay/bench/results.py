"""Small committed summaries behind METHODS.md: what each claim came to at the scale that is reported.

Only `interplay reproduce` writes them, and only at scale `small` or above; nobody types them.
"""

from pathlib import Path
from typing import Any

from interplay.run import environment, folder

FOLDER = Path("results")
REPORTED = ("small", "paper")


def write(found: dict[str, Any], place: Path = FOLDER) -> Path | None:
    """Keep a result of `bench.campaign.result` as `results/SLUG.json`, or `SLUG-paper.json`; smoke runs are not kept."""
    if found["scale"] not in REPORTED:
        return None
    place.mkdir(parents=True, exist_ok=True)
    slug = found["claim"].replace(":", "-")
    path = place / (f"{slug}.json" if found["scale"] == "small" else f"{slug}-{found['scale']}.json")
    about = {name: environment.described()[name] for name in ("interplay", "jax", "cpu", "cores")}
    folder.write_json_atomic(path, {**found, "environment": about})
    return path
