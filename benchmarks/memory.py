"""Does a longer run need more memory? The peak after a fifth of a run against the peak at its end.

    python benchmarks/memory.py            # prints one JSON object; exit code 1 where memory grew by more than 3 %

Every update is logged and every look writes a checkpoint, so that whatever the loop keeps would show.
"""

import json
import resource
import sys
import tempfile
from pathlib import Path

from interplay.run import loop, training

UPDATES = 1500
SETTINGS = {"width": 8, "batch": 4, "length": 8, "passes": 1, "minibatches": 2}
ALLOWED = 1.03


def measure(updates: int = UPDATES, save: float = 0.5) -> dict[str, float]:
    """Peak resident memory in MB after 20 % and after 100 % of a run of tiny updates, and what is resident then."""
    marks: dict[float, tuple[float, float]] = {}

    def watch(rows, progress):
        for share in (0.2, 1.0):
            if share not in marks and progress.update >= share * updates:
                marks[share] = peak(), resident()

    with tempfile.TemporaryDirectory() as folder:
        pace = loop.Pace(look=0.02, save=save, keep=2)
        training.train(
            "ippo", "climbing", steps=32 * updates, out=Path(folder) / "run", watch=watch, pace=pace, **SETTINGS
        )
    (early, early_now), (late, late_now) = marks[0.2], marks[1.0]
    return {
        "peak_20": early,
        "peak_100": late,
        "growth": late / early,
        "resident_20": early_now,
        "resident_100": late_now,
    }


def peak() -> float:
    """The most memory this process ever had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def resident() -> float:
    """What this process has in memory now, in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


if __name__ == "__main__":
    result = measure(int(sys.argv[1]) if len(sys.argv) > 1 else UPDATES)
    print(json.dumps({name: round(value, 4) for name, value in result.items()}))
    sys.exit(result["growth"] > ALLOWED)
