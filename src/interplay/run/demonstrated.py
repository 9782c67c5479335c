"""Demonstrations on the disk, and demonstrations of a trained run: what `interplay demonstrate` calls."""

from pathlib import Path

import jax

from interplay.core.errors import InputError
from interplay.core.game import Game, Spec
from interplay.play import demonstrations
from interplay.play.demonstrations import Demonstrations
from interplay.run import folder, saved

APART = 0xDE40  # demonstrations are none of the episodes that evaluation plays


def save(path: Path | str, shown: Demonstrations, spec: Spec) -> Path:
    """Write demonstrations as one file, wholly or not at all. Raises `InputError` where that cannot be."""
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(folder.disk_line(error, path)) from error
    folder.write_atomic(path, demonstrations.encoded(shown, spec))
    return path


def of_run(run: Path | str, episodes: int, *, seed: int | None = None, greedy: bool = False) -> Demonstrations:
    """Fresh episodes of a run's team (of its first seed where none is named)."""
    loaded = saved.load(run)
    name, game = loaded.run.settings["game"], loaded.game
    if not isinstance(game, Game):
        raise InputError(f"{name} is played in Python: record it with interplay.play.demonstrations.watched")
    team = loaded.team(seed).greedy() if greedy else loaded.team(seed)
    key = jax.random.fold_in(jax.random.key(saved.EVALUATION_KEY), APART + (seed or 0))
    mode = "greedy" if greedy else "sampled"
    source = f"{loaded.run.settings['method']}, seed {loaded.seeds[0] if seed is None else seed}, {mode}"
    return demonstrations.record(team, game, name, key, episodes, source)
