"""Dialogues of a run, kept in its folder so that its report shows who said what."""

from pathlib import Path
from typing import Any

import jax

from interplay.core.errors import InputError
from interplay.core.game import SpokenGame
from interplay.core.team import Team
from interplay.run import devices, folder
from interplay.run.folder import Run

RECORD_KEY = 0x7A1C  # records never show the tasks of training


def keep(run: Run, layout: devices.Layout, states: Any) -> None:
    """Write down what the first seed's team says now, where it is a team that speaks."""
    if isinstance(layout.method.game, SpokenGame):
        written(run, replay(run, layout.method.game, layout.team(states, 0), layout.seeds[0], "sampled"))


def replay(run: Run, game: SpokenGame, team: Team, seed: int, mode: str, number: int = 0) -> dict[str, Any]:
    """Some episodes of a team, as replays/*.json holds them."""
    recorded = game.record(team, jax.random.fold_in(jax.random.key(RECORD_KEY), number))
    caption = f"{run.settings['method']} on {run.settings['game']}"
    return {"game": run.settings["game"], "seed": seed, "mode": mode, "caption": caption, **recorded}


def written(run: Run, replay: dict[str, Any]) -> Path:
    """Put a replay into the run folder, where the report finds it."""
    path = run.replays / f"seed-{replay['seed']}-{replay['mode']}.json"
    try:
        run.replays.mkdir(exist_ok=True)
    except OSError as error:
        raise InputError(folder.disk_line(error, run.replays)) from error
    folder.write_json_atomic(path, replay)
    return path
