"""Demonstrations: demonstrate."""

from pathlib import Path
from typing import Annotated

import tyro

from interplay.commands.words import DONE, Outcome, command


@command
def demonstrate(
    run: Annotated[Path, tyro.conf.Positional],
    /,
    *,
    episodes: int = 50,
    out: Path = Path("demonstrations.safetensors"),
    seed: int | None = None,
    greedy: bool = False,
    json: bool = False,
) -> Outcome:
    """Record what a trained team does, for methods that learn from demonstrations.

    Args:
        run: a run folder
        episodes: whole episodes to record
        out: the file to write
        seed: whose team plays; the first seed where none is given
        greedy: take the most likely actions instead of sampling
        json: print one JSON object
    """
    from interplay.run import demonstrated, saved

    shown = demonstrated.of_run(run, episodes, seed=seed, greedy=greedy)
    path = demonstrated.save(out, shown, saved.load(run).game.spec)
    earned = shown.returns().mean(0).tolist()
    if json:
        return 0, {"demonstrations": path, "episodes": shown.episodes, "rows": shown.count, "per_agent": earned}
    print(
        f"{shown.episodes} episodes, {shown.count} rows, return per agent {', '.join(f'{x:.2f}' for x in earned)}: {path}"
    )
    return DONE
